"""What is done with a subscription beside changing it: paused, resumed, canceled, reactivated."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.subscriptions import service
from carbonledger.domains.subscriptions.types import When
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.entrypoints.web.sections.subscriptions import one, pages
from carbonledger.kernel import errors

router = routes.Router()
_ONE: Final = pages.PATH + "/{subscription_id}"


def _when(fields: forms.Fields) -> When:
    return When.RENEWAL if fields.text("when") == When.RENEWAL.value else When.NOW


@router.act(_ONE + "/pause", pages.WRITE)
async def pause(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Pause a subscription."""
    fields = screens.sent(call)
    try:
        async with screens.writing(call) as uow:
            found = await service.find(uow, organization_id=call.caller.organization_id, now=call.now, subscription_id=subscription_id)
            after = await service.pause(
                uow,
                actor=call.actor,
                now=call.now,
                organization_id=call.caller.organization_id,
                subscription_id=subscription_id,
                when=_when(fields),
                until=pages.midnight(fields, "until", found.standing.zone),
                reason=fields.given("pause_reason"),
            )
    except errors.Fault as fault:
        return await _refused(call, subscription_id, fault, fields, reason="pause_reason")
    return _done(subscription_id, "planned" if after.standing.paused_at is None else "paused")


@router.act(_ONE + "/resume", pages.WRITE)
async def resume(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Resume a subscription, or take back a pause that is planned."""
    try:
        async with screens.writing(call) as uow:
            await service.resume(
                uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, subscription_id=subscription_id
            )
    except errors.Fault as fault:
        return await _refused(call, subscription_id, fault, forms.Fields())
    return _done(subscription_id, "resumed")


@router.act(_ONE + "/cancel", pages.WRITE)
async def cancel(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Cancel a subscription."""
    fields = screens.sent(call)
    try:
        async with screens.writing(call) as uow:
            after = await service.cancel(
                uow,
                actor=call.actor,
                now=call.now,
                organization_id=call.caller.organization_id,
                subscription_id=subscription_id,
                when=_when(fields),
                credit=fields.text("credit") == "yes",
                reason=fields.given("cancel_reason"),
            )
    except errors.Fault as fault:
        return await _refused(call, subscription_id, fault, fields, reason="cancel_reason")
    return _done(subscription_id, "planned" if after.standing.over_at is None else "canceled")


@router.act(_ONE + "/reactivate", pages.WRITE)
async def reactivate(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Reactivate a subscription, or take back a cancellation that is planned."""
    try:
        async with screens.writing(call) as uow:
            await service.reactivate(
                uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, subscription_id=subscription_id
            )
    except errors.Fault as fault:
        return await _refused(call, subscription_id, fault, forms.Fields())
    return _done(subscription_id, "reactivated")


def _done(subscription_id: UUID, word: str) -> exchange.Answer:
    return screens.go(f"{pages.PATH}/{subscription_id}?done={word}")


async def _refused(
    call: routing.Call, subscription_id: UUID, fault: errors.Fault, fields: forms.Fields, *, reason: str = "reason"
) -> exchange.Answer:
    """Show the page with what was wrong. ``reason``: the field that the problem of a reason stands beside."""
    if fault.kind not in pages.SHOWN or problems.status_of(fault) == 404:  # noqa: PLR2004 - there is no such page then
        raise fault
    found = pages.refused(fault, fields)
    beside = {reason if name == "reason" else name: words for name, words in found.beside.items()}
    return await one.show(call, subscription_id, forms.Refused(fields, found.said, beside), status=problems.status_of(fault))
