"""Judging items: what each costs and emits, what is known of it, and so the row that would be written."""

from __future__ import annotations

import asyncio
import itertools
import json
import operator
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions.types import Emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing.types import Cost, dollars
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import facts, rollup
from carbonledger.domains.telemetry.core.rollup import ZERO, SlotKey, Sums
from carbonledger.domains.telemetry.service import alike, serials
from carbonledger.domains.telemetry.store import packing
from carbonledger.domains.telemetry.store.packing import Staged
from carbonledger.domains.telemetry.types import Rejection, SeriesKey
from carbonledger.infra import db

_Verdict = tuple[Cost, Emissions, int | None]
"""What usage costs, what it emits, and the id of the rates for that."""
_BIGINT_MAX: Final = 2**63 - 1
_QUARTER_US: Final = 900_000_000
SLICE: Final = 2_500  # events between which the event loop has its turn: some 10 ms
_UNKNOWN: Final = int(sum(types.UNKNOWN)) | int(types.Fact.REASONING_UNKNOWN | types.Fact.REQUESTS_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sent:
    """Items as they came, and where they are booked."""

    booking: types.Booking
    places: serials.Places
    items: Sequence[types.Item]


class Judged(NamedTuple):
    """What will be written: rows, and the events of each line with what they have in common."""

    rows: list[Staged]
    lines: list[tuple[alike.Line, Staged]]
    price_book_id: int | None

    @property
    def size(self) -> int:
        """The number of events."""
        return len(self.rows) + sum(len(line.ids) for line, _ in self.lines)


async def judge(
    uow: db.UnitOfWork,
    *,
    at: datetime,
    organization_id: UUID,
    sent: Sent,
    drafts: Sequence[tuple[UUID, types.AnyDraft]],
    lines: Sequence[alike.Line],
) -> Judged:
    """Price, rate and place drafts, and of each line its first event, which tells the rest."""
    samples = [(UUID(bytes=line.ids[0]), line.draft) for line in lines]
    rows = await rows_of(
        uow,
        at=at,
        organization_id=organization_id,
        booking=sent.booking,
        drafts=[*drafts, *samples],
        keys=[*(serials.key_of(draft, sent.booking, sent.places) for _, draft in drafts), *(line.series for line in lines)],
    )
    book_id = await pricing.book_id(uow, at=at) if any(row.quantity is None for row in rows) else None
    return Judged(rows[: len(drafts)], list(zip(lines, rows[len(drafts) :], strict=True)), book_id)


def drafted(item: types.Item) -> types.AnyDraft:
    """Return an item that was not rejected as a draft."""
    draft = item if isinstance(item, (types.Draft, types.MeteredDraft, Rejection)) else item.drafted()
    if isinstance(draft, Rejection):
        message = "an item that was rejected is not judged"
        raise TypeError(message)
    return draft


async def packed(judged: Judged) -> AsyncIterator[bytes]:
    """Yield the rows as they are copied into the staging table, by id, giving other requests their turn now and then."""
    rows = list(map(packing.row, judged.rows))
    for line, sample in judged.lines:
        tail, numbers = packing.tail(sample), _numbers(line)
        for start in range(0, len(line.ids), SLICE):
            part = slice(start, start + SLICE)
            told = [None if item.properties is None else json.dumps(item.properties) for item in line.items[part]]
            rows += packing.rows(
                line.ids[part], line.keys[part], [column[part] if isinstance(column, list) else column for column in numbers], told, tail
            )
            await asyncio.sleep(0)
    rows.sort()
    yield packing.HEADER
    for start in range(0, len(rows), SLICE):
        yield b"".join(rows[start : start + SLICE])
        await asyncio.sleep(0)
    yield packing.TRAILER


def _numbers(line: alike.Line) -> list[packing.Numbers]:
    """Return the numbers of a line's rows, each a column or what all have in common."""
    counts = [column if state else state for column, state in zip(line.counts, line.states, strict=True)]
    return [line.at_us, *counts, line.requests, line.picos if line.factors is not None else None]


def changes(judged: Judged, *, known: AbstractSet[bytes]) -> Iterator[tuple[SlotKey, Sums]]:
    """Yield what the events add to the roll-ups, those left out whose ids are ``known``: they were there before."""
    book_id = judged.price_book_id or 0
    for row in judged.rows:
        if row.id.bytes not in known:
            priced_by = book_id if row.quantity is None else 0
            yield SlotKey(rollup.quarter_of(row.occurred_at), row.series_id, row.facts, row.emission_rate_id or 0, priced_by), _sums(row)
    for line, sample in judged.lines:
        for quarter, numbers in _by_quarter(line, known).items():
            start = packing.instant(_QUARTER_US * quarter)
            yield SlotKey(start, sample.series_id, sample.facts, sample.emission_rate_id or 0, book_id), _line_sums(line, numbers)


def _by_quarter(line: alike.Line, known: AbstractSet[bytes]) -> dict[int, Sequence[int]]:
    """Return the numbers of a line's events by that of their quarter of an hour, without those that are ``known``."""
    first, last = min(line.at_us) // _QUARTER_US, max(line.at_us) // _QUARTER_US
    fresh = [number for number, event_id in enumerate(line.ids) if event_id not in known] if known else range(len(line.ids))
    if first == last:  # as of most that come while they happen
        return {first: fresh} if fresh else {}
    by_quarter: dict[int, list[int]] = defaultdict(list)
    at_us = map(line.at_us.__getitem__, fresh) if known else line.at_us
    for number, quarter in zip(fresh, map(operator.floordiv, at_us, itertools.repeat(_QUARTER_US)), strict=True):
        by_quarter[quarter].append(number)
    return dict(by_quarter)


def _sums(row: Staged) -> Sums:
    pico = int(row.cost_large) if row.cost_large is not None else row.cost_pico
    reported = row.reported_cost if row.reported_currency == "USD" else None
    return Sums(
        1,
        row.requests or 0,
        row.uncached_input or 0,
        row.cached_input or 0,
        row.cache_creation_5m or 0,
        row.cache_creation_1h or 0,
        row.output or 0,
        row.reasoning or 0,
        row.quantity or ZERO,
        dollars(pico or 0),
        reported or ZERO,
    )


def _line_sums(line: alike.Line, numbers: Sequence[int]) -> Sums:
    """Return what those of a line's events with these numbers add up to."""
    count = len(numbers)
    sums = [
        sum(column if count == len(line.ids) or not column else map(column.__getitem__, numbers)) for column in (*line.counts, line.picos)
    ]
    uncached, cached, creation, hour, output, reasoning, pico = sums
    return Sums(count, (line.requests or 0) * count, uncached, cached, creation, hour, output, reasoning, ZERO, dollars(pico), ZERO)


async def rows_of(
    uow: db.UnitOfWork,
    *,
    at: datetime,
    organization_id: UUID,
    booking: types.Booking,
    drafts: Sequence[tuple[UUID, types.AnyDraft]],
    keys: Sequence[SeriesKey],
) -> list[Staged]:
    """Return the rows of drafts, in their order; ``keys``: their series."""
    series = await serials.ids(uow, organization_id=organization_id, keys=set(keys), at=at)
    usages = [draft for _, draft in drafts if isinstance(draft, types.Draft)]
    costs = [pricing.price(draft.usage, size=draft.size, reported=draft.reported) for draft in usages]
    estimates = [emissions.estimate(draft.usage, size=draft.size) for draft in usages]
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
