"""A page as an answer: the shell around a section's own part, the headers that protect its reader, and the two transactions of a page.

The policy allows nothing that is not served from here, no inline script and no inline style. Pages of a session are never kept by anybody:
after signing out the back button shows none of them.
"""

from __future__ import annotations

import contextlib
import gzip
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import organizations, sessions, users
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import csrf, forms, navigation, rendering
from carbonledger.infra import db
from carbonledger.kernel import errors
from carbonledger.kernel import zone as zones

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HTML: Final = b"text/html; charset=utf-8"
MENDABLE: Final = frozenset({errors.Kind.INVALID, errors.Kind.CONFLICT, errors.Kind.NOT_FOUND})
"""What whoever sent a form can do something about: the form is shown again. Of a page that isn't there itself, showing it says so."""
_PACKED_FROM_BYTES: Final = 1024
_PATH_CHARS_MAX: Final = 2000


def reading(call: routing.Call) -> contextlib.AbstractAsyncContextManager[db.UnitOfWork]:
    """Open the transaction that a page is read in; nothing can be changed in it."""
    return call.services.database.transaction(call.caller.organization_id, read_only=True)


@contextlib.asynccontextmanager
async def writing(call: routing.Call) -> AsyncIterator[db.UnitOfWork]:
    """Open the transaction of an act; it is undone where the block raises."""
    async with call.services.database.transaction(call.caller.organization_id) as uow:
        yield uow


async def attempt(
    call: routing.Call,
    act: Callable[[db.UnitOfWork], Awaitable[str | Callable[[], Awaitable[exchange.Answer]]]],
    refusal: Callable[[errors.Fault], Awaitable[exchange.Answer]],
    *,
    mendable: AbstractSet[errors.Kind] = MENDABLE,
) -> exchange.Answer:
    """Do an act in a transaction of its own and lead to the address that it returns; or answer by what it returns, once that is committed.

    Where it raises a fault of a ``mendable`` kind everything is undone, and the answer is ``refusal`` of that fault: the page of the form,
    with what was sent and what is wrong with it. Any other fault is raised.
    """
    try:
        async with writing(call) as uow:
            done = await act(uow)
    except errors.Fault as fault:
        if fault.kind not in mendable:
            raise
        return await refusal(fault)
    return go(done) if isinstance(done, str) else await done()


def query(call: routing.Call) -> forms.Fields:
    """Return what the address of the page asks for. Raises ``Malformed``."""
    return forms.read(call.exchange.scope["query_string"])


def sent(call: routing.Call) -> forms.Fields:
    """Return the form that was sent."""
    return forms.read(call.body)


async def show(
    call: routing.Call, uow: db.UnitOfWork, template: str, *, section: str, title: str, status: int = 200, **given: Any
) -> exchange.Answer:
    """Return a page inside the shell. ``given`` is what its template shows.

    ``path`` in it is the page's own address, where a form was sent to another one. Only a page that is given its ``chosen`` period offers
    another one: where it changes nothing, "Last 30 days" beside a list would say that the list ends there. Links keep it all the same.
    """
    fields = query(call)
    is_dated = "chosen" in given
    chosen: periods.Chosen = given.pop("chosen", None) or periods.read(call, fields.named(periods.NAMES))
    caller = call.caller
    organization = await organizations.find(uow, organization_id=caller.organization_id)
    person: types.User | None = None
    memberships: tuple[types.Membership, ...] = ()
    if caller.credential == "session" and call.actor.id is not None:
        person = await users.find(uow, user_id=call.actor.id)
        memberships = await sessions.memberships(uow, user_id=call.actor.id)
    shell = {
        "sections": navigation.seen_by(call.actor.scopes),
        "section": section,
        "title": title,
        "organization": organization,
        "person": person,
        "memberships": memberships,
        "chosen": chosen,
        "is_dated": is_dated,
        "period_words": chosen.words,
        "lookbacks": periods.WORDS,
        "path": call.exchange.path,
        "kept": [pair for pair in fields.pairs if pair[0] not in (*periods.NAMES, "cursor", "done")],
        "zone": zones.named(caller.time_zone),
        "may": call.actor.scopes.__contains__,
        "csrf": lambda: csrf.masked(caller.csrf_token or ""),
        "q": "",
        "refused": forms.Refused(),
    }
    return html(call.exchange, rendering.render(template, {**shell, **given}), status=status)


def html(request: exchange.Exchange, text: str, *, status: int = 200) -> exchange.Answer:
    """Return HTML with the headers of every page, compressed where the browser takes that."""
    body = text.encode()
    headers: list[exchange.Header] = [(b"content-security-policy", POLICY.encode()), (b"vary", b"accept-encoding")]
    if len(body) >= _PACKED_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=6, mtime=0)
        headers.append((b"content-encoding", b"gzip"))
    return exchange.Answer(status, body=body, media_type=HTML, headers=headers)


def go(to: str, *headers: exchange.Header) -> exchange.Answer:
    """Return an answer that leads on, to be read with GET."""
    location = urllib.parse.quote(to, safe="/?&=#%:,+~@!$'()*;[]-._")
    return exchange.Answer(
        303, media_type=None, headers=[(b"location", location.encode()), (b"content-security-policy", POLICY.encode()), *headers]
    )


def own_path(given: str) -> str:
    """Return an address of this site that a form or a link names, or the first page: nobody is led elsewhere."""
    is_ours = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable() and len(given) <= _PATH_CHARS_MAX
    return given if is_ours else "/"
