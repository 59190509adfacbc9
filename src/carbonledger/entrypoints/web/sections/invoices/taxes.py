"""Tax rates: those that charges, lines and the seller name by their codes; made, renamed and deleted."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog import service, types
from carbonledger.domains.invoices.service import sellers
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import pages, shown
from carbonledger.infra import db
from carbonledger.kernel import decimals, errors, page

router = routes.Router()
PATH: Final = pages.PATH + "/tax-rates"
_READ: Final = access.scope("catalog:read")
_WRITE: Final = access.scope("catalog:write")
_PLACES: Final = 4
_DONE: Final = {
    "made": "The tax rate is made. Name it on a charge or a line, or let everything bear it that names none.",
    "renamed": "The tax rate is renamed. Invoices that were issued keep the name they were issued with.",
    "deleted": "The tax rate is deleted. Invoices that bear it keep it, and its code is free again.",
}


@router.page(PATH, _READ)
async def tax_rates(call: routing.CallDep) -> exchange.Answer:
    """Show the tax rates; one of them to be renamed, if the address names it."""
    return await _show(call, forms.Refused(), renamed=_named(screens.query(call)))


def _named(fields: forms.Fields) -> UUID | None:
    given = fields.given("rename")
    try:
        return None if given is None else UUID(given)
    except ValueError:
        raise types.TaxRateNotFound from None


@router.act(PATH, _WRITE)
async def make(call: routing.CallDep) -> exchange.Answer:
    """Make a tax rate."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await service.create_tax_rate(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            code=forms.code(dict(fields.pairs)),
            name=fields.text("name"),
            percent=_percent(fields),
            inclusive=fields.text("inclusive") == "yes",
        )
        return f"{PATH}?done=made"

    return await screens.attempt(call, act, functools.partial(_refusal, call, fields))


def _percent(fields: forms.Fields) -> Decimal:
    try:
        return decimals.from_api_decimal(fields.text("percent").strip(), places=_PLACES)
    except errors.Invalid as fault:
        raise errors.invalid("/percent", fault.code, str(fault)) from fault


@router.act(PATH + "/{tax_rate_id}/name", _WRITE)
async def rename(call: routing.CallDep, tax_rate_id: UUID) -> exchange.Answer:
    """Give a tax rate another name."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await service.rename_tax_rate(
            uow,
            actor=call.actor,
            now=call.now,
            organization_id=call.caller.organization_id,
            tax_rate_id=tax_rate_id,
            name=fields.text("name"),
        )
        return f"{PATH}?done=renamed"

    return await screens.attempt(call, act, functools.partial(_refusal, call, fields, renamed=tax_rate_id))


@router.act(PATH + "/{tax_rate_id}/delete", _WRITE)
async def delete(call: routing.CallDep, tax_rate_id: UUID) -> exchange.Answer:
    """Delete a tax rate that nothing names."""

    async def act(uow: db.UnitOfWork) -> str:
        await sellers.drop_tax_rate(
            uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, tax_rate_id=tax_rate_id
        )
        return f"{PATH}?done=deleted"

    return await screens.attempt(call, act, functools.partial(_refusal, call, forms.Fields()))


async def _refusal(call: routing.Call, fields: forms.Fields, fault: errors.Fault, *, renamed: UUID | None = None) -> exchange.Answer:
    only = "code" if isinstance(fault, types.TaxRateCodeTaken) else None
    return await _show(call, forms.refused(fault, fields, only=only), status=problems.status_of(fault), renamed=renamed)


async def _show(call: routing.Call, refused: forms.Refused, *, status: int = 200, renamed: UUID | None = None) -> exchange.Answer:
    fields, organization_id = screens.query(call), call.caller.organization_id
    is_deleted = fields.text("deleted") == "yes"
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await service.list_tax_rates(uow, organization_id=organization_id, page=request, archived=is_deleted)
        settings = await sellers.settings(uow, organization_id=organization_id) if call.actor.may("invoices:read") else None
        return await screens.show(
            call,
            uow,
            "invoices/taxes.html",
            section="invoices",
            title="Tax rates",
            path=PATH,
            status=status,
            tab="taxes",
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            rates=[(one, f"{shown.number(one.percent)} %") for one in found.data],
            usual=settings.tax_rate_codes if settings is not None else (),
            renaming=renamed and await service.find_tax_rate(uow, organization_id=organization_id, tax_rate_id=renamed),
            next_cursor=found.next_cursor,
            is_deleted=is_deleted,
        )
