"""From the counts of one usage object to buckets that do not overlap.

Owns what has to be taken apart: cached and written tokens inside or outside the input, reasoning inside or outside the output, a total
that its parts do not reach. It does not own where the counts are (``flavours``).

What the provider's own total says goes before the custom of its shape; every such departure is noted. Nothing is ever clamped: counts
that can't be true together are refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from carbonledger.domains.telemetry.core.bodies.looking import Looker
from carbonledger.domains.telemetry.core.bodies.reading import Note
from carbonledger.kernel.usage import COUNT_MAX, TokenBuckets


@dataclass(frozen=True, slots=True)
class _Cache:
    """Cached tokens and those written, by time. None: not told."""

    cached: int | None
    written_5m: int | None
    written_1h: int | None

    @property
    def total(self) -> int:
        return (self.cached or 0) + (self.written_5m or 0) + (self.written_1h or 0)


def buckets(looker: Looker) -> tuple[TokenBuckets | None, set[Note]]:
    """Return the buckets of a usage object and what is to be said about them; no buckets if it tells no count of the input.

    Raises ``UsageUnreadable``.
    """
    notes: set[Note] = set()
    given = looker.count("input")
    if given is None:
        looker.finish()
        return None, notes
    cache = _cache(looker, notes)
    total = looker.count("total")
    output = looker.count("output")
    if output is None:
        output = 0 if looker.flavour.absent_is_zero else _rest(total, given)
    if cache.total:
        given = _input(looker, given, cache, output=output, total=total, notes=notes)
    output, reasoning = _output(looker, given, output, total, notes)
    parts = _parts(looker, given - cache.total, cache, output, notes)
    for place, count in (("input", given), ("output", output or 0)):
        if not 0 <= count <= COUNT_MAX:
            looker.fail("", "count_invalid", f"The {place} adds up to more than {COUNT_MAX} tokens.")
    if given < cache.total:
        looker.fail("", "parts_exceed_whole", "There are more cached and written tokens than input tokens.")
    looker.finish()
    _note_others(looker, given, output, notes)
    made = TokenBuckets(
        uncached_input=given - cache.total,
        cached_input=cache.cached,
        cache_creation_5m=cache.written_5m,
        cache_creation_1h=cache.written_1h,
        output=output,
        reasoning=reasoning,
        **parts,
    )
    return made, notes


def _rest(total: int | None, given: int) -> int | None:
    return None if total is None or total < given else total - given


def _cache(looker: Looker, notes: set[Note]) -> _Cache:
    """Return the cache's tokens. What was written for a time not told is in the first of the two times."""
    cached, written = looker.count("cached"), looker.count("written")
    if cached is None and looker.flavour.absent_is_zero and "cached" in looker.flavour.counts:
        cached = 0
    short, hour = looker.count("written_5m"), looker.count("written_1h")
    split = None if short is None and hour is None else (short or 0) + (hour or 0)
    if written is None and split is None:
        return _Cache(cached, None, None)
    if split is None or (written is not None and written > split):
        if written and "written_1h" in looker.flavour.counts:
            notes.add(Note.CACHE_TIME_UNTOLD)
        return _Cache(cached, (written or 0) - (hour or 0), hour or 0)
    if written is not None and written < split:
        notes.add(Note.TOTAL_TOO_SMALL)
    return _Cache(cached, split - (hour or 0), hour or 0)


def _input(looker: Looker, given: int, cache: _Cache, *, output: int | None, total: int | None, notes: set[Note]) -> int:
    """Return all input tokens: ``given``, or with the cache's tokens where they are outside of it."""
    known = total is not None and output is not None
    fits_inside = known and total == given + (output or 0)
    # Reasoning outside the output would make the same total; then the custom of the shape decides
    fits_outside = known and total == given + (output or 0) + cache.total and looker.count("reasoning") != cache.total
    if looker.flavour.cache_is_inside:
        if fits_outside or (cache.total > given and not fits_inside and not known):
            notes.add(Note.CACHE_OUTSIDE)
            return given + cache.total
        return given
    if fits_inside:
        notes.add(Note.CACHE_INSIDE)
        return given
    return given + cache.total


def _output(looker: Looker, given: int, output: int | None, total: int | None, notes: set[Note]) -> tuple[int | None, int | None]:
    """Return all output tokens and the reasoning among them."""
    reasoning = looker.count("reasoning")
    if reasoning is None and looker.flavour.absent_is_zero and "reasoning" in looker.flavour.counts:
        reasoning = 0
    if output is None:
        return None, None
    if reasoning and (reasoning > output or total == given + output + reasoning):
        notes.add(Note.REASONING_OUTSIDE)
        output += reasoning
    if total is not None and total > given + output:
        notes.add(Note.REST_IN_OUTPUT)
        return total - given, reasoning
    if total is not None and total < given + output:
        notes.add(Note.TOTAL_TOO_SMALL)
    return output, reasoning


def _parts(looker: Looker, uncached: int, cache: _Cache, output: int | None, notes: set[Note]) -> dict[str, int | None]:
    """Return audio and image tokens by bucket, None where they are not told or can't be told apart from cached ones."""
    made: dict[str, int | None] = {}
    for kind in ("audio", "image"):
        whole, cached = looker.count(f"{kind}_input"), looker.count(f"cached_{kind}")
        made[f"{kind}_output"] = None if output is None else looker.count(f"{kind}_output")
        if not whole or not cache.cached:
            made[f"{kind}_input"] = whole
            made[f"cached_{kind}_input"] = 0 if whole is not None and cache.cached is not None else None
        elif cached is not None and cached <= whole:
            made[f"{kind}_input"], made[f"cached_{kind}_input"] = whole - cached, cached
        else:
            made[f"{kind}_input"] = made[f"cached_{kind}_input"] = None
            notes.add(Note.PARTS_UNCLEAR)
    bounds = {"{}_input": uncached, "cached_{}_input": cache.cached or 0, "{}_output": output or 0}
    for name, bound in bounds.items():
        names = [name.format(kind) for kind in ("audio", "image")]
        if sum(made[part] or 0 for part in names) > bound:
            notes.add(Note.PARTS_UNCLEAR)
            made |= dict.fromkeys(names)
    return made


def _note_others(looker: Looker, given: int, output: int | None, notes: set[Note]) -> None:
    processed = looker.count("processed")
    if processed is not None and processed != given + (output or 0):
        notes.add(Note.BILLED_UNITS)
    if looker.has("other"):
        notes.add(Note.OTHER_UNITS)
