"""Receipts: the months with what happens next, each month by itself, and the receipts that were issued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.projects import service as projects
from carbonledger.domains.receipts.service import listing, totals
from carbonledger.domains.receipts.service import periods as service
from carbonledger.domains.receipts.types import receipts as receipt_types
from carbonledger.domains.receipts.types.listing import Listed
from carbonledger.domains.receipts.types.periods import Period, State
from carbonledger.domains.receipts.types.totals import Adjustment, ClosedPeriod
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Dimension, Filters
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import figures, forms, routes, screens
from carbonledger.entrypoints.web.sections.receipts import shown, wording
from carbonledger.infra import db
from carbonledger.kernel import errors, lookback
from carbonledger.kernel import zone as zones

router = routes.Router()
READ: Final = access.scope("receipts:read")
PATH: Final = "/receipts"
MONTHS: Final = 24
_RECEIPTS: Final = 20
_CHANGES_MAX: Final = 3  # in a row of months; the month's own page has all
_DONE: Final = {"closing": "The month is being closed. That takes a moment; reload the page to see it closed."}


@dataclass(frozen=True, slots=True)
class Month:
    """A month in the list: how it stands, its payment, its receipt, and what came late for it or is booked in it."""

    period: Period
    name: str
    standing: wording.Standing
    payment: tuple[str, str]
    receipt: Listed | None
    changes: tuple[str, ...]
    may_close: bool


def tabs(call: routing.Call) -> dict[str, Any]:
    """Return what the section's head needs: its tabs. The inventory is the house's alone."""
    found = [("months", PATH, "Months and receipts")]
    if "audit_packs:read" in call.actor.scopes:
        found.append(("packs", f"{PATH}/packs", "Audit packs"))
    if call.caller.is_house and "credits:read" in call.actor.scopes:
        found.append(("credits", f"{PATH}/credits", "Credits"))
    return {"tabs": found}


def needs_payment(call: routing.Call) -> bool:
    """Say whether the organization's months have to be paid."""
    return call.caller.tier is not identity_types.Tier.FREE and not call.caller.is_house


async def has_receipts(call: routing.Call, uow: db.UnitOfWork) -> bool:
    """Say whether the plan has receipts."""
    return await entitlements.has(uow, organization_id=call.caller.organization_id, key=receipt_types.RECEIPTS)


@router.page(PATH, READ)
async def receipts(call: routing.CallDep) -> exchange.Answer:
    """Show the months and their receipts."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    # Not a transaction of reading: months are made at the first look.
    async with screens.writing(call) as uow:
        await service.ensure(uow, organization_id=organization_id, now=call.now)
        some = await service.list_periods(
            uow, organization_id=organization_id, page=call.page(limit=MONTHS, cursor=fields.given("cursor"), parts=1)
        )
        found = await listing.receipts(
            uow, organization_id=organization_id, page=call.page(limit=_RECEIPTS, cursor=fields.given("receipts"), parts=1)
        )
        return await screens.show(
            call,
            uow,
            "receipts/list.html",
            section="receipts",
            title="Receipts",
            months=await _months(call, uow, some.data),
            next_cursor=some.next_cursor,
            receipts=found.data,
            next_receipts=found.next_cursor,
            has_receipts=await has_receipts(call, uow),
            states=wording.STATES,
            month=wording.month,
            co2e=shown.co2e,
            tab="months",
            done=_DONE.get(fields.text("done"), ""),
            **tabs(call),
        )


async def _months(call: routing.Call, uow: db.UnitOfWork, found: Sequence[Period]) -> list[Month]:
    organization_id = call.caller.organization_id
    issued = await listing.of_periods(uow, organization_id=organization_id, period_ids=[one.id for one in found])
    late = await totals.adjustments(uow, organization_id=organization_id)
    names = {one.id: wording.month(one.month) for one in found}
    return [_month(call, one, issued.get(one.id), tuple(_changes(one, late, names))) for one in found]


def _month(call: routing.Call, period: Period, receipt: Listed | None, changes: tuple[str, ...]) -> Month:
    paying, zone = needs_payment(call), zones.named(call.caller.time_zone)
    return Month(
        period=period,
        name=wording.month(period.month),
        standing=wording.standing(period, now=call.now, zone=zone, needs_payment=paying),
        payment=wording.payment(period, now=call.now, needs_payment=paying),
        receipt=receipt,
        changes=changes,
        may_close="periods:write" in call.actor.scopes and wording.is_due(period, now=call.now, needs_payment=paying),
    )


def _changes(period: Period, late: Iterable[Adjustment], names: Mapping[UUID, str]) -> Iterable[str]:
    found = list(late)
    booked = [
        f"{wording.event_count(one.events)} of {wording.month(one.month)}, booked here" for one in found if one.booked_in == period.id
    ]
    moved = [f"{wording.event_count(one.events)} since, {_booked(one, names)}" for one in found if one.period_id == period.id]
    every = booked + moved
    yield from every[:_CHANGES_MAX]
    if len(every) > _CHANGES_MAX:
        yield f"and {len(every) - _CHANGES_MAX} more"


def _booked(found: Adjustment, names: Mapping[UUID, str]) -> str:
    if found.booked_in is None:
        return "waiting for the next month to close"
    return f"booked in {names.get(found.booked_in, 'a later month')}"


@router.page(PATH + "/periods/{period_id}", access.scope("periods:read"))
async def period(call: routing.CallDep, period_id: UUID) -> exchange.Answer:
    """Show a month."""
    return await _one(call, period_id, forms.Refused())


@router.act(PATH + "/periods/{period_id}/close", access.scope("periods:write"))
async def close(call: routing.CallDep, period_id: UUID) -> exchange.Answer:
    """Close a month that is due now, without waiting for the schedule."""

    async def act(uow: db.UnitOfWork) -> str:
        await service.close(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, period_id=period_id)
        return f"{PATH}/periods/{period_id}?done=closing"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _one(call, period_id, forms.refused(fault, forms.Fields()), status=409)

    return await screens.attempt(call, act, refusal, mendable=screens.MENDABLE | {errors.Kind.PAYMENT_REQUIRED})


async def _one(call: routing.Call, period_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    organization_id, fields = call.caller.organization_id, screens.query(call)
    async with screens.reading(call) as uow:
        found = await totals.show(uow, organization_id=organization_id, period_id=period_id)
        issued = await listing.of_periods(uow, organization_id=organization_id, period_ids=[period_id])
        month = _month(call, found.period, issued.get(period_id), ())
        return await screens.show(
            call,
            uow,
            "receipts/period.html",
            section="receipts",
            title=month.name,
            path=f"{PATH}/periods/{period_id}",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            month=month,
            booked=[shown.change(one) for one in found.booked],
            moved=[shown.change(one) for one in found.moved],
            has_receipts=await has_receipts(call, uow),
            states=wording.STATES,
            words=wording.event_count,
            **await _figures(call, uow, found),
        )


async def _figures(call: routing.Call, uow: db.UnitOfWork, found: totals.Shown) -> dict[str, Any]:
    """Return the figures of a month: as closed, with its parts; as frozen; or as the ledger has it so far."""
    organization_id, period = call.caller.organization_id, found.period
    zone = zones.named(call.caller.time_zone)
    dates = f"from={zones.local_date(period.starts_at, zone)}&to={lookback.last_day(period.window, zone)}"
    given: dict[str, Any] = {"projects": [], "models": [], "dates": dates, "is_frozen": found.totals is not None}
    if period.state is State.CLOSED:
        closed = await totals.closed(uow, organization_id=organization_id, period_id=period.id)
        return {**given, "figures": shown.of_totals(closed.totals), **await _parts(call, uow, closed, dates)}
    if found.totals is not None:
        return {**given, "figures": shown.of_totals(found.totals)}
    asked = answering.asked(start=period.starts_at, end=period.ends_at, now=call.now, time_zone=zone.key)
    used = await answering.breakdown(uow, organization_id=organization_id, asked=asked, filters=Filters(), group_by=[Dimension.PROVIDER])
    return {**given, "figures": figures.figures(used.totals)}


async def _parts(call: routing.Call, uow: db.UnitOfWork, closed: ClosedPeriod, dates: str) -> dict[str, Any]:
    ids = [one.key for one in closed.projects if isinstance(one.key, UUID)]
    names = await projects.names(uow, organization_id=call.caller.organization_id, project_ids=ids)
    href = f"?{dates}"
    return {"projects": shown.parts(closed.projects, names, href=href), "models": shown.parts(closed.models, {}, href=href)}
