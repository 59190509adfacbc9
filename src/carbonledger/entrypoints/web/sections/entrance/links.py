"""Pages that printed and mailed links lead to: signing in once, a new password, a confirmed address, an invitation.

A link's address holds its token. Whoever opens it is led on at once to the address without it, with the token in a cookie for that
page alone (``exchanged``). That uses nothing up, as mail scanners open links too. The page shows what the link is for and a form; sending
the form uses it up. So none of this needs a script, and the token stays out of history, ``Referer`` and our logs.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import invitations, links, sessions, users
from carbonledger.entrypoints.rest import people, routing
from carbonledger.entrypoints.shared import access, cookies, exchange, sign_in
from carbonledger.entrypoints.web import csrf, forms, rendering, routes, screens
from carbonledger.entrypoints.web.sections.entrance import plain
from carbonledger.kernel import errors

_PUBLIC: Final = access.public(limit="public")
_SENT: Final = access.public(limit="sign_in")
RESET: Final = links.PATHS[types.LinkPurpose.RESET_PASSWORD]
VERIFY: Final = links.PATHS[types.LinkPurpose.VERIFY_EMAIL]
SIGN_IN: Final = links.PATHS[types.LinkPurpose.SIGN_IN]
INVITATION: Final = links.INVITATION_PATH
MEMBER: Final = f"{INVITATION}/as-member"
FORGOTTEN: Final = "/forgotten-password"

router = routes.Router()


class LinkChanged(types.IdentityFault):
    """Another link was opened in this browser since."""

    kind = errors.Kind.CONFLICT
    code = "link_changed"


def exchanged(call: routing.Call, path: str) -> exchange.Answer | None:
    """Return what leads on to the page's own address with the token in a cookie; None where the address holds none.

    Where it holds something that is no token, the cookie is emptied, and the page says that there is no link.
    """
    given = screens.query(call).given("token")
    if given is None:
        return None
    is_https = call.services.settings.is_https
    cookie = (
        cookies.set_link(given, path=path, is_https=is_https) if links.is_token(given) else cookies.clear_link(path=path, is_https=is_https)
    )
    return screens.go(path, (b"set-cookie", cookie.encode()))


def kept(call: routing.Call) -> str | None:
    """Return the token of the link that led to this page."""
    found = cookies.link_token(call.request.cookies, is_https=call.services.settings.is_https)
    return found if found and links.is_token(found) else None


def name_of(token: str) -> str:
    """Return what a form repeats, so that it never acts on a link that another tab opened since. It tells nothing of the token."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def sent(call: routing.Call) -> str:
    """Return the token that a form is about. Raises ``LinkUnusable``, ``LinkChanged``."""
    token = kept(call)
    if token is None:
        raise types.LinkUnusable
    if screens.sent(call).text("link") != name_of(token):
        raise LinkChanged("Open the link again that you want to use.")
    return token


def done(call: routing.Call, to: str, path: str, *headers: exchange.Header) -> exchange.Answer:
    """Return what leads on after a link was used up."""
    cleared = cookies.clear_link(path=path, is_https=call.services.settings.is_https)
    return screens.go(to, (b"set-cookie", cleared.encode()), *headers)


def _show(call: routing.Call, template: str, title: str, *, status: int = 200, **given: Any) -> exchange.Answer:
    token = kept(call)
    known = {"refused": forms.Refused(), "is_open": False, "said": "", "can_mail": call.services.mailer is not None}
    whole = {**known, "title": title, "link": "" if token is None else name_of(token), **given}
    return screens.html(call.exchange, rendering.render(template, whole), status=status)


# --- a new password


@router.page(RESET, _PUBLIC)
async def show_reset(call: routing.CallDep) -> exchange.Answer:
    """Show the page that sets a new password by a link."""
    return exchanged(call, RESET) or await _reset(call, forms.Refused())


@router.act(RESET, _SENT)
async def send_reset(call: routing.CallDep) -> exchange.Answer:
    """Set a new password by a link."""
    fields = screens.sent(call)
    try:
        await sign_in.reset_password(
            call.services, at=call.at, token=sent(call), password=fields.text("password"), request_id=call.request_id
        )
    except errors.Invalid as fault:
        return await _reset(call, forms.refused(fault, fields, only="password"), status=422)
    return done(call, f"{SIGN_IN}?done=password", RESET)


async def _reset(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    token, email = kept(call), None
    if token is not None:
        async with call.services.database.transaction() as uow:
            email = await links.address(uow, at=call.at, token=token, purpose=types.LinkPurpose.RESET_PASSWORD)
    return _show(call, "entrance/reset-password.html", "New password", status=status, refused=refused, email=email)


@router.page(FORGOTTEN, _PUBLIC)
async def show_forgotten(call: routing.CallDep) -> exchange.Answer:
    """Show the form that asks for a link to set a new password."""
    return _show(call, "entrance/forgotten-password.html", "Forgotten password", is_sent=screens.query(call).text("done") == "sent")


@router.act(FORGOTTEN, _SENT)
async def send_forgotten(call: routing.CallDep) -> exchange.Answer:
    """Have a link mailed that sets a new password; the same is said whether or not the address is a user's."""
    await _ask(call, types.LinkPurpose.RESET_PASSWORD)
    return screens.go(f"{FORGOTTEN}?done=sent")


async def _ask(call: routing.Call, purpose: types.LinkPurpose) -> None:
    by_mail = call.services.mailer is not None
    async with call.services.database.transaction() as uow:
        email = screens.sent(call).text("email")
        await users.ask_link(uow, at=call.at, email=email, purpose=purpose, by_mail=by_mail, request_id=call.request_id)


# --- a confirmed address


@router.page(VERIFY, _PUBLIC)
async def show_verification(call: routing.CallDep) -> exchange.Answer:
    """Show the page that confirms an address by a link."""
    if (led := exchanged(call, VERIFY)) is not None:
        return led
    token, email = kept(call), None
    if token is not None:
        async with call.services.database.transaction() as uow:
            email = await links.address(uow, at=call.at, token=token, purpose=types.LinkPurpose.VERIFY_EMAIL)
    is_sent = screens.query(call).text("done") == "sent"
    return _show(call, "entrance/verify-email.html", "Confirm your address", email=email, is_sent=is_sent)


@router.act(VERIFY, _SENT)
async def send_verification(call: routing.CallDep) -> exchange.Answer:
    """Confirm an address by a link."""
    token = sent(call)
    async with call.services.database.transaction() as uow:
        await users.verify_email(uow, at=call.at, token=token, request_id=call.request_id)
    return done(call, f"{SIGN_IN}?done=verified", VERIFY)


@router.act(f"{VERIFY}/again", _SENT)
async def ask_verification(call: routing.CallDep) -> exchange.Answer:
    """Have the link that confirms an address mailed again."""
    await _ask(call, types.LinkPurpose.VERIFY_EMAIL)
    return screens.go(f"{VERIFY}?done=sent")


# --- an invitation


@router.page(INVITATION, _PUBLIC)
async def show_invitation(call: routing.CallDep) -> exchange.Answer:
    """Show what an invitation's link offers, and the form that accepts it as somebody new."""
    return exchanged(call, INVITATION) or await _invitation(call, forms.Refused())


async def _invitation(call: routing.Call, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    return _show(
        call,
        "entrance/accept-invitation.html",
        "Invitation",
        status=status,
        refused=refused,
        offer=await _offer(call),
        member=MEMBER,
        is_newcomer_taken=call.services.settings.sign_up != "off",
    )


async def _offer(call: routing.Call) -> types.Offer | None:
    token = kept(call)
    if token is None:
        return None
    async with call.services.database.transaction() as uow:
        return await invitations.offer(uow, at=call.at, token=token)


@router.act(INVITATION, _SENT)
async def accept_as_new(call: routing.CallDep) -> exchange.Answer:
    """Accept an invitation as somebody new, and sign in."""
    fields = screens.sent(call)
    try:
        made = await sign_in.join(
            call.services,
            at=call.at,
            token=sent(call),
            name=fields.text("name"),
            password=fields.text("password"),
            browser=people.browser(call),
        )
    except types.UserExists as fault:
        return await _invitation(call, forms.Refused(fields, f"{fault.title()} Accept with your account instead."), status=422)
    except errors.Invalid as fault:
        return await _invitation(call, forms.refused(fault, fields), status=422)
    return done(call, "/", INVITATION, plain.session(call, made))


@router.page(MEMBER, access.caller())
async def show_membership(call: routing.CallDep) -> exchange.Answer:
    """Show the form that accepts an invitation with the account one is signed in with."""
    people.person(call)
    return _show(call, "entrance/accept-as-member.html", "Invitation", offer=await _offer(call), csrf=lambda: _masked(call), path=MEMBER)


def _masked(call: routing.Call) -> str:
    return csrf.masked(call.caller.csrf_token or "")


@router.act(MEMBER, access.caller())
async def accept_as_member(call: routing.CallDep) -> exchange.Answer:
    """Accept an invitation with the account one is signed in with, and go to work there."""
    user_id, token = people.person(call), sent(call)
    async with screens.writing(call) as uow:
        offer = await invitations.accept(uow, actor=call.actor, at=call.at, token=token, user_id=user_id)
        made = await sessions.switch(
            uow,
            actor=call.actor,
            at=call.at,
            session_id=call.caller.credential_id,
            user_id=user_id,
            organization_id=offer.organization_id,
        )
    return done(call, "/", INVITATION, plain.session(call, made))
