"""What is done with an invoice: finalized, made void, paid, given up, dropped; and failed steps done again."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from carbonledger.domains.invoices.service import collecting, retrying, standing
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.invoices import one, pages
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Actor

router = routes.Router()
_ONE: Final = pages.PATH + "/{invoice_id}"
_MENDABLE: Final = frozenset({errors.Kind.CONFLICT, errors.Kind.INVALID, errors.Kind.UNAVAILABLE})


@router.act(_ONE + "/finalize", pages.WRITE)
async def finalize(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Issue a draft now."""
    return await _done(call, invoice_id, collecting.finalize, f"{pages.PATH}/{invoice_id}?done=issued")


@router.act(_ONE + "/void", pages.WRITE)
async def void(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Make an issued invoice void."""
    return await _done(call, invoice_id, standing.void, f"{pages.PATH}/{invoice_id}?done=void")


@router.act(_ONE + "/pay", pages.WRITE)
async def pay(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Record that an invoice was paid outside."""
    fields = screens.sent(call)
    record = functools.partial(standing.record_payment, reference=fields.text("reference"))
    return await _done(call, invoice_id, record, f"{pages.PATH}/{invoice_id}?done=paid")


@router.act(_ONE + "/give-up", pages.WRITE)
async def give_up(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Mark an invoice as uncollectible."""
    return await _done(call, invoice_id, standing.give_up, f"{pages.PATH}/{invoice_id}?done=given-up")


@router.act(_ONE + "/drop", pages.WRITE)
async def drop(call: routing.CallDep, invoice_id: UUID) -> exchange.Answer:
    """Drop a draft that was written by hand."""
    return await _done(call, invoice_id, standing.drop, f"{pages.PATH}?done=dropped")


@router.act(pages.PATH + "/failures/{failure_id}/retry", pages.WRITE)
async def retry(call: routing.CallDep, failure_id: UUID) -> exchange.Answer:
    """Do a failed step again, alone."""

    async def act(uow: db.UnitOfWork) -> str:
        done = await retrying.retry(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, failure_id=failure_id
        )
        page = pages.PATH if done.invoice_id is None else f"{pages.PATH}/{done.invoice_id}"
        return f"{page}?done={'asked' if done.step is Step.PRINT else 'retried'}"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        async with screens.reading(call) as uow:
            said = forms.Refused(said=f"It failed again. {forms.words(fault)}")
            return await pages.show(call, uow, said, status=problems.status_of(fault))

    return await screens.attempt(call, act, refusal, mendable=_MENDABLE)


class _UseCase(Protocol):
    async def __call__(self, uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, invoice_id: UUID) -> object: ...


async def _done(call: routing.Call, invoice_id: UUID, use_case: _UseCase, page: str) -> exchange.Answer:
    """Do it and go to ``page``; or show the invoice with why not."""

    async def act(uow: db.UnitOfWork) -> str:
        await use_case(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, invoice_id=invoice_id)
        return page

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await one.show(call, invoice_id, forms.refused(fault, screens.sent(call)), status=problems.status_of(fault))

    return await screens.attempt(call, act, refusal, mendable=_MENDABLE)
