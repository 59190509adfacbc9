"""Words of the ledger: a draft that a source sends, what became of it, what is known and unknown of an event, and the faults.

An event's **identity** is its idempotency key, its time and its model; it never changes. Its **counts** change only by a revision, which
keeps the old ones. Where it is booked (project, workload, agent, account) and what it was (provider, model, service) is its **series**:
written once, shared by all events alike.

A **fact** says what has to be known before an event may be added to others. Facts of an event are a set of bits, stored with it and part
of the key of its roll-up, so that every total can say what part of it is estimated, provisional, not covered or a duplicate.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from carbonledger.kernel import errors
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import RequestSize, TokenBuckets, Usage, UsageQuality

KEY_CHARS_MAX: Final = 200
ACCOUNT_CHARS_MAX: Final = 200
NAME_CHARS_MAX: Final = 64  # of an operation, and of a metered event
PROPERTIES_BYTES_MAX: Final = 4096
BATCH_MAX: Final = 10_000
DURATION_S_MAX: Final = 366 * 86_400
QUANTITY_DIGITS_MAX: Final = 38
QUANTITY_PLACES_MAX: Final = 12


class TelemetryFault(errors.Fault):
    """The ledger could not do this."""

    code = "telemetry"


class EventUnknown(TelemetryFault):
    """There is no such event."""

    kind = errors.Kind.NOT_FOUND
    code = "event_not_found"


class BatchTooLarge(TelemetryFault):
    """One request holds at most 10,000 events."""

    kind = errors.Kind.TOO_LARGE
    code = "batch_too_large"


class PeriodInvalid(TelemetryFault):
    """The period can't be answered."""

    kind = errors.Kind.INVALID
    code = "period_invalid"


class SumsTooLarge(TelemetryFault):
    """The tokens of one hour come to more than can be added up."""

    kind = errors.Kind.INVALID
    code = "sums_too_large"


class Source(enum.Enum):
    """How an event came. Stored by these words."""

    API = "api"
    OTLP = "otlp"
    IMPORT = "import"
    CONNECTION = "connection"
    GATEWAY = "gateway"


class Fact(enum.IntFlag):
    """What is known of an event. Stored as a number, also in roll-ups: add at the end, never renumber."""

    UNCACHED_INPUT_UNKNOWN = 1 << 0
    CACHED_INPUT_UNKNOWN = 1 << 1
    CACHE_CREATION_5M_UNKNOWN = 1 << 2
    CACHE_CREATION_1H_UNKNOWN = 1 << 3
    OUTPUT_UNKNOWN = 1 << 4
    REASONING_UNKNOWN = 1 << 5
    REQUESTS_UNKNOWN = 1 << 6
    ESTIMATED = 1 << 7  # no count arrived from the provider; ours
    PARTIAL = 1 << 8  # the answer was cut off: at least this much
    PROVISIONAL = 1 << 9  # the provider may still revise it
    DUPLICATE = 1 << 10  # another source is authoritative for the same tokens: shown, never summed
    COST_NOT_COVERED = 1 << 11
    COST_ESTIMATED = 1 << 12  # the amount rests on a stated assumption
    EMISSIONS_NOT_COVERED = 1 << 13
    EMISSIONS_ASSUMED = 1 << 14  # model, host, place, split or size rests on a stated assumption
    METERED = 1 << 15  # a named quantity, not a call of a model
    WIDER_THAN_HOUR = 1 << 16  # a bucket of more than an hour, booked at its start
    COST_REPORTED = 1 << 17  # the provider tells its own cost of it, in USD


def words(facts: int) -> tuple[str, ...]:
    """Return facts as words, in their order."""
    return tuple(fact.name.lower() for fact in Fact if facts & fact and fact.name is not None)


# Facts of the counts themselves; the rest follows from who told them, and from pricing and rating them.
UNKNOWN: Final = (
    Fact.UNCACHED_INPUT_UNKNOWN,
    Fact.CACHED_INPUT_UNKNOWN,
    Fact.CACHE_CREATION_5M_UNKNOWN,
    Fact.CACHE_CREATION_1H_UNKNOWN,
    Fact.OUTPUT_UNKNOWN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event as a source tells it, checked by itself: usage of a model in one call or in one bucket of many calls.

    ``duration_s`` is a bucket's width, 0 for a moment. ``account`` is the external id of a billed customer. ``reported`` is what the
    provider says it cost; ``size`` how large each single request was, where the source tells.
    """

    idempotency_key: str
    usage: Usage
    operation: str | None = None
    quality: UsageQuality = UsageQuality.REPORTED
    duration_s: int = 0
    project_id: UUID | None = None
    agent_id: UUID | None = None
    account: str | None = None
    properties: Mapping[str, object] | None = None
    reported: Money | None = None
    size: RequestSize | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredDraft:
    """A metered event that is no call of a model: so much of something that has a name."""

    idempotency_key: str
    occurred_at: datetime
    event: str
    quantity: Decimal
    project_id: UUID | None = None
    agent_id: UUID | None = None
    account: str | None = None
    properties: Mapping[str, object] | None = None


AnyDraft = Draft | MeteredDraft


class Rejection(NamedTuple):
    """Why an item was not taken: a stable code and words for a person."""

    code: str
    detail: str


class PlainTokens(Protocol):
    """Counts of a plain event, each from 0 to 2^53 - 1 or None for unknown."""

    @property
    def uncached_input(self) -> int | None: ...
    @property
    def cached_input(self) -> int | None: ...
    @property
    def cache_creation_5m(self) -> int | None: ...
    @property
    def cache_creation_1h(self) -> int | None: ...
    @property
    def output(self) -> int | None: ...
    @property
    def reasoning(self) -> int | None: ...


class Plain(Protocol):
    """An event as an edge has decoded it: usage of a model, without parts but reasoning and without a reported cost.

    Each number is within its range, and nothing else is checked: ``drafted`` tells. Many of them come at once, most of them alike, so
    they are judged together (``service.alike``) and made into drafts only where one differs.
    """

    @property
    def idempotency_key(self) -> str: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def operation(self) -> str | None: ...
    @property
    def tokens(self) -> PlainTokens: ...
    @property
    def requests(self) -> int | None: ...
    @property
    def duration_s(self) -> int: ...
    @property
    def quality(self) -> str: ...
    @property
    def batch(self) -> bool: ...
    @property
    def service_tier(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def project_id(self) -> UUID | None: ...
    @property
    def agent_id(self) -> UUID | None: ...
    @property
    def account(self) -> str | None: ...
    @property
    def properties(self) -> Mapping[str, object] | None: ...

    def drafted(self) -> AnyDraft | Rejection:
        """Return it as a draft, or why it can't be one."""
        ...


Item: TypeAlias = AnyDraft | Plain | Rejection
"""What is to be accepted: an event as it came, or why one could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Where drafts come from: how, over which connection, into which workload, and whether the provider may still revise them."""

    source: Source
    connection_id: UUID | None = None
    workload_id: UUID | None = None
    project_id: UUID | None = None
    """Of the workload; None: the draft's own, or else the organization's default."""
    is_provisional: bool = False
    is_duplicate: bool = False


class SeriesKey(NamedTuple):
    """What all events of a series have in common. A tuple because one is looked up for every event."""

    source: str
    connection_id: UUID | None
    project_id: UUID
    workload_id: UUID | None
    agent_id: UUID | None
    account: str | None
    provider: str | None
    model: str | None
    operation: str | None
    is_batch: bool
    service_tier: str | None
    region: str | None
    event: str | None
    size_above: int | None = None
    size_up_to: int | None = None

    @property
    def size(self) -> RequestSize | None:
        """How large each single request's input was, where the source told it: prices depend on it."""
        return None if self.size_above is None else RequestSize(self.size_above, self.size_up_to)


class Status(enum.Enum):
    """What became of an item."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # the same key and the same content: nothing was added
    REVISED = "revised"  # the same key and identity with other counts: replaced, the old ones are kept
    REJECTED = "rejected"


class Result(NamedTuple):
    """What became of the item at this place. A tuple because there is one for every event."""

    place: int
    status: Status
    event_id: UUID | None
    rejection: Rejection | None


IDENTITY_CHANGED: Final = Rejection(
    "identity_changed", "An event of this key exists with another time or model. These never change; use another key."
)
PROJECT_UNKNOWN: Final = Rejection("project_unknown", "There is no such project, or it is archived.")
AGENT_UNKNOWN: Final = Rejection("agent_unknown", "There is no such agent, or it is archived.")
TIME_OUT_OF_RANGE: Final = Rejection(
    "occurred_at_out_of_range", "Give a time from 2015-01-01 to one day ahead of the organization's clock."
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch: a result for each item, in the order given, and their numbers."""

    results: tuple[Result, ...]
    accepted: int
    duplicate: int
    revised: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as it stands in the ledger. ``cost_amount`` in USD, None: not covered. Unknown counts are None."""

    id: UUID
    idempotency_key: str
    occurred_at: datetime
    duration_s: int
    series: SeriesKey
    tokens: TokenBuckets
    requests: int | None
    quantity: Decimal | None
    cost_amount: Decimal | None
    cost_flags: int
    price_version: str | None
    reported_cost: Decimal | None
    reported_currency: str | None
    emission_rate_id: int | None
    emission_flags: int
    facts: Fact
    revision: int
    properties: Mapping[str, object] | None
    recorded_at: datetime


class SpanKind(enum.Enum):
    """OpenTelemetry's kinds of span, by their numbers on the wire."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class SpanStatus(enum.Enum):
    """How a span ended, by OpenTelemetry's numbers on the wire."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span of OpenTelemetry: ids in lower-case hex, ``resource``: the attributes of who sent it. Events and links are not kept.

    An attribute is a string, a boolean or a number, which whoever reads it judges; or the rejection of what was sent and is none of them.
    Only those that are read need be there.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: SpanKind
    started_at: datetime | None
    ended_at: datetime | None
    attributes: Mapping[str, object]
    resource: Mapping[str, object]
    status: SpanStatus = SpanStatus.UNSET


class Skip(enum.Enum):
    """Why a span is no usage."""

    NO_USAGE = "no_usage"  # it is about something else
    WRAPPER = "wrapper"  # an agent, a tool or a step around calls, whose spans tell the usage
    REPEATED = "repeated"  # another span tells the same call, nearer to the provider or with counts
    FAILED = "failed"  # the call ended with an error and no counts


@dataclass(frozen=True, slots=True)
class NotUsage:
    """A span that is no record of usage."""

    reason: Skip


SpanOutcome = Draft | NotUsage | Rejection


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of a roll-up that says something else than the events it adds up. ``sums``: each name with what is right and what is kept."""

    table: str
    slot: date
    series_id: int
    facts: int
    emission_rate_id: int
    sums: tuple[tuple[str, Decimal | int, Decimal | int], ...]
