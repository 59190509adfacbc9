"""Signing in and out: by password, by the link that the first start printed, and the first password after it; another organization."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import links as identity_links
from carbonledger.domains.identity.service import sessions, users
from carbonledger.entrypoints.rest import people, routing
from carbonledger.entrypoints.shared import access, cookies, exchange, sign_in
from carbonledger.entrypoints.web import csrf, forms, routes, screens
from carbonledger.entrypoints.web.sections.entrance import links, plain
from carbonledger.kernel import errors

FIRST_PASSWORD: Final = f"{links.SIGN_IN}/password"
_PUBLIC: Final = access.public(limit="public")
_SENT: Final = access.public(limit="sign_in")
_DONE: Final = {
    "password": "The password is set. Sign in with it.",
    "verified": "The address is confirmed. Sign in.",
}

router = routes.Router()


@router.page(links.SIGN_IN, _PUBLIC)
async def show_sign_in(call: routing.CallDep) -> exchange.Answer:
    """Show the sign-in page, by password or by the link that the first start printed."""
    if (led := links.exchanged(call, links.SIGN_IN)) is not None:
        return led
    said, email, token = "", "", links.kept(call)
    if token is not None:
        try:
            async with call.services.database.transaction() as uow:
                email = await identity_links.address(uow, at=call.at, token=token, purpose=types.LinkPurpose.SIGN_IN)
        except types.LinkUnusable as fault:
            said, token = fault.title(), None
    fields = screens.query(call)
    done = _DONE.get(fields.text("done"), "")
    return _sign_in(call, forms.Refused(said=said), fields.text("next"), token=token, email=email, done=done)


@router.act(links.SIGN_IN, _SENT)
async def send_sign_in(call: routing.CallDep) -> exchange.Answer:
    """Sign in with a password, and go to where one was going."""
    fields = screens.sent(call)
    try:
        made = await sign_in.by_password(
            call.services,
            at=call.at,
            email=fields.text("email"),
            password=fields.text("password"),
            organization_id=None,
            browser=people.browser(call),
        )
    except types.EmailUnverified as fault:
        return _sign_in(call, forms.Refused(fields, fault.title()), fields.text("next"), status=422, is_unverified=True)
    except (types.IdentityFault, errors.Invalid) as fault:
        refused = forms.Refused(fields, fault.title() if fault.detail is None else f"{fault.title()} {fault.detail}".strip())
        return _sign_in(call, refused, fields.text("next"), status=422)
    return screens.go(screens.own_path(fields.text("next") or "/"), plain.session(call, made))


@router.act(f"{links.SIGN_IN}/link", _SENT)
async def send_link(call: routing.CallDep) -> exchange.Answer:
    """Sign in by the link that the first start printed, and go on to choose a password."""
    made = await sign_in.by_link(call.services, at=call.at, token=links.sent(call), browser=people.browser(call))
    return links.done(call, FIRST_PASSWORD, links.SIGN_IN, plain.session(call, made))


def _sign_in(
    call: routing.Call,
    refused: forms.Refused,
    onward: str,
    *,
    status: int = 200,
    token: str | None = None,
    email: str = "",
    done: str = "",
    is_unverified: bool = False,
) -> exchange.Answer:
    return plain.page(
        call,
        "entrance/sign-in.html",
        "Sign in",
        status=status,
        refused=refused,
        onward=screens.own_path(onward or "/"),
        invitation=links.INVITATION if onward.startswith(links.INVITATION) else "",
        can_mail=call.services.mailer is not None,
        link="" if token is None else links.name_of(token),
        email=email,
        done=done,
        is_unverified=is_unverified,
    )


@router.page(FIRST_PASSWORD, access.caller())
async def show_first_password(call: routing.CallDep) -> exchange.Answer:
    """Show the form that sets the first password of whoever signed in by the link."""
    return await _first_password(call, forms.Refused())


@router.act(FIRST_PASSWORD, access.caller())
async def send_first_password(call: routing.CallDep) -> exchange.Answer:
    """Set the first password. Whoever has one is led to where it is changed, with a proof of it."""
    fields, user_id = screens.sent(call), people.person(call)
    async with call.services.database.transaction() as uow:
        user = await users.find(uow, user_id=user_id)
        has_password = await users.has_password(uow, user_id=user_id)
    if has_password:
        return screens.go("/settings/you")
    try:
        password_hash = await call.services.passwords.hash(users.checked_password(fields.text("password"), email=user.email or ""))
    except errors.Invalid as fault:
        return await _first_password(call, forms.refused(fault, fields, only="password"), status=422)
    async with screens.writing(call) as uow:
        await users.change_password(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            user_id=user_id,
            session_id=call.caller.credential_id,
            password_hash=password_hash,
        )
    return screens.go("/")


async def _first_password(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    async with call.services.database.transaction() as uow:
        user = await users.find(uow, user_id=people.person(call))
    token = call.caller.csrf_token or ""
    return plain.page(
        call,
        "entrance/first-password.html",
        "Choose a password",
        status=status,
        refused=refused,
        email=user.email or "",
        csrf=lambda: csrf.masked(token),
        path=FIRST_PASSWORD,
    )


@router.act("/sign-out", access.caller())
async def sign_out(call: routing.CallDep) -> exchange.Answer:
    """End this session."""
    async with screens.writing(call) as uow:
        await sessions.end(uow, actor=call.actor, now=call.now, user_id=people.person(call), session_id=call.caller.credential_id)
    cleared = cookies.clear_session(is_https=call.services.settings.is_https)
    return screens.go(links.SIGN_IN, (b"set-cookie", cleared.encode()))


@router.act("/switch", access.caller())
async def switch(call: routing.CallDep) -> exchange.Answer:
    """Work in another organization."""
    async with screens.writing(call) as uow:
        made = await sessions.switch(
            uow,
            actor=call.actor,
            at=call.at,
            session_id=call.caller.credential_id,
            user_id=people.person(call),
            organization_id=_id(screens.sent(call).text("organization_id")),
        )
    return screens.go("/", plain.session(call, made))


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise types.OrganizationUnknown("Choose one of your organizations.") from None
