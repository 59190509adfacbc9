"""Payment methods on an account's page: added by a processor's id, made the default, removed."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts.service import payment_methods as service
from carbonledger.domains.accounts.types import payment_methods as types
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.accounts import pages
from carbonledger.infra import db
from carbonledger.kernel import errors

router = routes.Router()
_WRITE: Final = access.scope("accounts:write")
_PATH: Final = "/accounts/{account_id}/payment-methods"


@router.act(_PATH, _WRITE)
async def add(call: routing.CallDep, account_id: UUID) -> exchange.Answer:
    """Add a payment method."""
    fields = screens.sent(call)
    draft = service.Draft(
        processor=fields.text("processor").strip().lower(),
        reference=fields.text("reference"),
        brand=fields.given("brand"),
        last4=fields.given("last4"),
        label=fields.given("label"),
        is_default=fields.text("is_default") == "yes",
    )

    async def act(uow: db.UnitOfWork) -> str:
        await service.add(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            account_id=account_id,
            draft=draft,
        )
        return f"/accounts/{account_id}?done=method-added#payment-title"

    return await screens.attempt(call, act, functools.partial(_refusal, call, account_id))


@router.act(_PATH + "/{method_id}/default", _WRITE)
async def make_default(call: routing.CallDep, account_id: UUID, method_id: UUID) -> exchange.Answer:
    """Make a payment method the default."""
    return await _done(call, account_id, method_id, service.make_default, "method-default")


@router.act(_PATH + "/{method_id}/remove", _WRITE)
async def remove(call: routing.CallDep, account_id: UUID, method_id: UUID) -> exchange.Answer:
    """Remove a payment method."""
    return await _done(call, account_id, method_id, service.remove, "method-removed")


async def _done(call: routing.Call, account_id: UUID, method_id: UUID, do: Callable[..., Awaitable[object]], done: str) -> exchange.Answer:
    async def act(uow: db.UnitOfWork) -> str:
        organization_id = call.caller.organization_id
        await do(uow, actor=call.actor, now=call.now, organization_id=organization_id, account_id=account_id, method_id=method_id)
        return f"/accounts/{account_id}?done={done}#payment-title"

    return await screens.attempt(call, act, functools.partial(_refusal, call, account_id))


async def _refusal(call: routing.Call, account_id: UUID, fault: errors.Fault) -> exchange.Answer:
    only = "reference" if isinstance(fault, types.PaymentMethodTaken) else None
    found = forms.refused(fault, _kept(screens.sent(call), fault), only=only)
    return await pages.detail(call, account_id, found, status=problems.status_of(fault))


def _kept(fields: forms.Fields, fault: errors.Fault) -> forms.Fields:
    """Return what is written back into the form: nothing of a field that holds the number of a card."""
    cards = {problem.pointer.strip("/"): None for problem in fault.problems if problem.code == "card_number"}
    return fields.replaced(**cards)
