"""Settings of people: members with their roles, and invitations."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import invitations, links, members
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.infra import db
from carbonledger.kernel import errors, page
from carbonledger.kernel.actor import Role

router = routes.Router()
_PATH: Final = "/settings/people"
_READ: Final = access.scope("members:read")
_WRITE: Final = access.scope("members:write")
_MENDABLE: Final = frozenset({errors.Kind.INVALID, errors.Kind.CONFLICT, errors.Kind.FORBIDDEN, errors.Kind.PAYMENT_REQUIRED})
_DONE: Final = {
    "invited": "The invitation is on its way.",
    "withdrawn": "The invitation is withdrawn; its link works no more.",
    "changed": "The role is changed. It counts from the next click on.",
    "removed": "The member is removed and their sessions here have ended.",
}


@router.page(_PATH, _READ)
async def show_people(call: routing.CallDep) -> exchange.Answer:
    """Show members and invitations."""
    return await _show(call, forms.Refused())


@router.act(_PATH, _WRITE)
async def invite(call: routing.CallDep) -> exchange.Answer:
    """Invite somebody. Without a mail server the link is shown once, to be handed over."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str | Callable[[], Awaitable[exchange.Answer]]:
        made = await invitations.invite(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            email=fields.text("email"),
            role=_role(fields),
            by_mail=call.services.mailer is not None,
        )
        if made.token is None:
            return f"{_PATH}?done=invited"
        link = links.invitation_url(call.services.settings.address, token=made.token)
        return functools.partial(_show, call, forms.Refused(), link=link)

    return await screens.attempt(call, act, functools.partial(_refusal, call, only="email"), mendable=_MENDABLE)


@router.act(_PATH + "/{user_id}/role", _WRITE)
async def change_role(call: routing.CallDep, user_id: UUID) -> exchange.Answer:
    """Give a member another role."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await members.change_role(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            user_id=user_id,
            role=_role(fields),
        )
        return f"{_PATH}?done=changed"

    return await screens.attempt(call, act, functools.partial(_refusal, call), mendable=_MENDABLE)


@router.act(_PATH + "/{user_id}/remove", access.caller())
async def remove_member(call: routing.CallDep, user_id: UUID) -> exchange.Answer:
    """Take a member out, or leave."""

    async def act(uow: db.UnitOfWork) -> str:
        await members.remove(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, user_id=user_id)
        return "/sign-in" if user_id == call.actor.id else f"{_PATH}?done=removed"

    return await screens.attempt(call, act, functools.partial(_refusal, call), mendable=_MENDABLE)


@router.act(_PATH + "/invitations/{invitation_id}/withdraw", _WRITE)
async def withdraw(call: routing.CallDep, invitation_id: UUID) -> exchange.Answer:
    """Make an invitation's link useless."""

    async def act(uow: db.UnitOfWork) -> str:
        await invitations.revoke(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, invitation_id=invitation_id
        )
        return f"{_PATH}?done=withdrawn"

    return await screens.attempt(call, act, functools.partial(_refusal, call), mendable=_MENDABLE)


def _role(fields: forms.Fields) -> Role:
    try:
        return Role(fields.text("role"))
    except ValueError:
        raise errors.invalid("/role", "role_unknown", "Choose one of the roles.") from None


async def _refusal(call: routing.Call, fault: errors.Fault, *, only: str | None = None) -> exchange.Answer:
    return await _show(call, forms.refused(fault, screens.sent(call), only=only), status=422)


async def _show(call: routing.Call, refused: forms.Refused, *, status: int = 200, link: str = "") -> exchange.Answer:
    fields = screens.query(call)
    request = call.page(limit=page.LIMIT_MAX, cursor=fields.given("cursor"), parts=2)
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await members.page(uow, organization_id=organization_id, request=request)
        invited = await invitations.page(uow, organization_id=organization_id, request=page.PageRequest())
        return await screens.show(
            call,
            uow,
            "settings/people.html",
            section="settings",
            title="People",
            status=status,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            members=found.data,
            next_cursor=found.next_cursor,
            invitations=[one for one in invited.data if one.state is types.InvitationState.PENDING],
            now=call.at,
            me=call.actor.id,
            roles=list(Role),
            link=link,
            tab="people",
        )
