"""A database that goes away while a command or a process runs is a fault of its own kind, whichever connection it was that broke."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from carbonledger.infra import db, retry


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise ``DatabaseUnavailable`` where the block ends because the database went away."""
    try:
        yield
    except db.CUT as error:
        if not retry.is_passing(error):
            raise
        raise db.DatabaseUnavailable(f"The database went away ({type(error).__name__}). Try again in a few seconds.") from error
