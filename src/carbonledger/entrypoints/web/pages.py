"""The first pages: where the printed and the mailed links lead, and what the root address shows.

They are fixed files; what they show they ask the API for, under the reader's own session. One is made from what this version computes with,
and needs no script: the methodology. The policy allows nothing that is not served from here, and no inline script.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from starlette.responses import Response

from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access
from carbonledger.entrypoints.web import methodology
from carbonledger.kernel import errors

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

router = routing.Router(prefix="", tag="Pages")


class FileUnknown(errors.NotFound):
    """There is no such file here."""

    code = "file_not_found"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


def _files(folder: str, types: dict[str, str]) -> dict[str, _File]:
    found = (resources.files(__package__) / folder).iterdir()
    return {entry.name: _file(content, types[f".{entry.name.rpartition('.')[2]}"]) for entry in found if (content := entry.read_bytes())}


def _file(content: bytes, media_type: str) -> _File:
    return _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:20]}"')


_PAGES: Final = _files("pages", {".html": "text/html; charset=utf-8"})
_STATIC: Final = _files("static", _TYPES)


def _answer(call: routing.Call, file: _File) -> Response:
    # Asked again each time and answered 304: after an upgrade nobody runs yesterday's script against today's page.
    headers = {"etag": file.etag, "cache-control": "no-cache", "content-security-policy": _POLICY}
    if call.exchange.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get("/", access=access.public(limit="public"), summary="Show the home page", operation_id="showHome")
async def show_home(call: routing.CallDep) -> Response:
    """Show who is signed in, or where to."""
    return _answer(call, _PAGES["home.html"])


@router.get("/sign-in", access=access.public(limit="public"), summary="Show the sign-in page", operation_id="showSignIn", open_query=True)
async def show_sign_in(call: routing.CallDep) -> Response:
    """Sign in by password, or by the link that the first start printed."""
    return _answer(call, _PAGES["sign-in.html"])


@router.get("/reset-password", access=access.public(limit="public"), summary="Show the new-password page", operation_id="showReset")
async def show_reset(call: routing.CallDep) -> Response:
    """Set a new password by the link that was mailed or that the operator made."""
    return _answer(call, _PAGES["reset-password.html"])


@router.get("/verify-email", access=access.public(limit="public"), summary="Show the confirmation page", operation_id="showVerification")
async def show_verification(call: routing.CallDep) -> Response:
    """Confirm an address by the link that was mailed."""
    return _answer(call, _PAGES["verify-email.html"])


@router.get("/accept-invitation", access=access.public(limit="public"), summary="Show the invitation page", operation_id="showInvitation")
async def show_invitation(call: routing.CallDep) -> Response:
    """Accept an invitation by its link."""
    return _answer(call, _PAGES["accept-invitation.html"])


@router.get("/methodology", access=access.public(limit="public"), summary="Show the methodology", operation_id="showMethodology")
async def show_methodology(call: routing.CallDep) -> Response:
    """Explain every number of the factor set and the price book to whoever wants to judge it."""
    return _answer(call, _methodology())


@functools.cache
def _methodology() -> _File:
    return _file(methodology.page().encode(), "text/html; charset=utf-8")


@router.get("/static/{name}", access=access.public(limit="public"), summary="Get a file of the pages", operation_id="getStatic")
async def get_static(call: routing.CallDep, name: str) -> Response:
    """Return one of the files that the pages load."""
    file = _STATIC.get(name)
    if file is None:
        raise FileUnknown(f"There is no file {name!r}.")
    return _answer(call, file)
