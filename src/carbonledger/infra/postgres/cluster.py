"""The data on disk: made once, whole or not at all, and kept in step with the passwords.

Owns: initdb, our roles and database, and the checks before a server runs on the data. A cluster is made under another name in
the same folder and renamed when it is whole, so that a start that is killed half-way leaves nothing but rubbish to remove.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from carbonledger.infra.postgres import faults, passwords, processes, programs
from carbonledger.infra.postgres import folder as folders

_STAGING = "data.new-"
_APPLIED = "passwords.applied"
_TAIL_LINES = 8

# Read by single-user PostgreSQL, where a statement ends at a semicolon before an empty line. Only verifiers take the place of a
# ":name" here. DETAIL lines quote rows, which may hold personal data, so the log leaves them out for our roles.
_ROLES = """
ALTER ROLE postgres PASSWORD :superuser;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'carbonledger_owner') THEN CREATE ROLE carbonledger_owner; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'carbonledger_app') THEN CREATE ROLE carbonledger_app; END IF;
END
$$;

ALTER ROLE carbonledger_owner LOGIN NOSUPERUSER CREATEROLE CREATEDB NOREPLICATION NOBYPASSRLS PASSWORD :owner;

ALTER ROLE carbonledger_app LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD :app;

ALTER ROLE carbonledger_owner SET log_error_verbosity = 'terse';

ALTER ROLE carbonledger_app SET log_error_verbosity = 'terse';

"""
_DATABASE = """
CREATE DATABASE carbonledger OWNER carbonledger_owner;

"""


class Run(Protocol):
    """Runs a PostgreSQL program to its end and returns its exit code and output; ends it early if the supervisor must leave."""

    def __call__(self, argv: Sequence[str | Path], *, cwd: Path, text: str | None = None) -> tuple[int, str]: ...


def prepare(
    folder: folders.Folder, found: programs.Programs, words: passwords.Passwords, run: Run, *, known: Sequence[programs.Programs] = ()
) -> None:
    """Make the cluster unless it is there, or check it. Called while no process of the server is alive.

    ``known`` are other programs on this machine, named to whoever needs another major.
    """
    for leftover in folder.server.glob(_STAGING + "*"):
        shutil.rmtree(leftover)
    if not folder.data.exists():
        _make(folder, found, words, run)
    _check(folder, found, known)
    clear_stale(folder)
    # Passwords that were lost are made anew; what the server knows follows.
    if not _applied(folder.data, words):
        _apply(folder, folder.data, found, words, run, fresh=False)


def _check(folder: folders.Folder, found: programs.Programs, known: Sequence[programs.Programs]) -> None:
    version_file = folder.data / "PG_VERSION"
    try:
        made_by = version_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        detail = (
            f"{folder.data} is not a PostgreSQL data folder (PG_VERSION is missing); restore it from a backup, or move {folder.root} away."
        )
        raise faults.FolderForeign(detail) from None
    if made_by == str(found.major):
        return
    same = [f"in {one.bin_dir} " for one in known if str(one.major) == made_by]
    detail = (
        f"The data in {folder.root} was made by PostgreSQL {made_by} and the programs are {found.version}; name the programs of "
        f"PostgreSQL {made_by} {''.join(same[:1])}(CARBONLEDGER_POSTGRES_BIN), or dump with those and restore into a new folder."
    )
    raise faults.WrongMajor(detail)


def clear_stale(folder: folders.Folder) -> None:
    """Remove the pid file of a killed postmaster, which could name any process by now and then forbids the start."""
    foreign = processes.foreign_postmaster(folder.data)
    if foreign is not None:
        detail = f"Another PostgreSQL server (process {foreign}), not started by Carbon Ledger, runs on {folder.data}; stop it first."
        raise faults.InUse(detail)
    (folder.data / "postmaster.pid").unlink(missing_ok=True)


def _make(folder: folders.Folder, found: programs.Programs, words: passwords.Passwords, run: Run) -> None:
    staging = folder.server / (_STAGING + secrets.token_hex(4))
    throwaway = folder.server / "initdb.password"
    # initdb insists on a password in a file; ``_apply`` sets the real one, which so is never written here.
    throwaway.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    argv: list[str | Path] = [
        found.bin_dir / "initdb",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--no-instructions",
        f"--pwfile={throwaway}",
        "-D",
        staging,
    ]
    try:
        code, output = run(argv, cwd=folder.server)
        if code != 0:
            raise _failed("initdb could not make the database", folder, output)
        _apply(folder, staging, found, words, run, fresh=True)
        staging.rename(folder.data)
        _sync(folder.server)
    finally:
        throwaway.unlink(missing_ok=True)
        if staging.exists():
            shutil.rmtree(staging, ignore_errors=True)  # else the next start removes it


def _apply(folder: folders.Folder, data: Path, found: programs.Programs, words: passwords.Passwords, run: Run, *, fresh: bool) -> None:
    stored: dict[str, str] = {role: passwords.verifier(words.of(role)) for role in passwords.LOGINS}
    # In one pass, since a verifier may look like a name.
    statements = re.sub(r" :(superuser|owner|app);", lambda found: f" '{stored[found[1]]}';", _ROLES + (_DATABASE if fresh else ""))
    quiet = ["-c", "log_min_error_statement=panic", "-c", "lc_messages=C", "-c", "log_checkpoints=off"]
    argv: list[str | Path] = [found.bin_dir / "postgres", "--single", "-j", "-D", data, *quiet, "postgres"]
    code, output = run(argv, cwd=data, text=statements)
    if code != 0 or "ERROR:" in output or "FATAL:" in output:
        raise _failed("PostgreSQL could not set up its roles", folder, output)
    (data / _APPLIED).write_text(words.fingerprint(), encoding="utf-8")


def _applied(data: Path, words: passwords.Passwords) -> bool:
    try:
        return (data / _APPLIED).read_text(encoding="utf-8") == words.fingerprint()
    except FileNotFoundError:
        return False


def _failed(what: str, folder: folders.Folder, output: str) -> faults.PostgresFault:
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return folders.disk_full(folder.root)
    return faults.StartFailed(f"{what} in {folder.root}; see its last words:\n{tail(output)}")


def tail(text: str) -> str:
    """Return the last lines that say something, for a person."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:])


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
