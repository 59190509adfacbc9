"""One connection: how it stands, how far each stream was read, its figures, and its costs beside the provider's own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.domains.connections.service import costs
from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types import answers
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import figures, forms, routes, screens
from carbonledger.entrypoints.web.sections.connections import adding, guide, wording
from carbonledger.infra import db
from carbonledger.kernel import humane
from carbonledger.kernel.humane import Scale, Shown, Step
from carbonledger.kernel.money import Money

router = routes.Router()
_READ: Final = access.scope("connections:read")
_WRITE: Final = "connections:write"
_DONE: Final = {
    "connected": "Connected. Its past is read now; figures appear as it goes. You can leave this page.",
    "sync": "It is read now. You can leave this page.",
    "moved": "Moved. What is read from now on is booked there; history stays where it was.",
    "rekeyed": "The new key is in place and the old one destroyed. It is read now.",
}


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the provider's cost report beside ours, as shown."""

    day: date
    ours: Shown | None
    theirs: Shown
    difference: Shown | None


@router.page("/connections/{connection_id}", _READ)
async def connection(call: routing.CallDep, connection_id: UUID) -> exchange.Answer:
    """Show a connection."""
    return await show(call, connection_id, forms.Refused())


async def show(call: routing.Call, connection_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    """Return the page of a connection, with what was refused of a form on it. Raises ``ConnectionNotFound``."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    may_write = _WRITE in call.actor.scopes
    # Who may move it is shown the projects, of which the default one is made at the first look.
    async with screens.writing(call) if may_write else screens.reading(call) as uow:
        found = await service.show(uow, organization_id=call.caller.organization_id, connection_id=connection_id)
        return await screens.show(
            call,
            uow,
            "connections/one.html",
            section="connections",
            title=found.connection.label,
            path=f"/connections/{connection_id}",
            status=status,
            chosen=chosen,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            **await _given(call, uow, found, chosen),
            projects=await adding.projects_in_use(call, uow) if may_write else [],
        )


async def _given(call: routing.Call, uow: db.UnitOfWork, found: types.ConnectionView, chosen: periods.Chosen) -> dict[str, Any]:
    organization_id, one = call.caller.organization_id, found.connection
    jobs = await service.running(uow, of=[one])
    used = await answering.breakdown(
        uow,
        organization_id=organization_id,
        asked=chosen.asked,
        filters=answers.Filters(connection_id=one.id),
        group_by=[answers.Dimension.MODEL],
    )
    days, is_too_long = await _days(call, uow, one, chosen)
    return {
        "one": one,
        "streams": found.streams,
        "guide": guide.of(one.provider),
        "standing": wording.standing(one, jobs.get(one.id), now=call.now, at=call.at),
        "project": await projects.find_project(uow, organization_id=organization_id, project_id=found.project_id),
        "figures": figures.figures(used.totals),
        "has_usage": bool(used.totals.events),
        "unit": humane.USD.of(day.reported.amount.amount for day in days),
        "days": [_day(day, days) for day in days],
        "is_too_long": is_too_long,
    }


async def _days(
    call: routing.Call, uow: db.UnitOfWork, one: types.Connection, chosen: periods.Chosen
) -> tuple[list[types.ComparedDay], bool]:
    """Return the days that can be compared, and whether the period is too long for that."""
    asked = costs.period(start=chosen.asked.period.start, end=chosen.asked.end, now=call.now)
    with contextlib.suppress(answers.AnswerTooLarge):
        return await costs.compare(uow, organization_id=call.caller.organization_id, connection_id=one.id, asked=asked), False
    return [], True


def _day(day: types.ComparedDay, days: Sequence[types.ComparedDay]) -> Day:
    step = humane.USD.of(one.reported.amount.amount for one in days)
    return Day(day.reported.day, _usd(day.computed, step), _money(day.reported.amount, step), _usd(day.difference, step))


def _usd(amount: Decimal | None, step: Step) -> Shown | None:
    return None if amount is None else humane.USD.show(amount, step=step)


def _money(money: Money, step: Step) -> Shown:
    code = money.currency.code
    if code == humane.USD.base:
        return humane.USD.show(money.amount, step=step)
    shown = Scale(code, (Step(code, 0),), least_places=2).show(money.amount)
    return Shown(shown.text, "", shown.exact)  # another currency than the column's is said in the cell
