"""A database that goes away under SQLAlchemy and Alembic, which wrap what the driver says or connect by themselves.

Owns: one fault for all the ways in which that shows there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import exc

from carbonledger.infra import db, retry


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise ``DatabaseUnavailable`` where the block fails because the database is away now; other failures stay what they are."""
    try:
        yield
    except exc.DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None  # the driver's own error
        if not error.connection_invalidated and not (isinstance(cause, Exception) and retry.is_passing(cause)):
            raise
        raise _away(cause or error) from error
    except (*db.CUT, FileNotFoundError) as error:  # a Unix socket that is missing is a file that is not found
        if not retry.is_passing(error):
            raise
        raise _away(error) from error


def _away(error: BaseException) -> db.DatabaseUnavailable:
    return db.DatabaseUnavailable(f"The database went away ({type(error).__name__}). Try again in a few seconds.")
