"""What a period comes to: as it was closed, for a receipt; as it stands so far, for people; and compared with a fresh computation."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.receipts.core import totals as rules
from carbonledger.domains.receipts.service import closing
from carbonledger.domains.receipts.service import periods as keeping
from carbonledger.domains.receipts.store import periods as store
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Period, State, Step
from carbonledger.domains.receipts.types.totals import Adjustment, Checked, ClosedPeriod, Rate, Rates, Totals, Version
from carbonledger.domains.telemetry.service import closing as ledger
from carbonledger.domains.telemetry.types.closing import AS_IT_STANDS, Change, Line
from carbonledger.infra import db, outbox
from carbonledger.kernel import decimals
from carbonledger.kernel.actor import Actor

CHECK_JOB: Final = "receipts.check_periods"
DIFFER: Final = "receipts.periods_differ"
_PICO: Final = 12


async def closed(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> ClosedPeriod:
    """Return a closed period as a receipt states it. Raises ``PeriodNotFound``, ``PeriodWaits`` where it is not closed yet."""
    period = await keeping.find(uow, organization_id=organization_id, period_id=period_id)
    if period.state is not State.CLOSED or period.root is None or period.leaves is None:
        raise types.PeriodWaits(f"{period.month:%Y-%m} is {period.state.value}.")
    own = await store.lines_of(uow, organization_id=organization_id, period_id=period_id)
    booked = await store.booked(uow, organization_id=organization_id, booked_in=period_id)
    lines = [*own, *(line for one in booked for line in one.lines)]
    rates, sets = await _rates(uow, lines)
    whole = rules.totals(lines, rates)
    months = {one.id: one.month for one in await store.every(uow, organization_id=organization_id)}
    adjustments = [_adjustment(one.period_id, one.booked_in, months, one.lines, rates) for one in booked]
    return ClosedPeriod(
        period=period,
        totals=whole,
        energy_uwh=rules.rounded(whole.energy, rules.QUANTA_PER_UWH),
        co2e_location_mg=rules.rounded(whole.co2e_location, rules.QUANTA_PER_MG),
        co2e_market_mg=rules.rounded(whole.co2e_market, rules.QUANTA_PER_MG),
        cost_pico_usd=int(decimals.shifted(whole.cost_usd, _PICO)),
        projects=rules.parts(lines, whole, rates, by=rules.of_project),
        models=rules.parts(lines, whole, rates, by=rules.of_model),
        adjustments=tuple(sorted(adjustments, key=lambda one: one.month)),
        factor_sets=sets,
        price_books=await _books(uow, lines),
        root=period.root,
        leaves=period.leaves,
    )


def _adjustment(period_id: UUID, booked_in: UUID | None, months: Mapping[UUID, date], lines: Sequence[Line], rates: Rates) -> Adjustment:
    made = rules.totals(lines, rates)
    return Adjustment(
        period_id=period_id,
        month=months[period_id],
        booked_in=booked_in,
        events=made.events,
        totals=made,
        energy_uwh=rules.rounded(made.energy, rules.QUANTA_PER_UWH),
        co2e_location_mg=rules.rounded(made.co2e_location, rules.QUANTA_PER_MG),
        co2e_market_mg=rules.rounded(made.co2e_market, rules.QUANTA_PER_MG),
    )


async def _rates(uow: db.UnitOfWork, lines: Iterable[Line]) -> tuple[Rates, tuple[Version, ...]]:
    named = {line.key.emission_rate_id for line in lines} - {None}
    kept = await emissions.kept_rates(uow, ids=[number for number in named if number is not None])
    rates = {
        number: Rate(version=one.version, energy=one.energy, co2e_location=one.co2e_location, co2e_market=one.co2e_market)
        for number, one in kept.items()
    }
    return rates, tuple(sorted({Version(one.version, one.digest) for one in kept.values()}))


async def _books(uow: db.UnitOfWork, lines: Iterable[Line]) -> tuple[Version, ...]:
    named = {line.key.price_book_id for line in lines} - {None}
    found = await pricing.published_books(uow, ids=[number for number in named if number is not None])
    return tuple(sorted(Version(*one) for one in found.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A period as people see it. ``totals``: what was frozen, without adjustments; None: nothing is frozen yet, and the ledger tells.

    ``booked``: adjustments of earlier periods that stand in this one, or would if it closed now; ``moved``: those of this period that
    stand in later ones, or wait for the next to close.
    """

    period: Period
    totals: Totals | None
    booked: tuple[Adjustment, ...]
    moved: tuple[Adjustment, ...]


async def show(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> Shown:
    """Return a period with what it comes to and its adjustments. Raises ``PeriodNotFound``."""
    every = {one.id: one for one in await store.every(uow, organization_id=organization_id)}
    period = every.get(period_id)
    if period is None:
        raise types.PeriodNotFound(f"There is no period {period_id}.")
    is_summed = types.is_done(Step.SUMMED, within=period.step)
    lines = await _frozen_lines(uow, organization_id=organization_id, period=period) if is_summed else ()
    later = await _changes(uow, organization_id=organization_id, every=list(every.values()))
    rates, _ = await _rates(uow, [*lines, *(change.line for _, changes in later for change in changes)])
    months = {one.id: one.month for one in every.values()}
    place = _place(period, every)
    return Shown(
        period=period,
        totals=rules.totals(lines, rates) if is_summed else None,
        booked=_adjustments([(into, changes) for into, changes in later if into == place], months, rates),
        moved=_adjustments([(into, [one for one in changes if one.stretch_id == period_id]) for into, changes in later], months, rates),
    )


async def adjustments(uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[Adjustment, ...]:
    """Return every adjustment there is, by where it is booked; those that wait for the next period last."""
    every = await store.every(uow, organization_id=organization_id)
    later = await _changes(uow, organization_id=organization_id, every=every)
    rates, _ = await _rates(uow, [change.line for _, changes in later for change in changes])
    return _adjustments(later, {one.id: one.month for one in every}, rates)


def _place(period: Period, every: dict[UUID, Period]) -> UUID | None:
    """Return the id under which what is booked in a period stands; None: it is the one in which what waits will be."""
    waiting = next((one.id for one in every.values() if one.cut is None), None)
    return None if period.id == waiting else period.id


def _adjustments(
    later: Sequence[tuple[UUID | None, Sequence[Change]]], months: Mapping[UUID, date], rates: Rates
) -> tuple[Adjustment, ...]:
    """Return adjustments by where they are booked, those that wait last, and then by month."""
    made = []
    for into, changes in later:
        by_period: dict[UUID, list[Line]] = {}
        for change in changes:
            by_period.setdefault(change.stretch_id, []).append(change.line)
        made += [_adjustment(period_id, into, months, lines, rates) for period_id, lines in by_period.items()]
    return tuple(sorted(made, key=lambda one: (one.booked_in is None, months.get(one.booked_in or one.period_id), one.month)))


async def _frozen_lines(uow: db.UnitOfWork, *, organization_id: UUID, period: Period) -> Sequence[Line]:
    """Return a period's lines: as written; of one that has its cut and no lines yet, as it stood then; of an open one, as it stands."""
    if types.is_done(Step.SUMMED, within=period.step):
        return await store.lines_of(uow, organization_id=organization_id, period_id=period.id)
    cut = AS_IT_STANDS if period.cut is None else period.cut
    return await ledger.lines(uow, organization_id=organization_id, stretch=closing.stretch(period), cut=cut)


async def _changes(uow: db.UnitOfWork, *, organization_id: UUID, every: Sequence[Period]) -> list[tuple[UUID | None, list[Change]]]:
    """Return what came late, by the period that it is booked in; None: it waits for the next cut."""
    found: list[tuple[UUID | None, list[Change]]] = []
    for period in every:
        if types.is_done(Step.ADJUSTED, within=period.step):
            booked = await store.booked(uow, organization_id=organization_id, booked_in=period.id)
            found.append((period.id, [Change(one.period_id, line) for one in booked for line in one.lines]))
        elif period.cut is not None:
            found.append((period.id, await closing.late_for(uow, organization_id=organization_id, period=period)))
    present = await ledger.find(uow, organization_id=organization_id)
    cut = [closing.stretch(one) for one in every if one.cut is not None]
    found.append((None, await ledger.changes(uow, organization_id=organization_id, cut=present.cuts, stretches=cut)))
    return found


async def check(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID) -> list[Checked]:
    """Compare every period that has its cut with a fresh computation of its time: what was frozen, and all that was booked of it since."""
    every = await keeping.ensure(uow, organization_id=organization_id, now=now)
    await ledger.take_time(uow)
    later = await _changes(uow, organization_id=organization_id, every=every)
    checked = []
    for period in every:
        if period.cut is None:
            continue
        frozen = await _frozen_lines(uow, organization_id=organization_id, period=period)
        booked = [one.line for into, changes in later if into is not None for one in changes if one.stretch_id == period.id]
        pending = [one.line for into, changes in later if into is None for one in changes if one.stretch_id == period.id]
        fresh = await ledger.lines(uow, organization_id=organization_id, stretch=closing.stretch(period), cut=AS_IT_STANDS)
        checked.append(
            Checked(
                period=period,
                frozen=tuple(frozen),
                adjustments=rules.merged(booked),
                pending=rules.merged(pending),
                fresh=tuple(fresh),
                differences=rules.difference(fresh, [*frozen, *booked, *pending]),
            )
        )
    return checked


def cost_of(lines: Iterable[Line]) -> Decimal:
    """Return what lines cost together, in USD, duplicates included."""
    merged = rules.merged(lines)
    return functools.reduce(decimals.add, (line.sums.cost_amount for line in merged), Decimal(0))


async def tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, found: Sequence[Checked]) -> None:
    """Alert the operators to periods that are not what a fresh computation gives."""
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=DIFFER,
        target_type="organization",
        target_id=organization_id,
        after={"months": [f"{one.period.month:%Y-%m}" for one in found], "lines": sum(len(one.differences) for one in found)},
        severity="critical",
        audience=(outbox.OPERATORS,),
    )
