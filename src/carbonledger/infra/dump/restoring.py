"""Puts a dump back: everything or nothing, in one transaction, and compared with the manifest before it is committed.

Owns: the refusals (keys, revision, damage, a target in use or not empty) and the order::

    judged (nothing touched yet) ─> roles made ─> BEGIN ─> old schema dropped ─> dump replayed ─> functions given to their owners
    ─> rows and protection compared ─> COMMIT ─> migrated to this version
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from carbonledger.infra import ddl, migrations, server
from carbonledger.infra.dump import archive, contents, programs
from carbonledger.kernel import errors

_MAJOR = 10_000  # server_version_num is major * 10000 + minor
_HEAD_LINES = 64  # pg_restore sets its session within these
_SINCE_17 = b"SET transaction_timeout = 0;\n"
_LOCK_TIMEOUT = "10s"


class KeysMissing(errors.Unavailable):
    """The dump holds secrets that this installation's vault keys can't open."""

    code = "dump_keys_missing"


class DumpTooNew(errors.Invalid):
    """The dump was made by a newer version of Carbon Ledger."""

    code = "dump_too_new"


class TargetNotEmpty(errors.Conflict):
    """The database holds data."""

    code = "restore_target_not_empty"


class InUse(errors.Conflict):
    """The database is in use."""

    code = "restore_target_in_use"


class RestoreDiffers(errors.Fault):
    """What was restored is not what was dumped; nothing was changed."""

    kind = errors.Kind.UNAVAILABLE
    code = "restore_differs"


async def restore(
    path: Path, *, owner: str, keys: tuple[str, ...], keys_place: str, programs_dir: Path | None, force: bool
) -> archive.Manifest:
    """Replace the database behind ``owner`` (the owner's address) by the dump at ``path``.

    ``keys`` are the fingerprints of the vault keys at hand, ``keys_place`` where more would be looked for. ``force`` gives up what the
    database holds now. Raises a fault for each reason not to, and then has changed nothing.
    """
    manifest = await asyncio.to_thread(_judge, path, keys, keys_place)
    async with server.connected(owner) as conn:
        await server.version(conn)
        major = int(await conn.fetchval("SHOW server_version_num")) // _MAJOR
        await _require_idle(conn)
    if not force:
        await _require_empty(owner)
    # pg_restore must be able to read what the dump's pg_dump wrote, too.
    box = programs.suiting(max(major, int(manifest.server.split(".")[0])), asked=programs_dir)
    await migrations.upgrade(owner)  # makes the roles that the dump's grants name
    await asyncio.to_thread(_replay, path, manifest, box, owner, major)
    await migrations.upgrade(owner)
    return manifest


def _judge(path: Path, keys: tuple[str, ...], keys_place: str) -> archive.Manifest:
    manifest = archive.read_manifest(path)
    if manifest.revision > migrations.head():
        raise DumpTooNew(
            f"{path} has schema {manifest.revision} of version {manifest.version}; this version knows up to {migrations.head()}. "
            "Restore it with that version or a newer one."
        )
    missing = sorted(set(manifest.keys) - set(keys))
    if missing:
        here = ", ".join(keys) or "none"
        raise KeysMissing(
            f"The secrets in {path} are sealed with the vault keys {', '.join(manifest.keys)}, of which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not here (here: {here}). Put the exported keys at {keys_place} and restore again."
        )
    archive.verify(path, manifest)
    return manifest


async def _require_idle(conn: server.Connection) -> None:
    rows = await conn.fetch(
        "SELECT DISTINCT application_name AS name FROM pg_catalog.pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name ~ '^carbonledger-' ORDER BY 1"
    )
    if rows:
        raise InUse(f"Connected to the database: {', '.join(row['name'] for row in rows)}. Stop every API, worker and command first.")


async def _require_empty(owner: str) -> None:
    async with server.connected(owner) as conn:
        if await conn.fetchval("SELECT to_regclass('public.organizations')") is None:
            return
    async with server.connected(owner, role=contents.ROLE) as conn:
        held = await conn.fetchval("SELECT count(*) FROM public.organizations")
    if held:
        raise TargetNotEmpty(f"The database holds {held} organizations, which a restore would replace; dump it first, then add --force.")


def _replay(path: Path, manifest: archive.Manifest, box: programs.Toolbox, owner: str, major: int) -> None:
    bare, environ = programs.split_password(owner)
    psql: list[str | Path] = [
        box.bin_dir / "psql",
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--set=ON_ERROR_STOP=1",
        f"--dbname={bare}",
    ]
    with programs.running(psql, environ=environ) as running:
        session = _Session(running)
        with _complaining(running):
            session.send(f"BEGIN; SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'; SET LOCAL client_min_messages = warning;")
            session.send("DROP SCHEMA public CASCADE;")
            with _script(path, box, environ) as script:
                _feed(script, running.stdin, drop_newer=major < 17)  # noqa: PLR2004 - the setting came with 17
            session.send("SET search_path = public; SET row_security = on;")  # pg_restore emptied the one and forbade the other
            session.send(f"GRANT CREATE ON SCHEMA public TO {ddl.LOOKUP};")  # a role may own only where it may create
            session.ask(contents.GIVE_FUNCTIONS, run_each=True)
            session.send(f"REVOKE CREATE ON SCHEMA public FROM {ddl.LOOKUP};")
            _compare(session, manifest)
            session.send("COMMIT;")  # house: allow commit - psql's own transaction: no unit of work can replace a schema
            session.ask("SELECT 1")
        running.finish()


class _Session:
    """psql, asked and answering."""

    def __init__(self, running: programs.Running) -> None:
        self._running = running

    def send(self, sql: str) -> None:
        self._running.stdin.write(sql.encode() + b"\n")

    def ask(self, sql: str, *, run_each: bool = False) -> list[str]:
        """Return the rows of a query, columns separated by ``|``; with ``run_each`` its rows are statements that are run in their turn."""
        before, after = secrets.token_hex(8), secrets.token_hex(8)
        end = r"\gexec" if run_each else ";"
        self.send(f"\\echo {before}\n{sql.strip()} {end}\n\\echo {after}")
        self._running.stdin.flush()
        answer = list(itertools.takewhile(lambda line: line != after, self._lines()))
        return answer[answer.index(before) + 1 :]

    def _lines(self) -> Iterator[str]:
        for line in self._running.stdout:
            yield line.decode().rstrip("\n")
        raise self._running.failed()  # it ended on an error, in the middle of an answer


@contextlib.contextmanager
def _complaining(running: programs.Running) -> Iterator[None]:
    """Let psql say why it ended when it stops reading."""
    try:
        yield
    except BrokenPipeError:
        raise running.failed() from None


@contextlib.contextmanager
def _script(path: Path, box: programs.Toolbox, environ: dict[str, str]) -> Iterator[IO[bytes]]:
    """Have ``pg_restore`` turn the dump into SQL. Raises ``ProgramFailed``."""
    argv: list[str | Path] = [box.bin_dir / "pg_restore", "--no-owner", "--file=-"]
    with programs.running(argv, environ=environ) as pg_restore, archive.reading(path) as source:
        failed: list[OSError] = []
        feeding = threading.Thread(target=_pour, args=(source, pg_restore.stdin, failed), name="pg_restore input")
        feeding.start()
        try:
            yield pg_restore.stdout
        finally:
            if pg_restore.process.poll() is None and feeding.is_alive():
                pg_restore.process.kill()
            feeding.join()
        if failed:
            raise failed[0]
        pg_restore.finish()


def _pour(source: IO[bytes], target: IO[bytes], failed: list[OSError]) -> None:
    """Copy, and close the target whatever happens, for its reader would wait for more; what could not be read goes to ``failed``."""
    try:
        with contextlib.suppress(BrokenPipeError), target:  # the reader's exit code says why
            shutil.copyfileobj(source, target)
    except OSError as error:
        failed.append(error)


def _feed(script: IO[bytes], target: IO[bytes], *, drop_newer: bool) -> None:
    for line in itertools.islice(script, _HEAD_LINES):
        # A newer pg_restore sets what an older server does not know, and the first error ends the restore.
        if not (drop_newer and line == _SINCE_17):
            target.write(line)
    shutil.copyfileobj(script, target)


def _compare(session: _Session, manifest: archive.Manifest) -> None:
    session.send(f"SET LOCAL ROLE {contents.ROLE};")
    counts = session.ask(contents.COUNTS, run_each=True)
    session.send("RESET ROLE;")
    rows = {name: int(count) for name, _, count in (line.partition("|") for line in counts)}
    for table in sorted(rows.keys() | manifest.tables.keys()):
        if rows.get(table) != manifest.tables.get(table):
            was, now = manifest.tables.get(table, "no"), rows.get(table, "no")
            raise RestoreDiffers(f"The table {table} had {was} rows and would now have {now}; nothing was changed.")
    differing = sorted(set(session.ask(contents.PROTECTION)).symmetric_difference(manifest.protection))
    if differing:
        raise RestoreDiffers(f"The protection of the rows differs in {len(differing)} places, first: {differing[0]}; nothing was changed.")
