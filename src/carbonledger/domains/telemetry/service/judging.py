"""Judging items: what each costs and emits, what is known of it, and so the row that would be written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions.types import Emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing.types import Cost
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import facts
from carbonledger.domains.telemetry.service import serials
from carbonledger.domains.telemetry.store.writing import Staged
from carbonledger.domains.telemetry.types import Rejection, SeriesKey
from carbonledger.infra import db

_Verdict = tuple[Cost, Emissions, int | None]
"""What usage costs, what it emits, and the id of the rates for that."""
_BIGINT_MAX: Final = 2**63 - 1
_UNKNOWN: Final = int(sum(types.UNKNOWN)) | int(types.Fact.REASONING_UNKNOWN | types.Fact.REQUESTS_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Judged:
    """Items with what was found of them. ``rows`` are the first of each id, by id: the order in which they are written."""

    rows: list[Staged]
    price_book_id: int | None
    organization_id: UUID
    booking: types.Booking
    places: serials.Places
    items: Sequence[types.AnyDraft | Rejection]


async def judge(
    uow: db.UnitOfWork,
    *,
    at: datetime,
    organization_id: UUID,
    booking: types.Booking,
    items: Sequence[types.AnyDraft | Rejection],
    places: serials.Places,
    batch: Mapping[UUID, int],
) -> Judged:
    """Price, rate and place the items of ``batch`` (place by id)."""
    ids = sorted(batch)
    rows = await rows_of(
        uow,
        at=at,
        organization_id=organization_id,
        booking=booking,
        places=places,
        drafts=[(event_id, _draft(items[batch[event_id]])) for event_id in ids],
    )
    book_id = await pricing.book_id(uow, at=at) if any(row.quantity is None for row in rows) else None
    return Judged(rows, book_id, organization_id, booking, places, items)


def _draft(item: types.AnyDraft | Rejection) -> types.AnyDraft:
    if isinstance(item, Rejection):
        message = "an item that was rejected is not judged"
        raise TypeError(message)
    return item


async def rows_of(
    uow: db.UnitOfWork,
    *,
    at: datetime,
    organization_id: UUID,
    booking: types.Booking,
    places: serials.Places,
    drafts: Sequence[tuple[UUID, types.AnyDraft]],
    keys: Sequence[SeriesKey] | None = None,
) -> list[Staged]:
    """Return the rows of drafts, in their order. ``keys``: their series, where these are not simply where the drafts say."""
    if keys is None:
        keys = [serials.key_of(draft, booking, places) for _, draft in drafts]
    series = await serials.ids(uow, organization_id=organization_id, keys=set(keys), at=at)
    usages = [draft for _, draft in drafts if isinstance(draft, types.Draft)]
    costs = [pricing.price(draft.usage, size=draft.size, reported=draft.reported) for draft in usages]
    estimates = [emissions.estimate(draft.usage) for draft in usages]
    verdicts = zip(costs, estimates, await emissions.rate_ids(uow, at=at, emissions=estimates), strict=True)
    shared = facts.of_booking(booking)
    rows = []
    for (event_id, draft), key in zip(drafts, keys, strict=True):
        if isinstance(draft, types.Draft):
            rows.append(_usage_row(event_id, draft, series[key], next(verdicts), shared))
        else:
            rows.append(_metered_row(event_id, draft, series[key], shared))
    return rows


def _usage_row(event_id: UUID, draft: types.Draft, series_id: int, verdict: _Verdict, shared: int) -> Staged:
    cost, estimate, rate_id = verdict
    usage, pico = draft.usage, cost.amount_pico
    tokens, reported = usage.tokens, draft.reported
    is_large = pico is not None and pico > _BIGINT_MAX
    return Staged(
        event_id,
        draft.idempotency_key,
        series_id,
        usage.occurred_at,
        draft.duration_s,
        tokens.uncached_input,
        tokens.cached_input,
        tokens.cache_creation_5m,
        tokens.cache_creation_1h,
        tokens.output,
        tokens.reasoning,
        tokens.audio_input,
        tokens.image_input,
        tokens.cached_audio_input,
        tokens.cached_image_input,
        tokens.audio_output,
        tokens.image_output,
        usage.requests,
        None,
        None if is_large else pico,
        Decimal(pico) if is_large and pico is not None else None,
        cost.bits,
        None if reported is None else reported.amount,
        None if reported is None else reported.currency.code,
        rate_id,
        estimate.bits,
        shared
        | facts.of_tokens(tokens, usage.requests)
        | facts.of_draft(draft.quality, draft.duration_s, reported)
        | facts.of_judgement(is_priced=pico is not None, cost_bits=cost.bits, is_rated=rate_id is not None, emission_bits=estimate.bits),
        None if draft.properties is None else json.dumps(draft.properties),
    )


def _metered_row(event_id: UUID, draft: types.MeteredDraft, series_id: int, shared: int) -> Staged:
    properties = None if draft.properties is None else json.dumps(draft.properties)
    no_parts = (None,) * 13
    return Staged(
        event_id,
        draft.idempotency_key,
        series_id,
        draft.occurred_at,
        0,
        *no_parts,
        draft.quantity,
        None,
        None,
        0,
        None,
        None,
        None,
        0,
        shared | facts.METERED | _UNKNOWN,
        properties,
    )
