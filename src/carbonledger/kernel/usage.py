"""Usage of a model: token buckets that never overlap, and the words that pricing and emissions need to judge them.

Owns: the buckets, their invariants and their sum. It does not own where usage came from (telemetry), what it cost (pricing) or
emitted (emissions), nor how a provider's counts become buckets (its adapter): counts arrive here already told apart.

Every input token is in exactly one of ``uncached_input``, ``cached_input``, ``cache_creation_5m`` and ``cache_creation_1h``;
every output token is in ``output``. Parts (``reasoning``, and audio and image tokens of a bucket) are inside their bucket and
never added to it.

Unknown is None, never 0:

- ``uncached_input`` or ``output`` None: the source did not count it; no total is known.
- another input bucket None: the source did not tell it apart; its tokens, if any, are inside ``uncached_input``. The total is
  known, the split is not.
- a part None: the source did not say.
"""

from __future__ import annotations

import enum
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from carbonledger.kernel import errors, instant

COUNT_MAX = 2**53 - 1  # the largest integer that every JSON reader keeps exactly (RFC 8259, section 6)
MODEL_CHARS_MAX = 256
LABEL_CHARS_MAX = 64
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SPLIT = ("cached_input", "cache_creation_5m", "cache_creation_1h")
# Parts by bucket. Those of one tuple exclude each other, so their sum has to fit; reasoning is no modality and stands alone.
_PARTS = (
    ("uncached_input", ("audio_input", "image_input")),
    ("cached_input", ("cached_audio_input", "cached_image_input")),
    ("output", ("audio_output", "image_output")),
    ("output", ("reasoning",)),
)
BUCKETS = ("uncached_input", *_SPLIT, "output")
PARTS = tuple(part for _, parts in _PARTS for part in parts)
_values: Callable[[TokenBuckets], tuple[int | None, ...]] = operator.attrgetter(*BUCKETS, *PARTS)
_NO_PARTS = (None,) * len(PARTS)


class UsageInvalid(errors.Invalid):
    """The usage breaks one or more rules."""

    code = "usage_invalid"


class UsageQuality(enum.Enum):
    """How far a count can be trusted. An explicit zero is reported, never missing."""

    REPORTED = "reported"  # the provider's own count
    ESTIMATED = "estimated"  # no count arrived; ours
    PARTIAL = "partial"  # the answer was cut off: at least this much


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBuckets:
    """Tokens by bucket, each from 0 to 2^53 - 1 or None for unknown (see the module's docstring for what that means)."""

    uncached_input: int | None = None
    cached_input: int | None = None  # served from the provider's cache
    cache_creation_5m: int | None = None  # written to the cache for five minutes, or for a time not told
    cache_creation_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None  # part of output
    audio_input: int | None = None  # parts of uncached_input
    image_input: int | None = None
    cached_audio_input: int | None = None  # parts of cached_input
    cached_image_input: int | None = None
    audio_output: int | None = None  # parts of output
    image_output: int | None = None

    def __post_init__(self) -> None:
        values = _values(self)
        for value in values:  # no generator: this runs for every event that is ingested
            if value is not None and (type(value) is not int or not 0 <= value <= COUNT_MAX):
                raise _fault(self)
        if values[len(BUCKETS) :] != _NO_PARTS and any(_part_problems(self)):
            raise _fault(self)

    @classmethod
    def zero(cls) -> TokenBuckets:
        """Return no tokens, all of it known: adding it to any usage changes nothing."""
        return cls(**dict.fromkeys((*BUCKETS, *PARTS), 0))

    @property
    def total_input(self) -> int | None:
        """All input tokens; None if ``uncached_input`` is unknown."""
        if self.uncached_input is None:
            return None
        return self.uncached_input + (self.cached_input or 0) + (self.cache_creation_5m or 0) + (self.cache_creation_1h or 0)

    @property
    def total(self) -> int | None:
        """All tokens; None if ``uncached_input`` or ``output`` is unknown."""
        total_input = self.total_input
        return None if total_input is None or self.output is None else total_input + self.output

    @property
    def is_split(self) -> bool:
        """Whether the input is told apart: cached, cache creation and the rest."""
        return all(getattr(self, name) is not None for name in ("uncached_input", *_SPLIT))

    def __add__(self, other: TokenBuckets) -> TokenBuckets:
        """Add counts. What one side does not know, the sum does not know.

        An input bucket that one side does not tell apart can't be told apart in the sum either: the other side's tokens of it
        move to ``uncached_input``, so that the total of the sum is always the sum of the totals. Which of the moved tokens are
        audio or image is then no longer told.
        """
        if not isinstance(other, TokenBuckets):
            raise TypeError(f"expected TokenBuckets, got {type(other).__name__}")
        names = (*BUCKETS, *PARTS)
        counts = {name: _sum(mine, its) for name, mine, its in zip(names, _values(self), _values(other), strict=True)}
        moved = sum((getattr(self, name) or 0) + (getattr(other, name) or 0) for name in _SPLIT if counts[name] is None)
        if moved:
            counts |= {"uncached_input": _sum(counts["uncached_input"], moved), "audio_input": None, "image_input": None}
        return TokenBuckets(**counts)


@dataclass(frozen=True, slots=True)
class RequestSize:
    """How large the input of each single request was, where the source tells: more than ``above`` tokens, at most ``up_to``."""

    above: int
    up_to: int | None


class UsageKey(NamedTuple):
    """What prices and factors are looked up by."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What pricing and emissions are computed from: tokens of one model in one call, or in one bucket of many calls.

    ``requests`` None: the source did not count them; tiers that apply per request can't be decided. ``occurred_at`` is the
    start of a bucket. ``service_tier`` and ``region`` are the provider's own words.
    """

    provider: str
    model: str
    occurred_at: datetime
    tokens: TokenBuckets
    requests: int | None
    batch: bool = False
    service_tier: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        problems = tuple(_usage_problems(self))
        if problems:
            raise UsageInvalid("Correct the members named in errors.", problems=problems)
        object.__setattr__(self, "occurred_at", instant.utc(self.occurred_at))

    @property
    def key(self) -> UsageKey:
        """Whose model it was."""
        return UsageKey(self.provider, self.model)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= COUNT_MAX  # a bool is no count


def _fault(buckets: TokenBuckets) -> UsageInvalid:
    return UsageInvalid("Correct the members named in errors.", problems=(*_count_problems(buckets), *_part_problems(buckets)))


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def _count_problems(buckets: TokenBuckets) -> Iterator[errors.Problem]:
    for name in (*BUCKETS, *PARTS):
        value = getattr(buckets, name)
        if value is not None and not _is_count(value):
            yield errors.Problem(f"/{name}", "count_invalid", f"Give a whole number from 0 to {COUNT_MAX}, or null if it is unknown.")


def _part_problems(buckets: TokenBuckets) -> Iterator[errors.Problem]:
    for whole, parts in _PARTS:
        bound = getattr(buckets, whole)
        known = {part: count for part in parts if _is_count(count := getattr(buckets, part))}
        if not known or (bound is not None and not _is_count(bound)):
            continue
        if bound is None:
            for part in known:
                yield errors.Problem(f"/{part}", "part_of_unknown", f"It is a part of {whole}, which is unknown.")
        elif sum(known.values()) > bound:
            yield errors.Problem(f"/{whole}", "parts_exceed_whole", f"It is smaller than its parts: {', '.join(known)}.")


def _usage_problems(usage: Usage) -> Iterator[errors.Problem]:
    if not _PROVIDER.fullmatch(usage.provider):
        yield errors.Problem("/provider", "provider_invalid", "Give 1 to 64 of a-z, 0-9, dot, hyphen and underscore.")
    if not _is_label(usage.model, MODEL_CHARS_MAX):
        yield errors.Problem("/model", "model_invalid", f"Give 1 to {MODEL_CHARS_MAX} printable characters, none blank at an end.")
    if usage.requests is not None and not _is_count(usage.requests):
        yield errors.Problem("/requests", "count_invalid", f"Give a whole number from 0 to {COUNT_MAX}, or null if it is unknown.")
    for name, label in (("service_tier", usage.service_tier), ("region", usage.region)):
        if label is not None and not _is_label(label, LABEL_CHARS_MAX):
            yield errors.Problem(f"/{name}", "label_invalid", f"Give 1 to {LABEL_CHARS_MAX} printable characters, or null.")


def _is_label(text: str, chars_max: int) -> bool:
    """Say whether ``text`` can be stored and shown: no control character, NUL or lone surrogate, no blank at an end."""
    return 0 < len(text) <= chars_max and text.isprintable() and text == text.strip()
