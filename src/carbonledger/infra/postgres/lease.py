"""Using the embedded PostgreSQL: hold a lease and it runs; let go and it ends when nobody else holds one.

Owns: the users' side of sharing one server among processes, and the connection strings.

A lease is a shared lock on an open file. It ends with the process, however that ends. A forked child shares its parent's lease
and keeps it until it closes or ends as well; a program that is executed does not inherit it (unless given ``fileno()``
through ``pass_fds``). So a supervised tree gives each child its own: the child calls ``ensure`` with the same options.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from carbonledger.infra.postgres import faults, locks, passwords, sockets, state
from carbonledger.infra.postgres import folder as folders
from carbonledger.infra.postgres import options as wanted

_SUPERVISOR = "carbonledger.infra.postgres.supervise"
_POLL_S = 0.02
START_TIMEOUT_S = 120.0
STILL_S = 30.0  # between two words to a caller who waits
_LOOK_S = 1.0
_WORKING: tuple[state.Status, ...] = ("starting", "recovering")
STOP_TIMEOUT_S = 90.0
# What Python needs to start as we did; nothing else of ours, which may be secret, stays with a long-lived process.
_PYTHON_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE")


Patience = Callable[[str], None]
"""Told again and again why a server that works on its start is not ready yet, by a caller who waits for as long as that takes."""


class Lease:
    """A running embedded PostgreSQL, for as long as this is open. Made by ``ensure``."""

    def __init__(self, *, options: wanted.ClusterOptions, folder: folders.Folder, users: locks.FileLock, running: state.State) -> None:
        self._options = options
        self._folder = folder
        self._users: locks.FileLock | None = users
        self._running = running
        self._words = passwords.load(folder)

    def __repr__(self) -> str:
        return f"Lease({str(self._options.data_dir)!r}, {'open' if self._users else 'closed'})"

    @property
    def options(self) -> wanted.ClusterOptions:
        return self._options

    @property
    def bin_dir(self) -> Path:
        """The folder of ``psql``, ``pg_dump`` and ``pg_restore`` of the server's own version."""
        return Path(self._running.bin_dir)

    @property
    def version(self) -> str:
        return self._running.version

    @property
    def log(self) -> Path:
        return self._folder.log

    @property
    def supervisor_pid(self) -> int:
        return self._running.pid

    @property
    def postmaster_pid(self) -> int | None:
        return self._running.postmaster_pid

    @property
    def restarts(self) -> int:
        """How often this supervisor had to start the postmaster again."""
        return self._running.restarts

    @property
    def settings_in_force(self) -> bool:
        """Whether the server runs with the settings asked for; others keep it as they started it until all have let go."""
        return self._running.options == self._options.server()

    def fileno(self) -> int:
        return self._open().fileno()

    def dsn(self, role: passwords.Role = "app", *, database: str = passwords.DATABASE) -> str:
        """Return a connection string for asyncpg and libpq. It holds the password: never log it."""
        self._open()
        login = f"{passwords.LOGINS[role]}:{urllib.parse.quote(self._words.of(role), safe='')}"
        name = urllib.parse.quote(database, safe="")
        if not self._running.host.startswith("/"):
            # The bundled programs have no TLS, and the way is the machine's own loopback.
            return f"postgresql://{login}@{self._running.host}:{self._running.port}/{name}?sslmode=disable"
        where = urllib.parse.urlencode({"host": self._running.host, "port": self._running.port}, quote_via=urllib.parse.quote)
        return f"postgresql://{login}@/{name}?{where}"

    def ensure(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Make sure that the server answers, starting its supervisor again if that was killed; takes a millisecond if all is well.

        The connection strings stay the same, but for a port that the system chooses.
        """
        users, deadline = self._open(), time.monotonic() + timeout_s
        if not users.is_current():  # the folder was removed meanwhile, and may have been made again
            folders.claim(self._options.data_dir)
        with _refusals(self._folder):
            if not users.is_current():
                users.reopen()
            _join(users, self._folder, deadline=deadline)  # at once, if we are one already
            self._running = _ready(self._options, self._folder, wait=_Wait(deadline), users=None)
            self._words = passwords.load(self._folder)

    def close(self, *, wait: bool = False) -> None:
        """Let go. With ``wait``, if nobody else holds it, stop the server now and return when it is down."""
        users, self._users = self._users, None
        if users is None:
            return
        with users, _refusals(self._folder):
            if wait and users.is_current():
                deadline = time.monotonic() + STOP_TIMEOUT_S
                with _turn(self._folder, wait=_Wait(deadline)):
                    _stop_if_last(self._folder, users, deadline=deadline)

    def _open(self) -> locks.FileLock:
        if self._users is None:
            raise faults.PostgresFault(f"The lease of {self._options.data_dir} is closed; call ensure() for a new one.")
        return self._users

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ensure(options: wanted.ClusterOptions, *, timeout_s: float = START_TIMEOUT_S, patience: Patience | None = None) -> Lease:
    """Make sure that the server runs, starting it if need be, and hold it. Blocks; for start-up, before any event loop.

    Raises ``TimedOut`` after ``timeout_s``; with ``patience`` only if no supervisor works on the start: the recovery from a crash takes
    what it takes, and who gives it up begins it again.
    """
    deadline = time.monotonic() + timeout_s
    folder = folders.claim(options.data_dir)
    with _refusals(folder), contextlib.ExitStack() as undo:
        users = undo.enter_context(locks.FileLock(folder.users_lock))
        _join(users, folder, deadline=deadline)
        running = _ready(options, folder, wait=_Wait(deadline, patience), users=users)
        lease = Lease(options=options, folder=folder, users=users, running=running)
        undo.pop_all()
        return lease


@contextlib.contextmanager
def _refusals(folder: folders.Folder) -> Iterator[None]:
    """Say what the system's refusals mean for the data folder."""
    try:
        yield
    except OSError as problem:
        raise folders.of_os_error(problem, folder.root) from problem


class _Wait:
    """How long somebody waits: until a monotonic ``deadline``, and with ``patience`` as long as a supervisor works on the start."""

    def __init__(self, deadline: float, patience: Patience | None = None) -> None:
        self.deadline = deadline
        self._patience = patience
        self._said = time.monotonic()

    @property
    def step_s(self) -> float:
        """Seconds until the next look."""
        return max(min(self.deadline - time.monotonic(), _LOOK_S), _POLL_S)

    def is_over(self, folder: folders.Folder) -> bool:
        running = None if self._patience is None else supervisor_state(folder)
        now = time.monotonic()
        if self._patience is None or running is None or running.status not in _WORKING:
            return now >= self.deadline
        self.deadline = max(self.deadline, now + STILL_S)  # what follows the recovery has its time, too
        if now - self._said >= STILL_S:
            self._said = now
            self._patience(f"The database is {running.status}, which takes minutes after some crashes. Waiting for it; see {folder.log}.")
        return False


@contextlib.contextmanager
def _turn(folder: folders.Folder, *, wait: _Wait) -> Iterator[None]:
    """Wait for our turn: one at a time looks whether the supervisor runs, starts it or stops it."""
    with locks.FileLock(folder.start_lock) as turn:
        while not turn.try_exclusive():
            if wait.is_over(folder):
                raise _late(folder, "another process is starting or stopping it")
            time.sleep(_POLL_S)
        yield


def _join(users: locks.FileLock, folder: folders.Folder, *, deadline: float) -> None:
    """Become a user; waits while a supervisor that found none is leaving."""
    if not locks.wait(users.try_shared, deadline=deadline):
        raise _late(folder, "it is still stopping")


def _ready(options: wanted.ClusterOptions, folder: folders.Folder, *, wait: _Wait, users: locks.FileLock | None) -> state.State:
    """Return the state of a server that is ready. ``users`` is the caller's lock if it may replace a server that nobody else uses."""
    with _turn(folder, wait=wait):
        while True:
            running = supervisor_state(folder)
            if running is None:
                _launch(options, folder, wait=wait)
            elif running.status == "ready" and sockets.answers(running.host, running.port):
                if users is None or _serves(options, running, folder, users, deadline=wait.deadline):
                    return running
            else:
                time.sleep(_POLL_S)
            if wait.is_over(folder):
                raise _late(folder, "it does not start" if running is None else f"it is {running.status}")


def _serves(
    options: wanted.ClusterOptions, running: state.State, folder: folders.Folder, users: locks.FileLock, *, deadline: float
) -> bool:
    """Whether the running server will do; one with other options that nobody else uses is stopped, to be started anew."""
    asked = options.server()
    if running.options == asked:
        return True
    if _stop_if_last(folder, users, deadline=deadline):
        _join(users, folder, deadline=deadline)
        return False
    if supervisor_state(folder) != running:
        return False  # it changed while we tried: look again
    differing = [key for key in ("listen", "port") if running.options.get(key) != asked[key]]
    if differing:
        now = ", ".join(f"{key} {running.options.get(key) or 'any'}" for key in differing)
        raise faults.InUse(
            f"The server in {folder.root} is in use with other options ({now}); ask for the same, or end its other users first."
        )
    return True


def supervisor_state(folder: folders.Folder) -> state.State | None:
    """Return what the living supervisor says of itself, or ``None`` if none lives."""
    with locks.FileLock(folder.supervisor_lock) as probe:
        if probe.try_shared():
            os.ftruncate(probe.fileno(), 0)  # or the next one would go by the name of the last until it has written its own
            return None
        instance = os.pread(probe.fileno(), 64, 0).decode("ascii", "replace")
    try:
        told = state.read(folder.state)
    except PermissionError:
        told = None  # the folder is still changing hands
    if told is None or told.instance != instance:
        return state.State(instance=instance, status="starting", pid=0)
    return told


def _stop_if_last(folder: folders.Folder, users: locks.FileLock, *, deadline: float) -> bool:
    """If nobody else holds the server, stop it, wait for its end and return True; ``users`` is then no longer held.

    Called in our turn, so that nobody can arrive and be given a server that is about to stop.
    """
    running = supervisor_state(folder)
    if running is None:
        return False
    if not users.try_exclusive():  # the kernel lets go of the shared lock to try
        _join(users, folder, deadline=deadline)
        return False
    users.unlock()
    folders.ask_to_stop(folder, running.instance)
    try:
        if not locks.wait(lambda: supervisor_state(folder) is None, deadline=deadline):
            raise _late(folder, "it does not stop")
    finally:
        folder.stop.unlink(missing_ok=True)
    return True


def _launch(options: wanted.ClusterOptions, folder: folders.Folder, *, wait: _Wait) -> None:
    """Start a supervisor and wait for its answer."""
    environment = {name: os.environ[name] for name in _PYTHON_ENVIRONMENT if name in os.environ}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", _SUPERVISOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        start_new_session=True,  # Ctrl-C at our terminal is ours alone
    ) as starter:
        try:
            _ask(starter, json.dumps(options.to_json()))
            output, problems = _answer(starter, folder, wait=wait)
        except BaseException:
            starter.kill()  # it only waits for the answer; the supervisor itself goes on
            raise
    if not output.strip():
        raise faults.StartFailed(f"The supervisor of {folder.root} ended without an answer:\n{problems[-2000:]}")
    answer = json.loads(output)
    if answer["status"] == "failed":
        raise faults.from_code(answer["code"], answer["detail"])


def _ask(starter: subprocess.Popen[str], words: str) -> None:
    # Not by ``communicate``: what that could not write before its time was over, on a busy machine, it never writes.
    asking, starter.stdin = starter.stdin, None
    with contextlib.suppress(BrokenPipeError):  # it ended, and its output says why
        if asking is not None:
            with asking:
                asking.write(words)


def _answer(starter: subprocess.Popen[str], folder: folders.Folder, *, wait: _Wait) -> tuple[str, str]:
    while True:
        try:
            return starter.communicate(timeout=wait.step_s)
        except subprocess.TimeoutExpired:
            if wait.is_over(folder):
                raise _late(folder, "it is still starting") from None


def _late(folder: folders.Folder, why: str) -> faults.TimedOut:
    words = ""
    with contextlib.suppress(OSError):
        words = "\n" + "\n".join(folder.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    return faults.TimedOut(f"The server in {folder.root} is not ready in time: {why}; wait and try again, or see {folder.log}.{words}")
