"""PostgreSQL's own programs that a dump is made and restored with.

Owns: finding ones that suit a server, and running them without showing a password to other users of the machine. ``pg_dump`` must be at
least as new as the server; the embedded server brings its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from carbonledger.infra.postgres import programs
from carbonledger.kernel import errors

NEEDED = ("pg_dump", "pg_restore", "psql")
_DEBIAN = Path("/usr/lib/postgresql")
_LAST_LINES = 6
_VERSION_TIMEOUT_S = 60  # takes milliseconds; only a program that hangs takes so long


class ProgramsUnsuitable(errors.Unavailable):
    """There are no PostgreSQL programs that suit the server."""

    code = "postgres_programs_unsuitable"


class ProgramFailed(errors.Unavailable):
    """A PostgreSQL program failed."""

    code = "postgres_program_failed"


@dataclass(frozen=True, slots=True)
class Toolbox:
    """A folder that holds the needed programs, and their major version."""

    bin_dir: Path
    major: int


def suiting(server_major: int, *, asked: Path | None) -> Toolbox:
    """Return the oldest programs that are at least as new as the server: those asked for, the system's, or the bundled ones."""
    places = [asked] if asked is not None else [*_system(), *(one.bin_dir for one in programs.bundled())]
    found = [box for place in places if (box := _toolbox(place)) is not None]
    fitting = sorted((box for box in found if box.major >= server_major), key=lambda box: box.major)
    if fitting:
        return fitting[0]
    there = ", ".join(f"PostgreSQL {box.major} in {box.bin_dir}" for box in found) or "none"
    raise ProgramsUnsuitable(
        f"The server is PostgreSQL {server_major} and needs {', '.join(NEEDED)} at least as new (found: {there}); install "
        f"the client programs of PostgreSQL {server_major} and name their folder in CARBONLEDGER_POSTGRES_BIN."
    )


def _system() -> list[Path]:
    on_path = shutil.which("pg_dump")
    installed = sorted(_DEBIAN.glob("*/bin")) if _DEBIAN.is_dir() else []
    return [*installed, *([Path(on_path).parent] if on_path else [])]


def _toolbox(bin_dir: Path) -> Toolbox | None:
    if not all((bin_dir / name).is_file() for name in NEEDED):
        return None
    try:
        asked = subprocess.run(
            [bin_dir / "pg_dump", "--version"], capture_output=True, text=True, check=True, timeout=_VERSION_TIMEOUT_S, env=_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return None  # can't be run here: another place may suit
    number = re.search(r"\(PostgreSQL\) (\d+)", asked.stdout)
    return Toolbox(bin_dir, int(number[1])) if number else None


def split_password(dsn: str) -> tuple[str, dict[str, str]]:
    """Return the address without its password, and the environment that carries it: arguments are seen by every user of a machine."""
    parts = urllib.parse.urlsplit(dsn)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    bare = urllib.parse.urlunsplit(parts._replace(netloc=f"{name}@{host}" if user else host))
    return bare, {**_environment(), **({"PGPASSWORD": urllib.parse.unquote(password)} if password else {})}


def _environment() -> dict[str, str]:
    """Return the environment of the programs: no ``PG…`` variable of the caller's shell changes what a dump holds."""
    return {**programs.environment(), "PGAPPNAME": "carbonledger-cli", "PGCONNECT_TIMEOUT": "10"}


class Running:
    """A program that runs. Made by ``running``."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
        self.process = process
        self._complaints = complaints

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None  # noqa: S101 - asked for in running
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 - asked for in running
        return self.process.stdout

    def finish(self) -> None:
        """Wait for the end. Raises ``ProgramFailed`` with the program's last words."""
        with contextlib.suppress(BrokenPipeError):  # it ended before it read everything: its exit code says why
            self.stdin.close()
        if self.process.wait() != 0:
            raise self.failed()

    def failed(self) -> ProgramFailed:
        """Return the fault that repeats the program's last words."""
        self.process.wait()
        self._complaints.seek(0)
        words = [line for line in self._complaints.read().decode("utf-8", "replace").splitlines() if line.strip()][-_LAST_LINES:]
        name = Path(str(self.process.args[0] if isinstance(self.process.args, list) else self.process.args)).name
        return ProgramFailed(f"{name} failed: " + ("\n  ".join(words) or f"exit code {self.process.returncode}"))


@contextlib.contextmanager
def running(argv: Sequence[str | os.PathLike[str]], *, environ: dict[str, str]) -> Iterator[Running]:
    """Run a program with pipes to its input and output; it ends with the block."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environ)
        try:
            yield Running(process, complaints)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):  # what it did not read is lost with it
                    pipe.close()  # type: ignore[union-attr]  # asked for above
