"""A real installation for tests: ``carbonledger up`` in a process of its own, on a port that the kernel picks and a new data folder.

The folder's name has a space, and the folder is reachable by the user that root's database runs as. With ``user`` the command runs as that
ordinary user, through ``setpriv``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from tests import embedded, until, warm
from tests import prepared as prepare

ROOT = Path(__file__).parents[1]
COMMAND = ("-P", "-m", "carbonledger.entrypoints.cli.main")
READY = "Ctrl-C stops everything."
START_DEADLINE_S = 300.0
STOP_DEADLINE_S = 180.0


@contextlib.contextmanager
def new_home(*, user: str | None = None, prepared: bool = True) -> Iterator[Path]:
    """Give a data folder and remove it in the end; it has a cluster and a schema if ``prepared`` and not a user's, and no house."""
    base = Path(tempfile.mkdtemp(prefix="carbonledger test "))
    base.chmod(0o755)
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(base, account.pw_uid, account.pw_gid)
    try:
        if prepared and user is None:
            prepare.copy_to(base / "home")
        yield base / "home"
    finally:
        embedded.end(base / "home/postgres")
        shutil.rmtree(base)


def become(user: str | None) -> list[str]:
    """Return how to run a program as ``user``, who may read this Python even where it lies in root's own folder, but write nowhere new."""
    if user is None:
        return []
    account = pwd.getpwnam(user)
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    closed = any(not parent.stat().st_mode & 0o001 for parent in Path(sys.executable).resolve().parents)
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"] if closed else []
    return ["setpriv", *identity, *reading]


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command on ``home``: nothing of the caller's own configuration gets in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARBONLEDGER_") and name != "DATABASE_URL"}
    return {**kept, "CARBONLEDGER_HOME": str(home), "CARBONLEDGER_PORT": "0", "CARBONLEDGER_WORKERS": "1", **extra}


def run(home: Path, *arguments: str, user: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    if user is None:
        return warm.loaded().run(arguments, environment=environment(home, extra))
    return subprocess.run(
        [*become(user), sys.executable, *COMMAND, *arguments],
        env=environment(home, extra),
        capture_output=True,
        text=True,
        timeout=START_DEADLINE_S,
        check=False,
        cwd="/",
    )


class Installation:
    """``carbonledger up``, running. Made by ``up``."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        self.process = process
        self.home = home
        self.lines: list[str] = []
        self.log: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self.lines)),
            threading.Thread(target=self._read, args=(process.stderr, self.log)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(source: IO[str] | None, into: list[str]) -> None:
        assert source is not None
        into.extend(iter(source.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def address(self) -> str:
        found = re.search(r"^  (http://\S+)$", self.output, re.MULTILINE)
        assert found is not None, self.told
        return found[1]

    @property
    def told(self) -> str:
        """Everything it said, for a failed assertion."""
        return f"{self.output}\n--- log\n{''.join(self.log)}"

    def wait_ready(self) -> None:
        until.holds_now(lambda: READY in self.output or self.process.poll() is not None, deadline_s=START_DEADLINE_S)
        assert self.process.poll() is None, self.told

    def family(self) -> list[psutil.Process]:
        """Return every process of the installation, the embedded database too."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True), *database_processes(self.home)]

    def part(self, name: str) -> psutil.Process:
        """Return the process of the API or the worker."""
        [found] = [child for child in psutil.Process(self.process.pid).children() if name in child.cmdline()]
        return found

    def request(self, method: str, path: str, *, body: object = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Send a request and return its status and its document."""
        place = urllib.parse.urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=until.DEADLINE_S)
        with contextlib.closing(connection):
            given = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body=None if body is None else json.dumps(body), headers={**given, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, json.loads(content) if content else None

    def is_ready(self) -> bool:
        """Whether every part is well: to be waited for, since one that a busy machine keeps from answering for two seconds is not."""
        return self.request("GET", "/health/ready")[0] == 200

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(timeout=STOP_DEADLINE_S)
        for reader in self._readers:
            reader.join(timeout=STOP_DEADLINE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; one that ended and waits for init to notice does not."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def database_processes(home: Path) -> list[psutil.Process]:
    """Return the processes that use the folder: of the embedded server and its supervisor, while nothing else runs on it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            places = [*process.cmdline(), f"{process.cwd()}/", *(file.path for file in process.open_files())]
            if any(f"{home}/" in place for place in places):
                found.append(process)
    return found


@contextlib.contextmanager
def up(home: Path, *, user: str | None = None, ready: bool = True, demo: bool = False, **extra: str) -> Iterator[Installation]:
    """Run ``carbonledger up`` while the block runs; killed at its end if it still lives."""
    process = subprocess.Popen(
        [*become(user), sys.executable, *COMMAND, "up", *(["--demo"] if demo else [])],
        env=environment(home, extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    running = Installation(process, home)
    try:
        if ready:
            running.wait_ready()
        yield running
    finally:
        if process.poll() is None:
            parts = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            psutil.wait_procs(parts, timeout=STOP_DEADLINE_S)
        running.wait()
        embedded.end(home / "postgres")
