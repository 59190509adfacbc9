"""Signing in and out, another organization, the pages of mailed links, the files that pages load, search, the methodology.

Signing in is a plain form, so that reading needs no script. What a link holds stands behind ``#`` and never reaches the server by
itself, so its page needs one.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import sessions
from carbonledger.entrypoints.rest import people, routing
from carbonledger.entrypoints.shared import access, cookies, exchange, sign_in
from carbonledger.entrypoints.web import assets, finding, forms, methodology, rendering, routes, screens
from carbonledger.kernel import errors

_FOREVER: Final = b"public, max-age=31536000, immutable"
_PUBLIC: Final = access.public(limit="public")

router = routes.Router()


class FileUnknown(errors.NotFound):
    """There is no such file here."""

    code = "file_not_found"


@router.page("/sign-in", _PUBLIC)
async def show_sign_in(call: routing.CallDep) -> exchange.Answer:
    """Show the sign-in page, by password or by the link that the first start printed."""
    return _sign_in(call, forms.Refused(), screens.query(call).text("next"))


@router.act("/sign-in", access.public(limit="sign_in"))
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
    except (types.IdentityFault, errors.Invalid) as fault:
        refused = forms.Refused(fields, fault.title() if fault.detail is None else f"{fault.title()} {fault.detail}".strip())
        return _sign_in(call, refused, fields.text("next"), status=422)
    return screens.go(screens.own_path(fields.text("next") or "/"), _cookie(call, made))


def _sign_in(call: routing.Call, refused: forms.Refused, onward: str, *, status: int = 200) -> exchange.Answer:
    given = {"refused": refused, "onward": screens.own_path(onward or "/"), "can_mail": call.services.mailer is not None}
    return _plain(call, "entrance/sign-in.html", "Sign in", status=status, **given)


@router.act("/sign-out", access.caller())
async def sign_out(call: routing.CallDep) -> exchange.Answer:
    """End this session."""
    async with screens.writing(call) as uow:
        await sessions.end(uow, actor=call.actor, now=call.now, user_id=people.person(call), session_id=call.caller.credential_id)
    cleared = cookies.clear_session(is_https=call.services.settings.is_https)
    return screens.go("/sign-in", (b"set-cookie", cleared.encode()))


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
    return screens.go("/", _cookie(call, made))


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise types.OrganizationUnknown("Choose one of your organizations.") from None


def _cookie(call: routing.Call, made: types.NewSession) -> exchange.Header:
    lasts = cookies.lifetime(at=call.at, expires_at=made.session.expires_at)
    return (b"set-cookie", cookies.set_session(made.token, is_https=call.services.settings.is_https, lasts=lasts).encode())


@router.page("/reset-password", _PUBLIC)
async def show_reset(call: routing.CallDep) -> exchange.Answer:
    """Show the page that sets a new password by a link."""
    return _plain(call, "entrance/reset-password.html", "New password")


@router.page("/verify-email", _PUBLIC)
async def show_verification(call: routing.CallDep) -> exchange.Answer:
    """Show the page that confirms an address by a link."""
    return _plain(call, "entrance/verify-email.html", "Confirm your address")


@router.page("/accept-invitation", _PUBLIC)
async def show_invitation(call: routing.CallDep) -> exchange.Answer:
    """Show the page that accepts an invitation by its link."""
    return _plain(call, "entrance/accept-invitation.html", "Invitation")


def _plain(call: routing.Call, template: str, title: str, *, status: int = 200, **given: Any) -> exchange.Answer:
    return screens.html(call.exchange, rendering.render(template, {"title": title, **given}), status=status)


@router.page("/methodology", _PUBLIC)
async def show_methodology(call: routing.CallDep) -> exchange.Answer:
    """Show every number of the factor set and the price book to whoever wants to judge it."""
    text, etag = _methodology()
    headers: list[exchange.Header] = [(b"etag", etag.encode()), (b"cache-control", b"no-cache")]
    if call.exchange.headers.get("if-none-match") == etag:
        return exchange.Answer(304, media_type=None, headers=[*headers, (b"content-security-policy", screens.POLICY.encode())])
    answer = screens.html(call.exchange, text)
    answer.headers += headers
    return answer


@functools.cache
def _methodology() -> tuple[str, str]:
    text = rendering.render("entrance/methodology.html", {"title": "Methodology", "content": methodology.content()})
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


@router.page("/static/{name}", _PUBLIC)
async def get_static(call: routing.CallDep, name: str) -> exchange.Answer:
    """Return one of the files that pages load."""
    found = assets.find(name)
    if found is None:
        raise FileUnknown(f"There is no file {name!r}.")
    asset, is_changing = found
    headers: list[exchange.Header] = [
        (b"etag", asset.etag.encode()),
        # By its plain name it is asked for each time, and answered 304.
        (b"cache-control", _FOREVER if is_changing else b"no-cache"),
        (b"content-security-policy", screens.POLICY.encode()),
        (b"vary", b"accept-encoding"),
    ]
    if call.exchange.headers.get("if-none-match") == asset.etag:
        return exchange.Answer(304, media_type=None, headers=headers)
    is_packed = "gzip" in call.exchange.headers.get("accept-encoding", "") and len(asset.packed) < len(asset.content)
    if is_packed:
        headers.append((b"content-encoding", b"gzip"))
    body = asset.packed if is_packed else asset.content
    return exchange.Answer(200, body=body, media_type=asset.media_type.encode(), headers=headers)


@router.page("/search", access.scope("organization:read"))
async def search(call: routing.CallDep) -> exchange.Answer:
    """Find sections, projects and models by name or id."""
    asked = screens.query(call).text("q").strip()[: finding.CHARS_MAX]
    # Not a transaction of reading: the default project is made at the first look.
    async with screens.writing(call) as uow:
        found = await finding.find(call, uow, asked)
        if len(found) == 1 and found[0].is_exact:
            return screens.go(found[0].href)
        return await screens.show(call, uow, "entrance/search.html", section="", title="Search", q=asked, found=found)
