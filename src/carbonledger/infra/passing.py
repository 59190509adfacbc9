"""A database that goes away while something runs is a fault of its own kind, whichever connection it was that broke.

Owns: that fault for what the driver says, and for what SQLAlchemy and Alembic, which wrap the driver or connect by themselves, say of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import exc

from carbonledger.infra import db, retry


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise ``DatabaseUnavailable`` where the block ends because the database went away; other failures stay what they are."""
    try:
        yield
    except db.CUT as error:
        if not retry.is_passing(error):
            raise
        raise _away(error) from error


@contextlib.contextmanager
def told_under_alembic() -> Iterator[None]:
    """The same for a block that leaves connecting to Alembic."""
    with told():
        try:
            yield
        except exc.DBAPIError as error:
            cause = error.orig.__cause__ if error.orig is not None else None  # the driver's own error
            if not error.connection_invalidated and not (isinstance(cause, Exception) and retry.is_passing(cause)):
                raise
            raise _away(cause or error) from error
        except FileNotFoundError as error:  # a Unix socket that is missing is a file that is not found
            raise _away(error) from error


def _away(error: BaseException) -> db.DatabaseUnavailable:
    return db.DatabaseUnavailable(f"The database went away ({type(error).__name__}). Try again in a few seconds.")
