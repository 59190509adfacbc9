"""What is worth another attempt, and when."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import ssl
from datetime import UTC, datetime

import asyncpg
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.infra import db, retry
from carbonledger.infra.retry import Outcome
from carbonledger.kernel import errors

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
POLICY = retry.Policy(attempts_max=5, unknown_attempts_max=2, base_s=1.0, cap_s=10.0)


class Stated(Exception):
    outcome = Outcome.PERMANENT


class StatedFault(errors.Unavailable):
    """Looks transient by kind, says it is not."""

    outcome = Outcome.PERMANENT


@pytest.mark.parametrize(
    "status, outcome",
    [
        (200, Outcome.SUCCESS),
        (204, Outcome.SUCCESS),
        (299, Outcome.SUCCESS),
        # the list of the Foundation issue, each of its members
        (408, Outcome.TRANSIENT),
        (425, Outcome.TRANSIENT),
        (429, Outcome.TRANSIENT),
        (500, Outcome.TRANSIENT),
        (501, Outcome.TRANSIENT),
        (503, Outcome.TRANSIENT),
        (529, Outcome.TRANSIENT),  # Anthropic: overloaded
        (599, Outcome.TRANSIENT),
        (400, Outcome.PERMANENT),
        (401, Outcome.PERMANENT),
        (403, Outcome.PERMANENT),
        (404, Outcome.PERMANENT),
        (422, Outcome.PERMANENT),
        # and what it leaves as "else unknown"
        (100, Outcome.UNKNOWN),
        (301, Outcome.UNKNOWN),
        (402, Outcome.UNKNOWN),
        (405, Outcome.UNKNOWN),
        (409, Outcome.UNKNOWN),
        (410, Outcome.UNKNOWN),
        (413, Outcome.UNKNOWN),
        (418, Outcome.UNKNOWN),
        (600, Outcome.UNKNOWN),
        (0, Outcome.UNKNOWN),
    ],
)
def test_a_status_is_sorted(status: int, outcome: Outcome) -> None:
    assert retry.classify(status) is outcome


def status_error(status: int) -> httpx2.HTTPStatusError:
    request = httpx2.Request("GET", "https://example.com")
    return httpx2.HTTPStatusError("status", request=request, response=httpx2.Response(status, request=request))


FAILURES: dict[str, tuple[BaseException, Outcome]] = {
    # the network
    "refused": (ConnectionRefusedError(), Outcome.TRANSIENT),
    "reset": (ConnectionResetError(), Outcome.TRANSIENT),
    "broken pipe": (BrokenPipeError(), Outcome.TRANSIENT),
    "timed out": (TimeoutError(), Outcome.TRANSIENT),
    "no name": (socket.gaierror(socket.EAI_AGAIN, "try again"), Outcome.TRANSIENT),
    "no route": (OSError(errno.EHOSTUNREACH, "no route"), Outcome.TRANSIENT),
    "no network": (OSError(errno.ENETUNREACH, "no network"), Outcome.TRANSIENT),
    "broken off": (asyncio.IncompleteReadError(b"", 4), Outcome.TRANSIENT),
    "http connect": (httpx2.ConnectError("x"), Outcome.TRANSIENT),
    "http read timeout": (httpx2.ReadTimeout("x"), Outcome.TRANSIENT),
    "http pool timeout": (httpx2.PoolTimeout("x"), Outcome.TRANSIENT),
    "http broken answer": (httpx2.RemoteProtocolError("x"), Outcome.TRANSIENT),
    "tls handshake broke": (ssl.SSLError("x"), Outcome.TRANSIENT),
    "http 503": (status_error(503), Outcome.TRANSIENT),
    # what will be the same the next time
    "http 401": (status_error(401), Outcome.PERMANENT),
    "certificate": (ssl.SSLCertVerificationError("x"), Outcome.UNKNOWN),
    "http wrong scheme": (httpx2.UnsupportedProtocol("x"), Outcome.UNKNOWN),
    "http our own mistake": (httpx2.LocalProtocolError("x"), Outcome.UNKNOWN),
    # the machine
    "disk full": (OSError(errno.ENOSPC, "full"), Outcome.UNKNOWN),
    "too many files": (OSError(errno.EMFILE, "files"), Outcome.TRANSIENT),
    "no such file": (FileNotFoundError(), Outcome.UNKNOWN),
    "defect": (KeyError("x"), Outcome.UNKNOWN),
    "cancelled": (asyncio.CancelledError(), Outcome.UNKNOWN),
    # the database
    "serialization": (asyncpg.SerializationError("x"), Outcome.TRANSIENT),
    "deadlock": (asyncpg.DeadlockDetectedError("x"), Outcome.TRANSIENT),
    "connection lost": (asyncpg.ConnectionDoesNotExistError("x"), Outcome.TRANSIENT),
    "too many connections": (asyncpg.TooManyConnectionsError("x"), Outcome.TRANSIENT),
    "shutting down": (asyncpg.AdminShutdownError("x"), Outcome.TRANSIENT),
    "lock timeout": (asyncpg.LockNotAvailableError("x"), Outcome.TRANSIENT),
    "object in use": (asyncpg.ObjectInUseError("x"), Outcome.UNKNOWN),  # 55006, a neighbour of 55P03
    "unique": (asyncpg.UniqueViolationError("x"), Outcome.UNKNOWN),
    "no table": (asyncpg.UndefinedTableError("x"), Outcome.UNKNOWN),
    # our own faults, by kind
    "unavailable": (errors.Unavailable(), Outcome.TRANSIENT),
    "limited": (errors.Limited(), Outcome.TRANSIENT),
    "invalid": (errors.Invalid(), Outcome.PERMANENT),
    "not found": (errors.NotFound(), Outcome.PERMANENT),
    "forbidden": (errors.Forbidden(), Outcome.PERMANENT),
    "conflict": (errors.Conflict(), Outcome.UNKNOWN),
    "internal": (errors.Fault(), Outcome.UNKNOWN),
    # what an error says of itself counts
    "stated": (Stated(), Outcome.PERMANENT),
    "stated fault": (StatedFault(), Outcome.PERMANENT),
    # several at once (TaskGroup)
    "group transient": (ExceptionGroup("g", [TimeoutError(), ConnectionError()]), Outcome.TRANSIENT),
    "group with defect": (ExceptionGroup("g", [TimeoutError(), KeyError()]), Outcome.UNKNOWN),
    "group with permanent": (ExceptionGroup("g", [TimeoutError(), errors.Invalid()]), Outcome.PERMANENT),
    "group in group": (ExceptionGroup("g", [ExceptionGroup("h", [TimeoutError()])]), Outcome.TRANSIENT),
}


@pytest.mark.parametrize("failure, outcome", FAILURES.values(), ids=FAILURES.keys())
def test_an_error_is_sorted(failure: BaseException, outcome: Outcome) -> None:
    assert retry.classify(failure) is outcome


@pytest.mark.parametrize("kind", errors.Kind)
def test_every_kind_of_fault_is_sorted(kind: errors.Kind) -> None:
    fault = type("OfKind", (errors.Fault,), {"kind": kind})
    assert retry.classify(fault()) is not Outcome.SUCCESS


@pytest.mark.parametrize(
    "attempt, ceiling",
    [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (6, 10.0), (5000, 10.0)],  # doubling from base, then the cap; no overflow
)
@given(seed=st.integers())
def test_backoff_is_uniform_below_a_doubling_ceiling(attempt: int, ceiling: float, seed: int) -> None:
    wait_s = retry.backoff(attempt, random.Random(seed), policy=POLICY)
    assert 0.0 <= wait_s <= ceiling
    assert wait_s == random.Random(seed).uniform(0.0, ceiling)


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        retry.backoff(0, random.Random(1))


@pytest.mark.parametrize(
    "outcome, attempt, again",
    [
        (Outcome.TRANSIENT, 1, True),
        (Outcome.TRANSIENT, 4, True),
        (Outcome.TRANSIENT, 5, False),  # the fifth of five was the last
        (Outcome.TRANSIENT, 6, False),  # an attempt too many, after the limit was lowered
        (Outcome.UNKNOWN, 1, True),
        (Outcome.UNKNOWN, 2, False),
        (Outcome.PERMANENT, 1, False),
        (Outcome.SUCCESS, 1, False),
    ],
)
def test_attempts_end(outcome: Outcome, attempt: int, again: bool) -> None:
    decision = retry.decide(outcome, attempt=attempt, rng=random.Random(1), policy=POLICY)
    assert (decision.delay_s is not None) is again


def test_unknown_failures_never_get_more_attempts_than_transient_ones() -> None:
    policy = retry.Policy(attempts_max=1, unknown_attempts_max=4, base_s=1.0, cap_s=1.0)
    assert retry.decide(Outcome.UNKNOWN, attempt=1, rng=random.Random(1), policy=policy).delay_s is None


@pytest.mark.parametrize(
    "asked_s, least_s, most_s",
    [
        (30.0, 30.0, 31.0),  # what the peer asks for, and the jitter of attempt 1 on top
        (0.0, 0.0, 1.0),
        (-5.0, 0.0, 1.0),
        (1e9, 3600.0, 3601.0),  # bounded
    ],
)
def test_the_peers_wish_is_honoured_within_bounds(asked_s: float, least_s: float, most_s: float) -> None:
    for seed in range(50):
        decision = retry.decide(Outcome.TRANSIENT, attempt=1, rng=random.Random(seed), policy=POLICY, retry_after_s=asked_s)
        assert decision.delay_s is not None
        assert least_s <= decision.delay_s <= most_s


@pytest.mark.parametrize(
    "header, seconds",
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("999999999999", 3600.0),
        ("9" * 100_000, 3600.0),  # no slow int()
        ("-1", None),
        ("1.5", None),
        ("٣", None),  # digits of another script
        ("soon", None),
        ("", None),
        # the three date forms of RFC 9110, section 5.6.7
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30.0),
        ("Sat Nov 21 12:00:30 2026", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),  # past
        ("Sun, 21 Nov 2027 12:00:00 GMT", 3600.0),  # far
        ("Sat, 99 Nov 2026 12:00:30 GMT", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert retry.retry_after(header, now=NOW) == seconds


PASSING = [
    # error, whether the database may answer again by itself
    (ConnectionRefusedError(), True),
    (FileNotFoundError(), True),  # the socket of a server that is being started again
    (TimeoutError(), True),
    (asyncpg.CannotConnectNowError("the database system is starting up"), True),
    (asyncpg.AdminShutdownError("terminating connection"), True),
    (asyncpg.ConnectionDoesNotExistError("connection was closed"), True),
    (asyncpg.TooManyConnectionsError("sorry"), True),
    (asyncpg.DeadlockDetectedError("deadlock"), True),
    (asyncpg.InterfaceError("connection is closed"), True),
    (asyncpg.InternalClientError("cannot switch to state 15"), True),  # seen of a connection that was just cut
    (db.DatabaseUnavailable(), True),
    (asyncpg.DataError("invalid input for query argument $1"), False),  # an InterfaceError and a ValueError: our defect
    (asyncpg.UndefinedTableError("relation does not exist"), False),
    (asyncpg.InsufficientPrivilegeError("permission denied"), False),
    (KeyError("x"), False),
]


@pytest.mark.parametrize("error,passes", PASSING)
def test_only_what_passes_by_itself_is_waited_out(error: Exception, passes: bool) -> None:
    assert retry.is_passing(error) is passes
