"""What is done with a subscription beside changing it: paused, resumed, canceled, reactivated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.types import View, When
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.subscriptions import one, pages
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel.actor import Actor

router = routes.Router()
_ONE: Final = pages.PATH + "/{subscription_id}"


class _UseCase(Protocol):
    async def __call__(self, uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID) -> View: ...


def _when(fields: forms.Fields) -> When:
    return When.RENEWAL if fields.text("when") == When.RENEWAL.value else When.NOW


@router.act(_ONE + "/pause", pages.WRITE)
async def pause(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Pause a subscription."""
    fields = screens.sent(call)

    async def paused(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID) -> View:
        found = await service.find(uow, organization_id=organization_id, now=now, subscription_id=subscription_id)
        return await service.pause(
            uow,
            actor=actor,
            now=now,
            organization_id=organization_id,
            subscription_id=subscription_id,
            when=_when(fields),
            until=forms.midnight(fields, "until", found.standing.zone),
            reason=fields.given("pause_reason"),
        )

    def done(after: View) -> str:
        return "planned" if after.standing.paused_at is None else "paused"

    return await _done(call, subscription_id, paused, done, reason="pause_reason")


@router.act(_ONE + "/resume", pages.WRITE)
async def resume(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Resume a subscription, or take back a pause that is planned."""
    return await _done(call, subscription_id, service.resume, lambda _: "resumed")


@router.act(_ONE + "/cancel", pages.WRITE)
async def cancel(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Cancel a subscription."""
    fields = screens.sent(call)
    canceled = functools.partial(
        service.cancel, when=_when(fields), credit=fields.text("credit") == "yes", reason=fields.given("cancel_reason")
    )

    def done(after: View) -> str:
        return "planned" if after.standing.over_at is None else "canceled"

    return await _done(call, subscription_id, canceled, done, reason="cancel_reason")


@router.act(_ONE + "/reactivate", pages.WRITE)
async def reactivate(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Reactivate a subscription, or take back a cancellation that is planned."""
    return await _done(call, subscription_id, service.reactivate, lambda _: "reactivated")


async def _done(
    call: routing.Call, subscription_id: UUID, use_case: _UseCase, word: Callable[[View], str], *, reason: str = "reason"
) -> exchange.Answer:
    """Do it and say so in the ``word`` of what came of it; or show the page with why not. ``reason``: the field of a reason."""

    async def act(uow: db.UnitOfWork) -> str:
        after = await use_case(
            uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, subscription_id=subscription_id
        )
        return f"{pages.PATH}/{subscription_id}?done={word(after)}"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        found = pages.refused(fault, screens.sent(call))
        beside = {reason if name == "reason" else name: words for name, words in found.beside.items()}
        return await one.show(call, subscription_id, forms.Refused(found.fields, found.said, beside), status=problems.status_of(fault))

    return await screens.attempt(call, act, refusal)
