"""What the pages outside the shell share: a page in its plain frame, and the cookie of a session that has begun."""

from __future__ import annotations

from typing import Any

from carbonledger.domains.identity import types
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import cookies, exchange
from carbonledger.entrypoints.web import rendering, screens


def page(call: routing.Call, template: str, title: str, *, status: int = 200, **given: Any) -> exchange.Answer:
    """Return a page in the plain frame."""
    return screens.html(call.exchange, rendering.render(template, {"title": title, **given}), status=status)


def session(call: routing.Call, made: types.NewSession) -> exchange.Header:
    """Return the header that gives a browser its session."""
    lasts = cookies.lifetime(at=call.at, expires_at=made.session.expires_at)
    return (b"set-cookie", cookies.set_session(made.token, is_https=call.services.settings.is_https, lasts=lasts).encode())
