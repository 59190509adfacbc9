"""The unit of work: one request or job, one transaction, one connection (ADR 0003).

Owns the connection pool and the only BEGIN and COMMIT of the code base. Every transaction names its organization, and row-level
security shows it no other rows; without one there are no tenant rows at all. SQLAlchemy Core builds statements, asyncpg runs them,
on the same connection, so a statement and a raw query see the same transaction.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson

from carbonledger.infra import connections, ddl, statements
from carbonledger.kernel import errors

if TYPE_CHECKING:
    from sqlalchemy.sql.expression import Executable

    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

Observer = Callable[[str, float], None]
"""Told of each statement: its operation (select, insert, …) and its seconds."""

STATEMENT_TIMEOUT_MS = 30_000  # longer work belongs in a job that raises it for itself
PATIENCE_S = 600.0
"""What a statement of a job may take that waits for others who do the same work, such as batches of one bill run."""
_PATIENT = "SET LOCAL statement_timeout = '600s'"
IDLE_TIMEOUT_MS = 60_000  # a transaction that waits for something else holds locks for nothing
ACQUIRE_TIMEOUT_S = 10.0  # a full pool answers 503 while the caller still listens
STATEMENT_CHARS_MAX = 65_536  # asyncpg by itself has statements over 15 KiB read anew each time; sums of the ledger are longer
RETRY_AFTER_S = 2  # crash recovery of a small database takes about as long
# A server may also go, or be going, while a connection to it is being made: it hangs up (class 08), or says that it ends (class 57).
_NO_CONNECTION = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_AWAY = "The database does not answer. Try again in a few seconds."


class DatabaseUnavailable(errors.Unavailable):
    """The database can't be reached now."""

    code = "database_unavailable"


CUT = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError, TimeoutError)
"""What asyncpg may raise when its server goes away; not each of them says that it did (``retry.is_passing``)."""


class UnitOfWork:
    """One open transaction of one organization. Made by ``Database.transaction`` only; never commits itself."""

    __slots__ = ("_after_commit", "_observe", "conn", "organization_id", "remembered")

    def __init__(self, conn: Connection, organization_id: UUID | None, observe: Observer | None, remembered: dict[str, Any]) -> None:
        self.conn = conn
        self.organization_id = organization_id
        self.remembered = remembered
        """What services remember of this database, shared by all its transactions: each under a name of its own, filled after commits."""
        self._observe = observe
        self._after_commit: list[Callable[[], None]] = []

    async def fetch(self, statement: Executable | statements.Bound) -> list[asyncpg.Record]:
        """Run a statement and return its rows, in the statement's order."""
        sql, args = statements.compiled(statement)
        started = time.perf_counter()
        rows = await self.conn.fetch(sql, *args)
        self._seen(sql, started)
        return rows

    async def fetch_one(self, statement: Executable | statements.Bound) -> asyncpg.Record | None:
        """Run a statement and return its first row, or None."""
        sql, args = statements.compiled(statement)
        started = time.perf_counter()
        row = await self.conn.fetchrow(sql, *args)
        self._seen(sql, started)
        return row

    async def fetch_value(self, statement: Executable | statements.Bound) -> Any:  # noqa: ANN401 - the statement decides the type
        """Run a statement and return the first column of its first row, or None."""
        row = await self.fetch_one(statement)
        return None if row is None else row[0]

    async def execute(self, statement: Executable | statements.Bound) -> int:
        """Run a statement and return how many rows it touched."""
        sql, args = statements.compiled(statement)
        started = time.perf_counter()
        status = await self.conn.execute(sql, *args)
        self._seen(sql, started)
        return int(status.rsplit(" ", 1)[-1]) if status[-1].isdigit() else 0

    async def execute_many(self, statement: Executable, rows: Sequence[dict[str, Any]]) -> None:
        """Run one INSERT for many rows of the same columns, in one round trip."""
        if not rows:
            return
        sql, places = statements.compiled_for_many(statement)
        started = time.perf_counter()
        await self.conn.executemany(sql, [[row[name] for name in places] for row in rows])
        self._seen(sql, started)

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what the block did if it raises, and let the transaction go on."""
        await self.conn.execute("SAVEPOINT inner_work")
        before = len(self._after_commit)
        try:
            yield
        except BaseException:
            del self._after_commit[before:]  # what waited for a commit of the undone work
            # Undone and then released: of blocks inside each other, which share the name, the next one undone is the outer one.
            await self.conn.execute("ROLLBACK TO SAVEPOINT inner_work; RELEASE SAVEPOINT inner_work")
            raise
        await self.conn.execute("RELEASE SAVEPOINT inner_work")

    async def be_patient(self) -> None:
        """Let the statements of this transaction take ``PATIENCE_S``. Whoever waits with one gives asyncpg the same as its ``timeout``."""
        await self.conn.execute(_PATIENT)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call ``action`` once the transaction is committed; for caches and wake-ups, never for facts."""
        self._after_commit.append(action)

    def committed(self) -> None:
        """Run what waited for the commit. Called by ``Database`` alone."""
        for action in self._after_commit:
            action()

    def _seen(self, sql: str, started: float) -> None:
        if self._observe is not None:
            self._observe(sql[:6].rstrip().lower(), time.perf_counter() - started)


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: Pool, *, observe: Observer | None = None) -> None:
        self.pool = pool
        self.connections = connections.Connections(pool, wait_s=ACQUIRE_TIMEOUT_S, end=end_read)
        self.observe = observe
        self.remembered: dict[str, Any] = {}

    def transaction(self, organization_id: UUID | None = None, *, read_only: bool = False) -> Transaction:
        """Open a transaction for ``organization_id`` (None: no tenant rows); commit if the block ends, roll back if it raises.

        One that only reads has nothing to commit: it is ended by the next user of its connection, or a moment later.
        Raises ``DatabaseUnavailable`` when no connection is to be had, or when it is lost; at the COMMIT nobody knows if it took effect.
        """
        return Transaction(self, organization_id, read_only=read_only)

    async def acquire(self) -> Connection:
        """Take a connection, to be given back by ``release``. Raises ``DatabaseUnavailable``."""
        conn = await self.take()
        if conn.is_in_transaction():
            try:
                await conn.execute("COMMIT")
            except BaseException as error:
                await self.release(conn)
                if isinstance(error, _NO_CONNECTION):
                    raise DatabaseUnavailable(_AWAY, retry_after_s=RETRY_AFTER_S) from error
                raise
        return conn

    async def take(self) -> Connection:
        """The same, but the transaction of an earlier read may still be open on it, to be ended with the message that begins another."""
        try:
            return await self.connections.take()
        except _NO_CONNECTION as error:
            raise DatabaseUnavailable(_AWAY, retry_after_s=RETRY_AFTER_S) from error

    async def release(self, conn: Connection) -> None:
        """Give a connection back."""
        await self.connections.give(conn)

    async def ping(self) -> None:
        """Ask the database for a sign of life. Raises ``DatabaseUnavailable``."""
        conn = await self.acquire()
        try:
            await conn.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(_AWAY, retry_after_s=RETRY_AFTER_S) from error
        finally:
            await self.release(conn)

    async def close(self) -> None:
        """Close every connection, waiting for those in use."""
        await self.connections.close()


class _Ended:
    """The connection of a unit of work that has ended: of no use."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it has nothing
        raise RuntimeError(f"this unit of work has ended; {name} belongs inside its block")


_ENDED: Connection = _Ended()  # type: ignore[assignment]  # stands where the connection stood


class Transaction:
    """The block of one unit of work: ``async with database.transaction(…) as uow``. A class: a generator would cost every request more."""

    __slots__ = ("_begin", "_database", "_organization_id", "_read_only", "_uow")

    def __init__(self, database: Database, organization_id: UUID | None, *, read_only: bool) -> None:
        self._database = database
        self._organization_id = organization_id
        self._read_only = read_only
        self._begin = _begin(organization_id, read_only=read_only)

    async def __aenter__(self) -> UnitOfWork:
        conn = await self._database.take()
        self._uow = UnitOfWork(conn, self._organization_id, self._database.observe, self._database.remembered)
        try:
            await conn.execute(f"COMMIT; {self._begin}" if conn.is_in_transaction() else self._begin)
        except BaseException as error:
            await self._undo(error)
            raise
        return self._uow

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            await self._undo(error)
            return
        if self._read_only:
            await self._give_back()
        else:
            try:
                await self._uow.conn.execute("COMMIT")
            except BaseException as failure:
                await self._undo(failure)
                raise
            await self._release()
        self._uow.committed()

    async def _undo(self, error: BaseException) -> None:
        """Roll back, let the connection go, and raise ``DatabaseUnavailable`` if ``error`` is the connection's end."""
        conn = self._uow.conn
        try:
            await _roll_back(conn)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and not self._read_only:
                conn.terminate()  # of a standby, or of a primary that was one: the name leads to another server in a moment
            if isinstance(error, Exception) and _lost(conn, error):
                raise DatabaseUnavailable(_AWAY, retry_after_s=RETRY_AFTER_S) from error
        finally:
            await self._release()

    async def _release(self) -> None:
        conn = self._uow.conn
        if not connections.is_gone(conn) and conn.is_in_transaction():
            # The rollback was cut off too. In the pool this connection would carry its tenant into the next transaction.
            conn.terminate()
        await self._give_back()

    async def _give_back(self) -> None:
        conn = self._uow.conn
        self._uow.conn = _ENDED  # what outlives the block must not speak in the transaction of the connection's next user
        await self._database.release(conn)


def _begin(organization_id: UUID | None, *, read_only: bool) -> str:
    """Return the statements that open a transaction; one round trip, and the id is a UUID, so it can't carry SQL."""
    begin = "BEGIN READ ONLY" if read_only else "BEGIN"
    if organization_id is None:
        return begin
    return f"{begin}; SET LOCAL {ddl.TENANT_SETTING} = '{organization_id}'"


async def end_read(conn: Connection) -> None:
    """End a transaction that has only read. A connection that breaks in doing so is found gone by whoever looks next."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        await conn.execute("COMMIT")


async def _roll_back(conn: Connection) -> None:
    # A connection that was lost has nothing to roll back; the error that is on its way says so.
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        await conn.execute("ROLLBACK")


def _lost(conn: Connection, error: Exception) -> bool:
    """Say whether ``error`` is the end of the connection rather than an answer of the database or a defect of ours."""
    if isinstance(error, asyncpg.InternalClientError) and not connections.is_gone(conn):
        conn.terminate()  # the server ended in the middle of a statement, and asyncpg no longer knows where it stood
    return connections.is_gone(conn) and isinstance(
        error, (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
    )


async def prepare_connection(conn: Connection) -> None:
    """Teach a new connection our types: jsonb as Python objects."""
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=orjson.loads, format="text")


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


async def _keep_session(_: object) -> None:
    """Replace asyncpg's reset: every setting is local to its transaction, so there is nothing to reset and a round trip to save."""


async def connect(dsn: str, *, size: int, application: str, role: str | None = None, observe: Observer | None = None) -> Database:
    """Open the pool. ``role`` is entered at log-in where the login itself is the owner. Raises ``DatabaseUnavailable``."""
    session = {
        "application_name": application,
        "timezone": "UTC",
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_TIMEOUT_MS),
        "search_path": "public",
        "jit": "off",  # compiling the many expressions of an answer takes many times longer than running them
    }
    if role is not None:
        session["role"] = role
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            init=prepare_connection,
            reset=_keep_session,
            server_settings=session,
            max_cacheable_statement_size=STATEMENT_CHARS_MAX,
            timeout=10,
            command_timeout=60,
        )
    except (*CUT, OSError) as error:
        if isinstance(error, ValueError):  # an address that is none, which does not pass
            raise
        raise DatabaseUnavailable(f"The database can't be opened: {type(error).__name__}.") from error
    return Database(pool, observe=observe)
