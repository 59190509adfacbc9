"""Series of numbers: how many are given in each, what the next is called, and which of them invoices are numbered in."""

from __future__ import annotations

import functools
from typing import Final

from carbonledger.domains.invoices.service import sellers as service
from carbonledger.domains.invoices.types import sellers as types
from carbonledger.domains.invoices.types.sellers import NumberSeries
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import pages
from carbonledger.infra import db
from carbonledger.kernel import errors

router = routes.Router()
PATH: Final = pages.PATH + "/numbers"
_DONE: Final = {
    "begun": "The series is begun. Invoices are numbered in it once you choose it.",
    "chosen": "Invoices are numbered in this series from now on.",
}


@router.page(PATH, pages.READ)
async def numbers(call: routing.CallDep) -> exchange.Answer:
    """Show the series of numbers."""
    return await _show(call, forms.Refused())


@router.act(PATH, pages.WRITE)
async def begin(call: routing.CallDep) -> exchange.Answer:
    """Begin a series."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        made = NumberSeries(code=fields.text("code").strip(), prefix=fields.text("prefix").strip(), padding=_padding(fields), issued=0)
        await service.add_series(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, series=made)
        return f"{PATH}?done=begun"

    return await screens.attempt(call, act, functools.partial(_refusal, call, fields))


def _padding(fields: forms.Fields) -> int:
    text = fields.text("padding").strip()
    if text.isascii() and text.isdecimal() and len(text) <= 2:  # noqa: PLR2004 - the bound is the domain's, this keeps nonsense out
        return int(text)
    raise errors.invalid("/padding", "whole_number", f"Give a whole number from 1 to {types.PADDING_MAX}.")


@router.act(PATH + "/choose", pages.WRITE)
async def choose(call: routing.CallDep) -> exchange.Answer:
    """Number invoices in another series from now on."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        values = {"series": fields.text("series")}
        await service.change(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, values=values)
        return f"{PATH}?done=chosen"

    return await screens.attempt(call, act, functools.partial(_refusal, call, fields))


async def _refusal(call: routing.Call, fields: forms.Fields, fault: errors.Fault) -> exchange.Answer:
    only = "code" if isinstance(fault, types.SeriesTaken) else None
    return await _show(call, forms.refused(fault, fields, only=only), status=problems.status_of(fault))


async def _show(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    async with screens.reading(call) as uow:
        every = await service.every_series(uow, organization_id=call.caller.organization_id)
        settings = await service.settings(uow, organization_id=call.caller.organization_id)
        return await screens.show(
            call,
            uow,
            "invoices/numbers.html",
            section="invoices",
            title="Numbers of invoices",
            path=PATH,
            status=status,
            tab="numbers",
            refused=refused,
            done=_DONE.get(screens.query(call).text("done"), ""),
            series=[(one, one.number(one.issued + 1), one.number(one.issued) if one.issued else "") for one in every],
            current=settings.series,
            padding_max=types.PADDING_MAX,
        )
