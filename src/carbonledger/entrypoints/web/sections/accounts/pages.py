"""Accounts: the list, one with what it used, making, changing, deleting and erasing one."""

from __future__ import annotations

import functools
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service, types
from carbonledger.domains.accounts.service import payment_methods
from carbonledger.domains.accounts.types import Address, Locale, TaxId, TaxTreatment
from carbonledger.domains.invoices.service import standing
from carbonledger.domains.invoices.types.invoices import Filters
from carbonledger.domains.subscriptions import service as subscription_service
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Dimension
from carbonledger.domains.telemetry.types.answers import Filters as UsageFilters
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import figures, forms, plots, routes, screens
from carbonledger.entrypoints.web.sections.invoices import pages as invoices
from carbonledger.entrypoints.web.sections.subscriptions import pages as subscriptions
from carbonledger.infra import db
from carbonledger.kernel import errors, page

router = routes.Router()
_READ: Final = access.scope("accounts:read")
_WRITE: Final = access.scope("accounts:write")
_NEWEST: Final = 5  # of subscriptions and invoices on an account's page; their own lists have all
_LINES: Final = ("line1", "line2", "city", "postal_code", "region", "country")
_TREATMENTS: Final = (
    (TaxTreatment.STANDARD.value, "The rates of what is billed"),
    (TaxTreatment.EXEMPT.value, "Exempt from tax"),
    (TaxTreatment.REVERSE_CHARGE.value, "Reverse charge: the recipient owes the tax"),
)
_LANGUAGES: Final = ((Locale.EN.value, "English"), (Locale.DE.value, "German"), (Locale.FR.value, "French"))
_DONE: Final = {
    "saved": "Saved.",
    "deleted": "The account is deleted. Its history stays, and its external id is free again.",
    "erased": "The personal data of this account is erased.",
    "method-added": "The payment method is added.",
    "method-default": "It is the default of this account now.",
    "method-removed": "The payment method is removed. With its processor it stays as it was.",
}


@router.page("/accounts", _READ)
async def accounts(call: routing.CallDep) -> exchange.Answer:
    """Show the accounts."""
    fields = screens.query(call)
    deleted, search = fields.text("deleted") == "yes", fields.given("search")
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await service.some(
            uow, organization_id=call.caller.organization_id, page=request, deleted=deleted, search=search and search[:200]
        )
        return await screens.show(
            call,
            uow,
            "accounts/list.html",
            section="accounts",
            title="Accounts",
            accounts=found.data,
            next_cursor=found.next_cursor,
            deleted=deleted,
            search=search or "",
            done=_DONE.get(fields.text("done"), ""),
        )


@router.page("/accounts/new", _WRITE)
async def new_account(call: routing.CallDep) -> exchange.Answer:
    """Show the form for an account."""
    async with screens.reading(call) as uow:
        return await _form(call, uow, None, forms.Refused())


@router.act("/accounts", _WRITE)
async def make_account(call: routing.CallDep) -> exchange.Answer:
    """Make an account."""
    fields = screens.sent(call)

    async def make(uow: db.UnitOfWork) -> str:
        draft = service.Draft(**_values(fields))
        made = await service.create(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, draft=draft
        )
        return f"/accounts/{made.id}?done=saved"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        async with screens.reading(call) as uow:
            return await _form(call, uow, None, _refused(fault, fields), status=problems.status_of(fault))

    return await screens.attempt(call, make, refusal)


def _refused(fault: errors.Fault, fields: forms.Fields) -> forms.Refused:
    if isinstance(fault, types.AccountExternalIdTaken):
        return forms.refused(fault, fields, only="external_id")
    beside = {_field(problem.pointer): problem.detail for problem in reversed(fault.problems)}
    return forms.Refused(fields, forms.words(fault), beside)


def _field(pointer: str) -> str:
    """Return the field of the form that a pointer into an account is about."""
    parts = pointer.strip("/").split("/")
    if parts[0] == "address" and len(parts) > 1:
        return parts[1]
    return {"tax_ids": "tax_id"}.get(parts[0], parts[0])


def _values(fields: forms.Fields) -> dict[str, Any]:
    """Return what the form says of an account. Raises ``errors.Invalid`` for days that are no number."""
    days = fields.text("payment_terms_days", "30").strip()
    if not (days.isascii() and days.isdecimal() and len(days) <= 4):  # noqa: PLR2004 - the bound of days is the domain's, this keeps nonsense out
        raise errors.invalid("/payment_terms_days", "number_unreadable", "Give whole days from 0 to 365.")
    tax_id = fields.given("tax_id")
    return {
        "name": fields.text("name"),
        "external_id": fields.given("external_id"),
        "email": fields.given("email"),
        "currency": fields.text("currency").strip().upper(),
        "time_zone": fields.text("time_zone").strip(),
        "locale": _word(Locale, fields, "locale"),
        "address": Address(**{name: fields.given(name) for name in _LINES}),
        "tax_ids": (TaxId(fields.text("tax_kind").strip(), tax_id),) if tax_id else (),
        "tax_treatment": _word(TaxTreatment, fields, "tax_treatment"),
        "payment_terms_days": int(days),
    }


def _word(words: Any, fields: forms.Fields, name: str) -> Any:  # noqa: ANN401 - one of its words
    try:
        return words(fields.text(name))
    except ValueError:
        raise errors.invalid(f"/{name}", "unknown", "Choose one of the list.") from None


async def _form(
    call: routing.Call, uow: db.UnitOfWork, found: types.Account | None, refused: forms.Refused, *, status: int = 200
) -> exchange.Answer:
    return await screens.show(
        call,
        uow,
        "accounts/form.html",
        section="accounts",
        title="Change an account" if found else "Make an account",
        path=f"/accounts/{found.id}/edit" if found else "/accounts/new",
        status=status,
        account=found,
        refused=refused,
        treatments=_TREATMENTS,
        languages=_LANGUAGES,
    )


@router.page("/accounts/{account_id}", _READ)
async def account(call: routing.CallDep, account_id: UUID) -> exchange.Answer:
    """Show an account."""
    return await detail(call, account_id, forms.Refused())


async def detail(call: routing.Call, account_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    """Return the page of an account, with a form that was refused."""
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    organization_id = call.caller.organization_id
    metric = next((one for one in figures.PLOTTED if one.key == fields.text("metric")), figures.COST)
    async with screens.reading(call) as uow:
        found = await service.find(uow, organization_id=organization_id, account_id=account_id)
        # Without an external id no usage can be its own: nothing is asked for a name that nobody has.
        filters = UsageFilters(account=found.external_id or "")
        over_time = await answering.timeseries(
            uow, organization_id=organization_id, asked=chosen.asked, filters=filters, unit=chosen.unit, group_by=Dimension.MODEL
        )
        past = await answering.breakdown(
            uow, organization_id=organization_id, asked=chosen.before, filters=filters, group_by=[Dimension.PROVIDER]
        )
        path = f"/accounts/{account_id}"
        return await screens.show(
            call,
            uow,
            "accounts/detail.html",
            section="accounts",
            title=found.name,
            path=path,
            status=status,
            chosen=chosen,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            account=found,
            treatment=dict(_TREATMENTS)[found.tax_treatment.value],
            language=dict(_LANGUAGES)[found.locale.value],
            lines=[line for name in _LINES if (line := getattr(found.address, name))],
            figures=figures.figures(over_time.totals, past.totals),
            plot=plots.plot(over_time, metric, name=lambda one: str(one.labels[0] or "No model"), by_model=True),
            choices=[(one, f"{path}?{chosen.query}&metric={one.key}") for one in figures.PLOTTED],
            metric=metric,
            totals=over_time.totals,
            methods=await payment_methods.every(uow, organization_id=organization_id, account_id=account_id),
            **await _billed(call, uow, account_id),
        )


async def _billed(call: routing.Call, uow: db.UnitOfWork, account_id: UUID) -> dict[str, Any]:
    """Return the newest subscriptions and invoices of an account, as far as the reader may see any; None: may not."""
    organization_id, newest = call.caller.organization_id, page.PageRequest(limit=_NEWEST)
    found: dict[str, Any] = {"subscriptions": None, "invoices": None}
    if call.actor.may("subscriptions:read"):
        taken = await subscription_service.some(uow, organization_id=organization_id, now=call.now, page=newest, account_id=account_id)
        found["subscriptions"] = await subscriptions.rows(call, uow, taken.data)
    if call.actor.may("invoices:read"):
        filters = Filters(account_id=account_id)
        billed = await standing.listed(uow, organization_id=organization_id, filters=filters, page=newest)
        found["invoices"] = [invoices.row(one, "", invoices.today(call)) for one in billed.data]
    return found


@router.page("/accounts/{account_id}/edit", _WRITE)
async def edit_account(call: routing.CallDep, account_id: UUID) -> exchange.Answer:
    """Show the form of an account."""
    async with screens.reading(call) as uow:
        found = await service.find(uow, organization_id=call.caller.organization_id, account_id=account_id)
        return await _form(call, uow, found, forms.Refused())


@router.act("/accounts/{account_id}/edit", _WRITE)
async def change_account(call: routing.CallDep, account_id: UUID) -> exchange.Answer:
    """Change an account."""
    fields, organization_id = screens.sent(call), call.caller.organization_id

    async def change(uow: db.UnitOfWork) -> str:
        values = _values(fields)
        old = await service.find(uow, organization_id=organization_id, account_id=account_id)
        # The form has one tax id; whoever has more keeps the others.
        values["tax_ids"] = (*values["tax_ids"], *old.tax_ids[1:])
        await service.change(uow, actor=call.actor, now=call.now, organization_id=organization_id, account_id=account_id, values=values)
        return f"/accounts/{account_id}?done=saved"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        async with screens.reading(call) as uow:
            found = await service.find(uow, organization_id=organization_id, account_id=account_id)
            return await _form(call, uow, found, _refused(fault, fields), status=problems.status_of(fault))

    return await screens.attempt(call, change, refusal)


@router.act("/accounts/{account_id}/delete", _WRITE)
async def delete_account(call: routing.CallDep, account_id: UUID) -> exchange.Answer:
    """Delete an account."""

    async def delete(uow: db.UnitOfWork) -> str:
        await service.delete(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, account_id=account_id)
        return f"/accounts/{account_id}?done=deleted"

    return await screens.attempt(call, delete, functools.partial(_refusal, call, account_id))


@router.act("/accounts/{account_id}/erase", _WRITE)
async def erase_account(call: routing.CallDep, account_id: UUID) -> exchange.Answer:
    """Erase the personal data of an account."""

    async def erase(uow: db.UnitOfWork) -> str:
        await service.erase(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, account_id=account_id)
        return f"/accounts/{account_id}?done=erased"

    return await screens.attempt(call, erase, functools.partial(_refusal, call, account_id))


async def _refusal(call: routing.Call, account_id: UUID, fault: errors.Fault) -> exchange.Answer:
    return await detail(call, account_id, forms.refused(fault, forms.Fields()), status=problems.status_of(fault))
