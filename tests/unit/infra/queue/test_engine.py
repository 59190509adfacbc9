"""What a worker waits out, and what ends it."""

from __future__ import annotations

import asyncpg
import pytest

from carbonledger.infra import db
from carbonledger.infra.queue import engine

CASES = [
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


@pytest.mark.parametrize("error,passes", CASES)
def test_only_what_passes_by_itself_is_waited_out(error: Exception, passes: bool) -> None:
    assert engine.is_passing(error) is passes
