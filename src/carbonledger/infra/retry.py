"""Whether to try again, and when: decisions as values. The loops that act on them are in ``infra.http`` and ``infra.queue``.

``classify`` sorts a failure into transient, permanent or unknown:

    transient   408, 425, 429, 5xx; the network broke; the database asks to try again; a fault of kind unavailable or limited
    permanent   400, 401, 403, 404, 422; a fault that says the request itself is wrong
    unknown     everything else, a defect of ours among it: worth a few more attempts, not many

An error may bring its own verdict as an attribute ``outcome``; that one counts.
"""

from __future__ import annotations

import email.utils
import enum
import errno
import random
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import httpx2

from carbonledger.kernel import errors

RETRY_AFTER_MAX_S = 3600.0  # a peer may slow us down, not switch us off: after an hour we look again


class Outcome(enum.Enum):
    """How an attempt ended, for the question whether another one makes sense."""

    SUCCESS = "success"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how patiently. Attempts count from 1; ``unknown_attempts_max`` holds for failures we can't sort."""

    attempts_max: int
    unknown_attempts_max: int
    base_s: float
    cap_s: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a failed attempt: another one in ``delay_s`` seconds, or (None) no more."""

    delay_s: float | None


HTTP_POLICY = Policy(attempts_max=4, unknown_attempts_max=1, base_s=0.25, cap_s=8.0)  # somebody waits for the answer
JOB_POLICY = Policy(attempts_max=8, unknown_attempts_max=4, base_s=15.0, cap_s=900.0)  # in the mean a quarter of an hour


_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_PERMANENT_STATUSES = frozenset({400, 401, 403, 404, 422})
_TRANSIENT_KINDS = frozenset({errors.Kind.UNAVAILABLE, errors.Kind.LIMITED})
_UNKNOWN_KINDS = frozenset({errors.Kind.CONFLICT, errors.Kind.INTERNAL})  # another state, or our own defect
# Raised by the operating system when a way to the peer is missing now. A full disk (ENOSPC) is none of them: unknown.
_TRANSIENT_ERRNOS = frozenset(
    {errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
)
# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exception, transaction rollback (serialization, deadlock),
# insufficient resources, operator intervention (shutdown, statement cancelled), lock not available.
_TRANSIENT_SQLSTATES = ("08", "40", "53", "57", "55P03")


def classify(failure: int | BaseException) -> Outcome:
    """Sort an HTTP status or an error."""
    if isinstance(failure, int):
        return _of_status(failure)
    stated = getattr(failure, "outcome", None)
    if isinstance(stated, Outcome):
        return stated
    if isinstance(failure, BaseExceptionGroup):
        return _of_group(failure)
    if isinstance(failure, errors.Fault):
        return _of_kind(failure.kind)
    return _of_foreign(failure)


def is_passing(error: Exception) -> bool:
    """Say whether the database, which was asked something, may answer again without our doing anything."""
    # The socket of a server that is being restarted is missing (OSError). asyncpg says InternalClientError of a connection whose end it
    # has read but not yet understood; an InterfaceError is a connection that is closed or (then a ValueError too) an argument of the
    # wrong kind, which is our defect and does not pass.
    is_cut = isinstance(error, OSError | asyncpg.InternalClientError | asyncpg.InterfaceError) and not isinstance(error, ValueError)
    return is_cut or classify(error) is Outcome.TRANSIENT


def _of_foreign(failure: BaseException) -> Outcome:
    if isinstance(failure, httpx2.HTTPStatusError):
        return _of_status(failure.response.status_code)
    if isinstance(failure, asyncpg.PostgresError):
        return Outcome.TRANSIENT if (failure.sqlstate or "").startswith(_TRANSIENT_SQLSTATES) else Outcome.UNKNOWN
    return Outcome.TRANSIENT if _is_network(failure) else Outcome.UNKNOWN


def _of_status(status: int) -> Outcome:
    if 200 <= status <= 299:  # noqa: PLR2004 - a status class is its number
        return Outcome.SUCCESS
    if status in _TRANSIENT_STATUSES or 500 <= status <= 599:  # noqa: PLR2004
        return Outcome.TRANSIENT
    return Outcome.PERMANENT if status in _PERMANENT_STATUSES else Outcome.UNKNOWN


def _of_kind(kind: errors.Kind) -> Outcome:
    if kind in _TRANSIENT_KINDS:
        return Outcome.TRANSIENT
    return Outcome.UNKNOWN if kind in _UNKNOWN_KINDS else Outcome.PERMANENT


def _of_group(group: BaseExceptionGroup[BaseException]) -> Outcome:
    outcomes = {classify(error) for error in group.exceptions}
    if Outcome.PERMANENT in outcomes:  # one part can never succeed, so neither can the whole
        return Outcome.PERMANENT
    return Outcome.TRANSIENT if outcomes == {Outcome.TRANSIENT} else Outcome.UNKNOWN


def _is_network(error: BaseException) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError | httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return False  # a certificate that does not fit, or a request that is none, stays so
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS:
        return True
    # TransportError holds time-outs, refused and broken connections, and answers that break off. EOFError: asyncio's IncompleteReadError.
    return isinstance(error, ConnectionError | TimeoutError | EOFError | socket.gaierror | ssl.SSLError | httpx2.TransportError)


def backoff(attempt: int, rng: random.Random, *, policy: Policy = JOB_POLICY) -> float:
    """Return the seconds to wait after failed attempt ``attempt`` (from 1): uniform in ``[0, min(cap, base * 2^(attempt-1))]``.

    Full jitter spreads the callers of a peer that comes back the most (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
    """
    if attempt < 1:
        raise ValueError("attempts count from 1")
    doublings = min(attempt - 1, 62)  # beyond it the cap holds anyway, and a float would overflow
    return rng.uniform(0.0, min(policy.cap_s, policy.base_s * 2.0**doublings))


def decide(
    outcome: Outcome, *, attempt: int, rng: random.Random, policy: Policy = JOB_POLICY, retry_after_s: float | None = None
) -> Decision:
    """Decide after attempt ``attempt`` (from 1) ended with ``outcome``.

    ``retry_after_s`` is what the peer asked for: the wait is never shorter, up to ``RETRY_AFTER_MAX_S``.
    """
    attempts_max = {Outcome.TRANSIENT: policy.attempts_max, Outcome.UNKNOWN: min(policy.attempts_max, policy.unknown_attempts_max)}
    if attempt >= attempts_max.get(outcome, 0):
        return Decision(None)
    wait_s = backoff(attempt, rng, policy=policy)
    if retry_after_s is not None:
        # The jitter is added, not replaced: the peer told everybody the same second.
        wait_s = min(max(retry_after_s, 0.0), RETRY_AFTER_MAX_S) + wait_s
    return Decision(wait_s)


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), or None when it is absent or unreadable.

    Seconds or an HTTP date; bounded by ``RETRY_AFTER_MAX_S``; a date in the past is 0.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # The length first: int() of a million digits is slow.
        return RETRY_AFTER_MAX_S if len(text) > 9 else min(float(text), RETRY_AFTER_MAX_S)  # noqa: PLR2004
    try:
        at = email.utils.parsedate_to_datetime(text[:64])
    except ValueError:
        return None  # not a date: as good as absent
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max((at - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
