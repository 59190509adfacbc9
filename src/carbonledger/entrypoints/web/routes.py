"""How a page is asked for: the REST edge's own order, with forms in place of JSON and pages in place of problem documents.

A form repeats the session's CSRF token in a field. Whoever is not signed in is led to sign in and back. A form that comes after its session
has ended is not lost: the refusal shows what was written in it.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any, Final, TypedDict

from starlette.responses import Response

from carbonledger.entrypoints.rest import parameters, problems, routing
from carbonledger.entrypoints.shared import access, bodies, exchange, faults, gate
from carbonledger.entrypoints.web import csrf, forms, rendering, screens, uploads
from carbonledger.kernel import errors

FORM: Final = "application/x-www-form-urlencoded"
FORM_BYTES_MAX: Final = 256 * 1024  # a name of 10,000 characters, each of them four bytes that are written as twelve
_FOREIGN: Final = frozenset({"cross-site", "same-site"})
_SECRET: Final = frozenset({"password", "current_password", "new_password", "api_key", csrf.FIELD, "page", "token"})
_SIGN_IN: Final = "/sign-in"


class FormForeign(errors.Forbidden):
    """The form was sent from another site."""

    code = "form_foreign"


class UploadTooLarge(faults.BodyTooLarge):
    """The file is too large."""

    code = "upload_too_large"


class Page(routing.Route):
    """One page, or one form's target."""

    async def answer(self, request: exchange.Exchange, path: dict[str, str], edge: routing.Edge) -> exchange.Answer | Response:
        """Answer one request. Failures become pages in ``refusal``."""
        if self.method in gate.SAFE_METHODS:
            return await super().answer(request, path, edge)
        if request.headers.get("sec-fetch-site") in _FOREIGN:
            raise FormForeign("Open the page here and send its form.")
        parameters.check_media_type(request, (FORM,))
        with edge.bodies.lease() as lease:
            body = await bodies.read(request, limit_bytes=FORM_BYTES_MAX, lease=lease)
            fields = forms.read(body)
            try:
                caller = await edge.gate.admit(request, self.demand, csrf_token=csrf.unmasked(fields.text(csrf.FIELD)))
                return await self._answer_read(request, path, edge, caller, body)
            except errors.Fault as fault:
                if fault.kind is errors.Kind.INTERNAL:
                    raise
                return refusal(request, fault, fields)

    def refusal(self, request: exchange.Exchange, fault: errors.Fault) -> exchange.Answer:
        """Return the page that tells why there is none; to who is not signed in, the way to sign in."""
        return refusal(request, fault)


class Upload(Page):
    """A form's target that takes a file. Who sends it is known, or counted by address, before it is read."""

    @property
    def file_bytes_max(self) -> int:
        """How large a file may be."""
        return uploads.LARGE_FILE_BYTES_MAX if self.options.large else uploads.FILE_BYTES_MAX

    async def answer(self, request: exchange.Exchange, path: dict[str, str], edge: routing.Edge) -> exchange.Answer | Response:
        """Answer one request. Failures become pages in ``refusal``."""
        if request.headers.get("sec-fetch-site") in _FOREIGN:
            raise FormForeign("Open the page here and send its form.")
        parameters.check_media_type(request, (uploads.MEDIA_TYPE,))
        caller = None
        if self.demand.is_public:
            caller = await edge.gate.admit(request, self.demand)
        else:
            await edge.gate.recognize(request)
        with edge.uploads.lease() as lease:
            body = await bodies.read(request, limit_bytes=self.file_bytes_max + uploads.AROUND_BYTES_MAX, lease=lease)
            if not self.demand.is_public:
                fields = uploads.read(request.headers["content-type"], body).fields
                caller = await edge.gate.admit(request, self.demand, csrf_token=csrf.unmasked(fields.text(csrf.FIELD)))
            return await self._answer_read(request, path, edge, caller, body)

    def refusal(self, request: exchange.Exchange, fault: errors.Fault) -> exchange.Answer:
        """Return the page that tells why the file was not taken, and the way back to its form, which has the same address."""
        if isinstance(fault, faults.BodyTooLarge) and not isinstance(fault, UploadTooLarge):
            larger = " The command line takes larger ones." if self.options.large else ""
            fault = UploadTooLarge(f"A file has at most {self.file_bytes_max // 2**20} MiB here.{larger}")
        return refusal(request, fault, forms.Fields((("page", request.path),)))


class Router(routing.Router):
    """Pages of one section."""

    def __init__(self, *, prefix: str = "") -> None:
        super().__init__(prefix=prefix, tag="Pages")

    def route(self, *arguments: Any, **described: Any) -> routing.Route:
        """Make a page."""
        made = Upload if uploads.MEDIA_TYPE in described["options"].raw else Page
        return made(*arguments, **{**described, "response_model": None})

    def page(self, path: str, demand: access.Access) -> Callable[[routing.Endpoint], routing.Endpoint]:
        """Declare a page. Its docstring is its summary."""

        def declare(endpoint: routing.Endpoint) -> routing.Endpoint:
            return self.get(path, access=demand, transaction=False, open_query=True, **_named(endpoint))(endpoint)

        return declare

    def act(self, path: str, demand: access.Access) -> Callable[[routing.Endpoint], routing.Endpoint]:
        """Declare what a form does. It opens its own transaction, so that a refusal can be shown beside the form."""
        return self._act(path, demand, FORM)

    def upload(self, path: str, demand: access.Access, *, large: bool = False) -> Callable[[routing.Endpoint], routing.Endpoint]:
        """Declare what a form with a file does, under the address of the page that it stands on; the form is ``uploads.sent``.

        ``large``: the file may be an audit pack.
        """
        return self._act(path, demand, uploads.MEDIA_TYPE, large=large)

    def _act(
        self, path: str, demand: access.Access, media_type: str, *, large: bool = False
    ) -> Callable[[routing.Endpoint], routing.Endpoint]:
        def declare(endpoint: routing.Endpoint) -> routing.Endpoint:
            declared = self.post(
                path,
                access=demand,
                transaction=False,
                idempotent=False,
                open_query=True,
                raw=(media_type,),
                large=large,
                **_named(endpoint),
            )
            return declared(endpoint)

        return declare


class _Named(TypedDict):
    summary: str
    operation_id: str


def _named(endpoint: Callable[..., Any]) -> _Named:
    return {
        "summary": (endpoint.__doc__ or "").partition("\n")[0].rstrip("."),
        "operation_id": f"web.{endpoint.__module__}.{endpoint.__name__}",
    }


def refusal(request: exchange.Exchange, fault: errors.Fault, fields: forms.Fields | None = None) -> exchange.Answer:
    """Return the page that tells what happened, why, and what to do; or the way to sign in."""
    if isinstance(fault, errors.Unauthenticated) and fields is None and not request.path.startswith(_SIGN_IN):
        return _led(request, f"{_SIGN_IN}?{urllib.parse.urlencode({'next': _whole_path(request)})}")
    told = problems.document(fault, request_id=request.request_id)
    back = screens.own_path(fields.text("page")) if fields is not None else "/"
    is_signed_out = isinstance(fault, errors.Unauthenticated)
    given = {
        "title": "Your session has ended" if is_signed_out else str(told["title"]).rstrip("."),
        "told": told,
        "typed": [pair for pair in (fields.pairs if fields else ()) if pair[0] not in _SECRET and pair[1].strip()],
        "is_signed_out": is_signed_out,
        "is_stale": isinstance(fault, gate.CsrfTokenWrong),
        "back": back,
        "sign_in": f"{_SIGN_IN}?{urllib.parse.urlencode({'next': back})}",
    }
    told_by = problems.answer(fault, request_id=request.request_id)
    answer = screens.html(request, rendering.render("refusal.html", given), status=told_by.status)
    answer.headers += [header for header in told_by.headers if header[0] != b"www-authenticate"]
    return answer


def anywhere(request: exchange.Exchange, fault: errors.Fault) -> exchange.Answer:
    """Return what is told of an address that nothing serves: a page to a browser, a problem document to everybody else."""
    is_browser = request.method in gate.SAFE_METHODS and "text/html" in request.headers.get("accept", "")
    return refusal(request, fault) if is_browser else problems.answer(fault, request_id=request.request_id)


def _led(request: exchange.Exchange, to: str) -> exchange.Answer:
    """Return what leads on; htmx, which asks for a part of a page, is told to leave the whole page."""
    if "hx-request" in request.headers:
        return exchange.Answer(200, media_type=None, headers=[(b"hx-redirect", to.encode())])
    return screens.go(to)


def _whole_path(request: exchange.Exchange) -> str:
    asked: bytes = request.scope["query_string"]
    return f"{request.path}?{asked.decode('latin-1')}" if asked else request.path
