"""What is read from a provider: streams, windows, pages of time buckets, and their rows.

Owns the values and the rules of a single one. It does not own a provider's fields (``adapters``), nor what becomes of a row
(``telemetry``), nor when a window is read again.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from carbonledger.kernel import instant
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import RequestSize, TokenBuckets, UsageQuality

PAGES_MAX = 1000
"""Pages of one window. 60 days by the hour are 9 pages of 168 buckets, or 60 of a day; ten times that is no longer an answer."""
DIMENSION_CHARS_MAX = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_S = 3600
_DAY_S = 86_400

Dimensions = tuple[tuple[str, str], ...]
"""A row's own dimensions as (name, value), sorted by name, those that are null left out. With its bucket they are its identity."""


class Carries(enum.Enum):
    """What the rows of a stream are."""

    TOKENS = "tokens"
    ACTIVITY = "activity"  # what is not counted in tokens: images, seconds, searches
    COSTS = "costs"  # what the provider itself says it charges


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One series of time buckets that a provider offers. ``name`` is part of the identity of its rows: never rename one.

    ``is_completed_only``: the provider shows a bucket only after its end. ``instead_of``: the stream that tells the same usage better,
    so that this one is read only where that one is refused, and never for the same time.
    """

    name: str
    bucket_width_s: int
    carries: Carries
    is_completed_only: bool = False
    instead_of: str | None = None

    def __post_init__(self) -> None:
        if self.bucket_width_s not in {_HOUR_S, _DAY_S}:
            raise ValueError("a stream's buckets are hours or days of UTC")

    @property
    def bucket_width(self) -> timedelta:
        """The time that a bucket covers."""
        return timedelta(seconds=self.bucket_width_s)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that is read: from ``starts_at`` (inside) to ``ends_at`` (outside), in UTC. Never empty."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts_at", instant.utc(self.starts_at))
        object.__setattr__(self, "ends_at", instant.utc(self.ends_at))
        if self.ends_at <= self.starts_at:
            raise ValueError("a window ends after it starts")

    def is_whole(self, stream: Stream) -> bool:
        """Say whether it cuts none of the stream's buckets."""
        return not (self.starts_at - _EPOCH) % stream.bucket_width and not (self.ends_at - _EPOCH) % stream.bucket_width

    def checked(self, stream: Stream) -> Window:
        """Return itself. Raises ``ValueError`` where it cuts a bucket: what is read of it would replace the whole."""
        if not self.is_whole(stream):
            raise ValueError(f"the window cuts a bucket of {stream.name}")
        return self

    def bucket_starts(self, stream: Stream) -> tuple[datetime, ...]:
        """Return the starts of the stream's buckets in it, in order."""
        count = (self.ends_at - self.starts_at) // stream.bucket_width
        return tuple(self.starts_at + number * stream.bucket_width for number in range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Tokens of one model in one bucket, told apart by what the provider groups by.

    ``requests`` None: the provider does not count them. ``size``: how large each request's input was, where the provider tells.
    """

    dimensions: Dimensions
    model: str
    tokens: TokenBuckets
    requests: int | None
    batch: bool = False
    service_tier: str | None = None
    region: str | None = None
    size: RequestSize | None = None
    quality: UsageQuality = UsageQuality.REPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something used that is not counted in tokens. ``event`` names what ``quantity`` counts, with its unit: ``speech_characters``."""

    dimensions: Dimensions
    event: str
    quantity: Decimal
    model: str | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCost:
    """What the provider says it charges for one item in one bucket; negative where it takes something back. Kept beside our own cost.

    ``item`` is the provider's own word for it, None where it tells nothing apart; ``quantity`` and ``unit`` where it says how much.
    """

    dimensions: Dimensions
    item: str | None
    amount: Money
    model: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """All that a provider said of one time bucket. Empty is a statement too: nothing was used.

    Rows are in the provider's order; no two rows, two activities of one event, or two costs of one item have the same dimensions.
    """

    stream: str
    starts_at: datetime
    ends_at: datetime
    rows: tuple[Row, ...] = ()
    activities: tuple[Activity, ...] = ()
    costs: tuple[ReportedCost, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Buckets by start, no start twice, each whole; and the cursor of the next page (None: this was the last)."""

    buckets: tuple[Bucket, ...]
    next_cursor: str | None
    payload_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPage:
    """One answer as it came, and what was asked: kept apart from its meaning, so that recorded ones can be read again.

    ``window`` is the time that this answer is about. ``next_cursor`` is set where it is not the answer that holds the next one.
    """

    stream: Stream
    window: Window
    body: bytes = field(repr=False)
    next_cursor: str | None = None

    @property
    def payload_digest(self) -> str:
        """SHA-256 of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


def dimensions(values: Mapping[str, str | None] | Iterable[tuple[str, str | None]]) -> Dimensions:
    """Return the dimensions that have a value, sorted by name."""
    pairs = values.items() if isinstance(values, Mapping) else values
    return tuple(sorted((name, value) for name, value in pairs if value is not None))
