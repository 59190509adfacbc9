"""Fixtures that several kinds of tests share: a real PostgreSQL, a migrated database for each worker, organizations.

The server is the embedded one (or the programs in CARBONLEDGER_TEST_PG_BIN, or the server of CARBONLEDGER_TEST_DATABASE_URL, a
superuser's address). A template is migrated once per state of the migrations; each worker clones it. Tests keep apart by making
their own organizations, which row-level security then holds apart; a test that needs a database of its own takes ``fresh_database``.

What tests write lies in memory where there is enough of it, unless TMPDIR says where: a database is a thousand small files.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import getpass
import hashlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import hypothesis
import psutil
import pytest

from carbonledger.infra import clock, db, health, migrations, notify, postgres
from carbonledger.kernel import ids
from tests import until

ROOT = Path(__file__).parents[1]

# Property tests are judged by what they find, never by how long a busy machine takes for one example. On CI they take the same examples
# each time, so that its verdict is on the commit; new ones are taken everywhere else, and by the hour by `dev.py soak properties`.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=bool(os.environ.get("CARBONLEDGER_CI")))
hypothesis.settings.load_profile("tests")


def seed() -> int:
    """Return where a test's own random data begin: anywhere, and on CI always the same, for the same reason."""
    return 20261126 if os.environ.get("CARBONLEDGER_CI") else secrets.randbelow(2**32)


MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
MEMORY_MIN_BYTES = 6 << 30  # a whole run writes under 2 GB, and the programs that it starts want as much


# Nor is anybody sent away because a busy machine keeps him waiting for a connection, a lock or an answer; whoever tests that sets it short.
db.ACQUIRE_TIMEOUT_S = health.CHECK_TIMEOUT_S = notify._PING_TIMEOUT_S = until.DEADLINE_S
db.STATEMENT_TIMEOUT_MS = int(1_000 * until.DEADLINE_S)


def pytest_configure() -> None:
    """Settle what every process of the run inherits: where temporary files go, and that Ctrl-C is heard."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's shell starts what it puts in the background deaf to it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" not in os.environ and _has_memory():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # asks again


def _has_memory() -> bool:
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        return False
    place = os.statvfs(MEMORY)
    free = min(place.f_bavail * place.f_frsize, psutil.virtual_memory().available)
    return free >= MEMORY_MIN_BYTES and not place.f_flag & os.ST_NOEXEC  # tests make programs, too


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for garbage once, not fifteen times, while a million objects are made that stay, and not among them later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


LONG = tuple(ROOT / "tests" / name for name in ("journeys", "browser"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--one-case", action="append", default=[], metavar="FOLDER", help="of each test in this folder run one case alone")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark what the choice of the server matters to before ``-m`` selects; once all are shuffled, put what takes long first."""
    _keep_one_case(config, items)
    for item in items:
        if isinstance(item, pytest.Function) and "server" in item.fixturenames:
            item.add_marker("database")
    yield
    items.sort(key=lambda item: not any(item.path.is_relative_to(place) for place in LONG))  # lest one core wait for the last of it


def _keep_one_case(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave of each test in the folders of ``--one-case`` its first case as written, the same one each time."""
    folders = [config.rootpath / folder for folder in config.getoption("one_case")]
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    seen: set[tuple[Path, str]] = set()
    for item in items:
        test = (item.path, item.originalname if isinstance(item, pytest.Function) else item.name)
        is_other = test in seen and any(item.path.is_relative_to(folder) for folder in folders)
        (others if is_other else kept).append(item)
        seen.add(test)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose component is missing; on CI, where every component is installed, fail instead."""
    for marker in item.iter_markers("requires"):
        for component in marker.args:
            if shutil.which(component) is None:
                if os.environ.get("CARBONLEDGER_CI"):
                    pytest.fail(f"{component} is not installed, and CI installs it")
                pytest.skip(f"needs {component}")  # the marker's one meaning


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL, reached as its superuser, the owner or the application."""

    superuser: str
    password: str

    def dsn(self, role: str, database: str) -> str:
        """Return the address of ``database`` for ``superuser``, ``owner`` or ``app``."""
        if role == "superuser":
            return _with(self.superuser, database=database)
        return _with(self.superuser, database=database, user=f"carbonledger_{role}", password=self.password)


def _with(dsn: str, *, database: str, user: str | None = None, password: str | None = None) -> str:
    scheme, rest = dsn.split("://", 1)
    authority, _, tail = rest.partition("/")
    _, _, query = tail.partition("?")
    if user is not None:
        authority = f"{user}:{password}@{authority.rpartition('@')[2]}"
    return f"{scheme}://{authority}/{database}" + (f"?{query}" if query else "")


async def _run(dsn: str, *statements: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


_ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'carbonledger_owner') THEN CREATE ROLE carbonledger_owner; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'carbonledger_app') THEN CREATE ROLE carbonledger_app; END IF;
END $$
"""
_TEST_PASSWORD = "for-tests-only"


def base() -> Path:
    """Return the folder for what all runs of the tests of this checkout share."""
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"carbonledger-test-{getpass.getuser()}-{name}"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process in at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a running PostgreSQL that all workers share, with the roles that the migrations expect."""
    shared = base()
    with contextlib.ExitStack() as stack:
        url = os.environ.get("CARBONLEDGER_TEST_DATABASE_URL")
        if not url:
            binaries = os.environ.get("CARBONLEDGER_TEST_PG_BIN")
            data_dir = shared / (hashlib.sha256(binaries.encode()).hexdigest()[:8] if binaries else "postgres")
            shared.mkdir(mode=0o711, parents=True, exist_ok=True)
            lease = stack.enter_context(
                postgres.ensure(
                    postgres.ClusterOptions(
                        data_dir=data_dir,
                        binaries=Path(binaries) if binaries else None,
                        # Little memory: every database that is made or dropped is looked for in all of it.
                        settings={"fsync": "off", "max_connections": "300", "max_wal_size": "256MB", "shared_buffers": "128MB"},
                    )
                )
            )
            url = lease.dsn(role="superuser", database="postgres")
        with locked(shared / "roles.lock"):
            login = f"LOGIN PASSWORD '{_TEST_PASSWORD}'"
            asyncio.run(
                _run(
                    url,
                    _ROLES,
                    f"ALTER ROLE carbonledger_owner CREATEROLE CREATEDB INHERIT {login}",
                    f"ALTER ROLE carbonledger_app {login}",
                )
            )
        running = Server(superuser=url, password=_TEST_PASSWORD)
        # Before any test: whoever migrates the server's first database makes its roles, and only their maker may grant them later.
        with locked(shared / "template.lock"):
            asyncio.run(_make_template(running, _template_name()))
        yield running


def _template_name() -> str:
    sources = [*sorted((ROOT / "migrations").rglob("*.py")), ROOT / "src/carbonledger/infra/ddl.py"]
    return f"template_{hashlib.sha256(b''.join(source.read_bytes() for source in sources)).hexdigest()[:12]}"


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """Return the name of a database migrated to the head, made once for this state of the migrations."""
    return _template_name()


async def _make_template(server: Server, name: str) -> None:
    conn = await asyncpg.connect(server.superuser)
    try:
        if await conn.fetchval("SELECT datistemplate FROM pg_database WHERE datname = $1", name):
            return
        await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await conn.execute(f"CREATE DATABASE {name} OWNER carbonledger_owner")
        await migrations.upgrade(server.dsn("owner", name))
        await conn.execute(f"ALTER DATABASE {name} IS_TEMPLATE true")
    finally:
        await conn.close()


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """A migrated database: the addresses of the roles that reach it."""

    __test__ = False

    name: str
    owner: str
    app: str
    superuser: str


@contextlib.asynccontextmanager
async def _clone(server: Server, template: str) -> AsyncIterator[TestDatabase]:
    name = f"test_{uuid4().hex[:12]}"
    await _run(server.superuser, f"CREATE DATABASE {name} TEMPLATE {template} OWNER carbonledger_owner STRATEGY FILE_COPY")
    try:
        yield TestDatabase(
            name=name,
            owner=server.dsn("owner", name),
            app=server.dsn("app", name),
            superuser=server.dsn("superuser", name),
        )
    finally:
        await _run(server.superuser, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def worker_database(server: Server, template: str) -> Iterator[TestDatabase]:
    """Return this worker's database; its tests share it and keep apart by organization."""
    with asyncio.Runner() as runner:
        cloning = _clone(server, template)
        cloned = runner.run(cloning.__aenter__())
        try:
            yield cloned
        finally:
            runner.run(cloning.__aexit__(None, None, None))


@pytest.fixture
async def fresh_database(server: Server, template: str) -> AsyncIterator[TestDatabase]:
    """Return a migrated database that only this test uses."""
    async with _clone(server, template) as cloned:
        yield cloned


@pytest.fixture
async def database(worker_database: TestDatabase) -> AsyncIterator[db.Database]:
    """Return the worker's database as the service sees it: through the application's role."""
    opened = await db.connect(worker_database.app, size=8, application="test")
    try:
        yield opened
    finally:
        await opened.close()


async def waits_for_a_lock(database: db.Database) -> bool:
    """Whether somebody waits for a lock in the database."""
    query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    async with database.transaction() as uow:
        return bool(await uow.conn.fetchval(query))


async def make_organization(database: db.Database, *, name: str = "Test", sandbox: bool = False) -> UUID:
    """Insert an organization as its own tenant and return its id."""
    now = clock.now()
    organization_id = ids.new_id(now)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute(
            "INSERT INTO organizations (id, name, is_sandbox, clock_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)",
            organization_id,
            name,
            sandbox,
            now if sandbox else None,
            now,
        )
    return organization_id


@pytest.fixture
async def organization_id(database: db.Database) -> UUID:
    """Return a new organization."""
    return await make_organization(database)
