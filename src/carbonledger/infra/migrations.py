"""Brings a database to the schema of this version.

Migrations are plain SQL in ``migrations/versions``, run by Alembic as the owner, each in a transaction of its own with a short lock
timeout, so that a migration that would block the service fails fast instead. Two processes that migrate at once take turns.
"""

from __future__ import annotations

import asyncio
import importlib.resources
from pathlib import Path

import asyncpg
from alembic import command, script
from alembic.config import Config
from sqlalchemy import exc

from carbonledger.infra import server, turn
from carbonledger.kernel import errors

LOCK_TIMEOUT_MS = 5_000  # longer, and requests that wait behind the migration's lock pile up
_TURN_S = 600.0
_ADVISORY_LOCK = 0x0CA8_B0D1_ED6E_0001  # any constant of our own


class MigrationPending(errors.Unavailable):
    """The database has not been migrated to this version."""

    code = "migration_pending"


class MigrationBlocked(errors.Unavailable):
    """Something else uses the tables that a migration changes."""

    code = "migration_blocked"


class SchemaFromTheFuture(errors.Unavailable):
    """The database was migrated by a newer version of Carbon Ledger."""

    code = "schema_newer"


def _folder() -> Path:
    installed = Path(str(importlib.resources.files("carbonledger"))) / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "migrations"


def _config(dsn: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.attributes["dsn"] = dsn
    return config


def head() -> str:
    """Return the revision this version of the code needs."""
    revision = script.ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise MigrationPending("The package holds no migrations; it was not built whole.")
    return revision


async def current(dsn: str) -> str | None:
    """Return the revision the database is at, or None before the first migration. Raises ``ServerUnreachable`` or ``ServerRefused``."""
    async with server.connected(dsn) as conn:
        return await _revision(conn)


async def _revision(conn: asyncpg.Connection[asyncpg.Record]) -> str | None:
    if await conn.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    revision: str | None = await conn.fetchval("SELECT version_num FROM public.alembic_version")
    return revision


async def upgrade(dsn: str, *, revision: str = "head") -> str:
    """Migrate the database behind ``dsn`` (the owner's) and return the revision it is at. Safe to call at every start, by many at once.

    Raises ``SchemaFromTheFuture`` when the database is ahead of this code, and ``MigrationBlocked`` when a lock does not come in
    ``LOCK_TIMEOUT_MS``; what the migrations before that one did stays.
    """
    async with server.connected(dsn) as conn:  # closing the session releases the lock
        if not await turn.came(conn, _ADVISORY_LOCK, patience_s=_TURN_S):
            waited = f"Another migration has been going on for {_TURN_S / 60:g} minutes."
            raise MigrationBlocked(f"{waited} End its session in pg_stat_activity if nobody waits for it.")
        at = await _revision(conn)
        if at is not None and not _known(at):
            raise SchemaFromTheFuture(f"It is at revision {at}, which this version does not know. Install the newer version again.")
        # Alembic runs an event loop of its own, so it gets a thread of its own.
        try:
            await asyncio.to_thread(command.upgrade, _config(dsn), revision)
        except exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != asyncpg.LockNotAvailableError.sqlstate:
                raise
            raise MigrationBlocked(await _blocked(conn)) from error
        return await _revision(conn) or ""


async def _blocked(conn: asyncpg.Connection[asyncpg.Record]) -> str:
    waited_s = LOCK_TIMEOUT_MS / 1000
    return (
        f"It is at revision {await _revision(conn)}; the next change waited {waited_s:g} s for a lock. "
        "Nothing is half done: migrate again when less is going on, or end the long transactions in pg_stat_activity first."
    )


def _known(revision: str) -> bool:
    directory = script.ScriptDirectory.from_config(_config())
    return any(known.revision == revision for known in directory.walk_revisions())


async def require_current(dsn: str) -> None:
    """Raise ``MigrationPending`` or ``SchemaFromTheFuture`` unless the database is at this version's revision."""
    at = await current(dsn)
    if at == head():
        return
    if at is not None and not _known(at):
        raise SchemaFromTheFuture(f"It is at revision {at}, which this version does not know. Install the newer version again.")
    raise MigrationPending(f"It is at {at or 'nothing'}, this version needs {head()}. Run: carbonledger migrate")
