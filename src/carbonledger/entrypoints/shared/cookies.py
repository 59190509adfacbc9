"""Cookies: the session's, and the one that holds what a mailed link held. Their names and attributes.

What is in them is identity's; who a session belongs to is found by ``callers``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

_NAME = "carbonledger_session"
# With this prefix a browser takes the cookie only over TLS, for this host alone and for all paths: no neighbouring host can plant one.
_HOST = "__Host-"
_LINK = "carbonledger_link"
# With this prefix it is taken only over TLS; the other one would send it to every page, and it belongs to one.
_SECURE = "__Secure-"
LINK_LASTS = timedelta(minutes=30)  # to choose a password, or to sign in first


def session_token(cookies: Mapping[str, str], *, is_https: bool) -> str | None:
    """Return the session's token that the request's cookies carry."""
    return cookies.get(_name(is_https=is_https))


def set_session(token: str, *, is_https: bool, lasts: timedelta) -> str:
    """Return the Set-Cookie header that signs a browser in."""
    return _header(token, is_https=is_https, max_age_s=int(lasts.total_seconds()))


def clear_session(*, is_https: bool) -> str:
    """Return the Set-Cookie header that makes a browser forget its session."""
    return _header("", is_https=is_https, max_age_s=0)


def lifetime(*, at: datetime, expires_at: datetime) -> timedelta:
    """Return how long a cookie set at ``at`` is of use."""
    return max(expires_at - at, timedelta())


def link_token(cookies: Mapping[str, str], *, is_https: bool) -> str | None:
    """Return what the mailed link held that led to this page."""
    return cookies.get(_link_name(is_https=is_https))


def set_link(token: str, *, path: str, is_https: bool) -> str:
    """Return the Set-Cookie header that keeps what a link holds, for the page at ``path`` and those below it alone.

    ``SameSite=Lax``: the page is reached from a mail, and ``Strict`` would withhold the cookie from the redirect that follows.
    """
    return _link_header(token, path=path, is_https=is_https, max_age_s=int(LINK_LASTS.total_seconds()))


def clear_link(*, path: str, is_https: bool) -> str:
    """Return the Set-Cookie header that forgets it."""
    return _link_header("", path=path, is_https=is_https, max_age_s=0)


def _link_name(*, is_https: bool) -> str:
    return f"{_SECURE}{_LINK}" if is_https else _LINK


def _link_header(value: str, *, path: str, is_https: bool, max_age_s: int) -> str:
    secure = "; Secure" if is_https else ""
    return f"{_link_name(is_https=is_https)}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"


def _name(*, is_https: bool) -> str:
    return f"{_HOST}{_NAME}" if is_https else _NAME


def _header(value: str, *, is_https: bool, max_age_s: int) -> str:
    secure = "; Secure" if is_https else ""
    return f"{_name(is_https=is_https)}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"
