"""Spans that tell the same call: a framework's around a client's, or two instrumentations of one client.

What holds whether a trace arrives whole or in pieces: spans around calls are known by their operation, not by their children; and spans
of one call share the key of its answer's id, so that the ledger takes the second for the first.

What needs them in one piece, for answers without an id: of a call span around another, with nothing but plain spans between them, the
inner one is counted; or the outer one, if it alone has counts. Exporters send a span when it ends, so inner and outer mostly come together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from carbonledger.domains.telemetry.core.spans import calls
from carbonledger.domains.telemetry.core.spans.calls import Call
from carbonledger.domains.telemetry.types import NotUsage, Skip, Span, SpanOutcome

ABOVE_MAX = 64  # spans that are looked through above one; traces of people's programs are below 30 deep

_Place = tuple[str, str]


def read_spans(spans: Sequence[Span]) -> tuple[SpanOutcome, ...]:
    """Return the outcome of each span, in their order: a draft, no usage, or a rejection."""
    read = [calls.read(span) for span in spans]
    by_place = {(span.trace_id, span.span_id): span for span in spans}
    found = {(one.span.trace_id, one.span.span_id): one for one in read if isinstance(one, Call)}
    repeated = _repeated(found, by_place)
    kept: dict[str, Call] = {}
    for place, call in found.items():
        if place not in repeated:
            before = kept.get(call.draft.idempotency_key)
            if before is None or (call.has_counts and not before.has_counts):
                kept[call.draft.idempotency_key] = call
    counted = {id(call) for call in kept.values()}
    return tuple((one.draft if id(one) in counted else NotUsage(Skip.REPEATED)) if isinstance(one, Call) else one for one in read)


def _repeated(found: Mapping[_Place, Call], spans: Mapping[_Place, Span]) -> set[_Place]:
    """Return the calls that another one tells: those around it, and those inside it that have no counts while it has."""
    above = {place: tuple(_above(call, found, spans)) for place, call in found.items()}
    repeated = {one for place, call in found.items() if call.has_counts for one in above[place]}
    for place, call in found.items():
        if call.has_counts:
            continue
        if any(found[one].has_counts and one not in repeated for one in above[place]):
            repeated.add(place)
        else:
            repeated.update(one for one in above[place] if not found[one].has_counts)
    return repeated


def _above(call: Call, found: Mapping[_Place, Call], spans: Mapping[_Place, Span]) -> Iterator[_Place]:
    """Yield the call spans around this one that tell the same call, the nearest first."""
    span: Span | None = call.span
    seen: set[_Place] = set()
    for _ in range(ABOVE_MAX):
        if span is None or span.parent_span_id is None:
            return
        place = (span.trace_id, span.parent_span_id)
        span = spans.get(place)
        if span is None or place in seen or span is call.span or calls.is_wrapper(span):
            return
        seen.add(place)
        if place in found:
            if not _is_same(call, found[place]):
                return
            yield place


def _is_same(inner: Call, outer: Call) -> bool:
    """Say whether two nested spans may tell one call: both make embeddings or neither does, and no two ids of answers."""
    ids = {one.response_id for one in (inner, outer)} - {None}
    return (inner.operation == "embeddings") == (outer.operation == "embeddings") and len(ids) <= 1
