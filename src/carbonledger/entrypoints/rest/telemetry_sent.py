"""Events and what became of them, as the document shows them; how they are read is ``telemetry_items``."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, RootModel

from carbonledger.domains.telemetry import types
from carbonledger.entrypoints.rest import shapes
from carbonledger.kernel.usage import COUNT_MAX, MODEL_CHARS_MAX

Count = Annotated[int | None, Field(default=None, ge=0, le=COUNT_MAX, description="Null or left out: unknown, which is not 0.")]
_Label = Annotated[str | None, Field(default=None, min_length=1, max_length=64)]


class TokensIn(shapes.In):
    """Tokens by bucket. Buckets never overlap; parts are inside their bucket."""

    uncached_input: Count
    cached_input: Count
    cache_creation_5m: Count
    cache_creation_1h: Count
    output: Count
    reasoning: Count
    audio_input: Count
    image_input: Count
    cached_audio_input: Count
    cached_image_input: Count
    audio_output: Count
    image_output: Count


class ReportedCostIn(shapes.In):
    """What the provider says it cost; kept beside our own figure."""

    amount: str = Field(max_length=40, pattern=r"^[0-9]{1,26}(\.[0-9]{1,12})?$")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217.")


class EventIn(shapes.In):
    """A call of a model, or a bucket of calls; or, with `event` and `quantity`, so much of something that has a name."""

    idempotency_key: str = Field(min_length=1, max_length=types.KEY_CHARS_MAX, description="Names the event for ever.")
    occurred_at: AwareDatetime = Field(description="From 2015 to one day ahead of the organization's clock.")
    provider: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    model: str | None = Field(default=None, min_length=1, max_length=MODEL_CHARS_MAX)
    operation: _Label
    tokens: TokensIn | None = None
    usage: dict[str, Any] | None = Field(
        default=None, max_length=64, description="In place of `tokens`: the usage object of the provider's answer, as it came."
    )
    requests: int | None = Field(default=1, ge=0, le=COUNT_MAX, description="Null: unknown.")
    duration_s: int = Field(default=0, ge=0, le=types.DURATION_S_MAX, description="Width of a bucket in seconds; 0 for a moment.")
    quality: Literal["reported", "estimated", "partial"] = "reported"
    batch: bool = False
    service_tier: _Label
    region: _Label
    reported_cost: ReportedCostIn | None = None
    project_id: UUID | None = None
    agent_id: UUID | None = None
    account: str | None = Field(default=None, min_length=1, max_length=types.ACCOUNT_CHARS_MAX, description="External id of a customer.")
    properties: dict[str, Any] | None = Field(default=None, max_length=1000, description="At most 4096 bytes of JSON.")
    event: _Label
    quantity: str | None = Field(default=None, max_length=40, description="Decimal from 0, with at most 12 digits after the point.")


class EventsIn(shapes.In):
    """Many events."""

    events: list[EventIn] = Field(max_length=types.BATCH_MAX)


class EventOrEventsIn(RootModel[EventIn | EventsIn]):
    """One event, or many as `events`."""


class OtherOut(shapes.Out):
    """What became of what another model used for the same answer, an event of its own."""

    status: Literal["accepted", "duplicate", "revised", "rejected"]
    id: UUID | None = Field(default=None, description="The event's id; left out where none stands.")
    code: str | None = Field(default=None, description="Why it was rejected.")
    detail: str | None = Field(default=None, description="The same for a person.")


class ResultOut(OtherOut):
    """What became of the item at this place."""

    index: int = Field(ge=0)
    others: list[OtherOut] | None = Field(default=None, description="Left out unless `usage` tells of other models.")


class AcceptedOut(shapes.Out):
    """What became of the items."""

    accepted: int = Field(ge=0, description="Items; their `others` are not counted.")
    duplicate: int = Field(ge=0)
    revised: int = Field(ge=0)
    rejected: int = Field(ge=0)
    results: list[ResultOut]
