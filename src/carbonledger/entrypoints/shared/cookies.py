"""The session's cookie: its name and its attributes. What is in it is identity's; who it belongs to is found by ``callers``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

_NAME = "carbonledger_session"
# With this prefix a browser takes the cookie only over TLS, for this host alone and for all paths: no neighbouring host can plant one.
_HOST = "__Host-"


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


def _name(*, is_https: bool) -> str:
    return f"{_HOST}{_NAME}" if is_https else _NAME


def _header(value: str, *, is_https: bool, max_age_s: int) -> str:
    secure = "; Secure" if is_https else ""
    return f"{_name(is_https=is_https)}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"
