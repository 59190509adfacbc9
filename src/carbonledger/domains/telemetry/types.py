"""Words of telemetry: a draft of an event, and the spans that some drafts are made of.

A draft is what a source says about one record of usage, before it is in the ledger. A ``Span`` is OpenTelemetry's, free of any wire.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.pricing.types import RequestSize
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import Usage, UsageQuality

IDEMPOTENCY_KEY_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One record of usage as its source tells it.

    ``duration_s``: a time bucket's width, 0 for a moment. ``reported``: what the provider says it cost.
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

    An attribute is a string, a boolean, a number, or a tuple of those; whoever reads one judges it.
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


@dataclass(frozen=True, slots=True)
class Rejection:
    """A span that should be a record of usage and can't be one: a stable code, and words for whoever sends it."""

    code: str
    detail: str


SpanOutcome = Draft | NotUsage | Rejection
