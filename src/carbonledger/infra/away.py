"""A database that goes away under what speaks to it without the unit of work: migrations, and connections of their own.

Owns: one fault for all the ways in which that shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import asyncpg
from sqlalchemy import exc

from carbonledger.infra import db, retry

# What asyncpg raises of a connection that ends or can't be made; a Unix socket that is missing is a file that is not found.
_CUT = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    FileNotFoundError,
    TimeoutError,
)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise ``DatabaseUnavailable`` where the block fails because the database is away now; other failures stay what they are."""
    try:
        yield
    except exc.DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None  # the driver's own error, which the dialect wraps
        if not error.connection_invalidated and not (isinstance(cause, Exception) and retry.is_passing(cause)):
            raise
        raise _away(cause or error) from error
    except _CUT as error:
        if not retry.is_passing(error):
            raise
        raise _away(error) from error


def _away(error: BaseException) -> db.DatabaseUnavailable:
    return db.DatabaseUnavailable(f"The database went away ({type(error).__name__}: {error}). Try again in a few seconds.")
