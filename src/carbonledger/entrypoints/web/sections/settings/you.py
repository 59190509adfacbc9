"""Settings of oneself: name, password, and where one is signed in."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import attempts, sessions, users
from carbonledger.entrypoints.rest import people, routing
from carbonledger.entrypoints.shared import access, cookies, exchange, sign_in
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.infra import db
from carbonledger.kernel import errors

router = routes.Router()
_PATH: Final = "/settings/you"
_DONE: Final = {
    "saved": "Saved.",
    "password": "Your password is changed, and your other sessions have ended.",
    "ended": "That session has ended.",
}


@router.page(_PATH, access.caller())
async def show_you(call: routing.CallDep) -> exchange.Answer:
    """Show yourself and your sessions."""
    return await _show(call, forms.Refused())


@router.act(_PATH, access.caller())
async def save_you(call: routing.CallDep) -> exchange.Answer:
    """Change your name."""
    fields = screens.sent(call)

    async def act(uow: db.UnitOfWork) -> str:
        await users.change_profile(
            uow, actor=call.actor, now=call.now, at=call.at, user_id=people.person(call), name=fields.text("name"), locale=None
        )
        return f"{_PATH}?done=saved"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        return await _show(call, forms.refused(fault, fields), status=422)

    return await screens.attempt(call, act, refusal)


@router.act(_PATH + "/password", access.caller())
async def save_password(call: routing.CallDep) -> exchange.Answer:
    """Set a new password after the present one is proven."""
    fields = screens.sent(call)
    try:
        await _change_password(call, fields)
    except (types.SignInRefused, types.SignInLimited) as fault:
        return await _show(
            call, forms.Refused(fields, fault.title(), {"current_password": "That is not your present password."}), status=422
        )
    except errors.Invalid as fault:
        return await _show(call, forms.refused(fault, fields, only="password"), status=422)
    return screens.go(f"{_PATH}?done=password")


async def _change_password(call: routing.Call, fields: forms.Fields) -> None:
    user_id = people.person(call)
    async with call.services.database.transaction() as uow:
        user = await users.find(uow, user_id=user_id)
        has_password = await users.has_password(uow, user_id=user_id)
    attempt = None
    if has_password:
        given = fields.text("current_password")
        attempt = await sign_in.proven(call.services, at=call.at, email=user.email or "", password=given, address=call.exchange.address)
    password = users.checked_password(fields.text("password"), email=user.email or "")
    password_hash = await call.services.passwords.hash(password)
    async with screens.writing(call) as uow:
        if attempt is not None:
            await attempts.succeed(uow, attempt=attempt)
        await users.change_password(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            user_id=user_id,
            session_id=call.caller.credential_id,
            password_hash=password_hash,
        )


@router.act(_PATH + "/sessions/{session_id}/end", access.caller())
async def end_session(call: routing.CallDep, session_id: UUID) -> exchange.Answer:
    """Sign out somewhere else."""
    async with screens.writing(call) as uow:
        await sessions.end(uow, actor=call.actor, now=call.now, user_id=people.person(call), session_id=session_id)
    return screens.go(f"{_PATH}?done=ended")


@router.act(_PATH + "/sessions/end-all", access.caller())
async def end_every_session(call: routing.CallDep) -> exchange.Answer:
    """Sign out everywhere."""
    async with screens.writing(call) as uow:
        await sessions.end_all(uow, actor=call.actor, now=call.now, user_id=people.person(call))
    cleared = cookies.clear_session(is_https=call.services.settings.is_https)
    return screens.go("/sign-in", (b"set-cookie", cleared.encode()))


async def _show(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    user_id = people.person(call)
    async with screens.reading(call) as uow:
        return await screens.show(
            call,
            uow,
            "settings/you.html",
            section="settings",
            title="You",
            status=status,
            refused=refused,
            done=_DONE.get(screens.query(call).text("done"), ""),
            sessions=await sessions.some(uow, at=call.at, user_id=user_id),
            has_password=await users.has_password(uow, user_id=user_id),
            current=call.caller.credential_id,
            tab="you",
        )
