"""The supervisor's loop: bring the server up, watch it, start it again, take it down.

Owns: the life of the server::

    starting    -> ready       the server accepts connections
    starting    -> failed      it can't be had: the reason is told, the process ends
    ready       -> recovering  the postmaster ended without being asked to
    recovering  -> ready       it runs again (after PostgreSQL's own crash recovery)
    recovering  -> failed      it did not start again in a number of tries
    any         -> stopping    nobody has used it for the grace time; or it was asked to stop (SIGTERM, or the file ``stop``)

A supervisor that leaves because nobody uses the server holds ``users.lock`` exclusively until it is gone, so a user who
arrives meanwhile waits for the end and then starts another. SIGINT and SIGHUP mean nothing to it: Ctrl-C is for its users.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from carbonledger.infra import clock
from carbonledger.infra.postgres import cluster, faults, ground, locks, options, postmaster, processes, sockets, state

_TICK_S = 0.2
_STARTING_TICK_S = 0.01
_PORT_TRIES = 5
# A server that has stayed up this long is started again at once; one that ends sooner, a little later each time.
_WELL_AFTER_S = 5.0
_BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
_FAILED_STARTS_MAX = 5


class Leave(Exception):
    """The supervisor must end now. Not an error: the way out of whatever it is doing."""


class Supervisor:
    """The loop. It has one thread and never blocks for longer than a tick, but for a shutdown."""

    def __init__(self, base: ground.Ground, wanted: options.ClusterOptions) -> None:
        self._ground = base
        self._wanted = wanted
        self._folder = base.folder
        self._log = postmaster.Log(base.folder.log)
        self._postmaster: postmaster.Postmaster | None = None
        self._socket_dir: Path | None = None
        self._port = options.SOCKET_PORT
        self._restarts = 0
        self._unused_since: float | None = None
        self._asked_to_stop = False
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until it is time to leave; raises the fault if the server can't be had."""
        try:
            self._bring_up()
            on_ready()
            self._watch()
        except Leave:
            if self._ground.own.is_current():
                self._tell("stopping")
        except faults.PostgresFault as fault:
            self._say(f"giving up: {fault}")
            self._tell("failed")
            raise
        except OSError as refusal:
            self._say(f"giving up: {refusal}")
            raise
        except Exception:
            self._say(f"a defect of the supervisor:\n{traceback.format_exc()}")
            raise
        finally:
            self._take_down()

    # --- bringing it up

    def _bring_up(self) -> None:
        self._tell("starting")
        orphaned = processes.recorded_postmaster(self._folder.data) in processes.holders(self._folder.server_lock)
        self._guard(orderly=orphaned).close()  # each program takes its own, and keeps it past our end
        base = self._ground
        cluster.prepare(self._folder, base.found, base.words, self._run, known=base.known)
        for attempt in range(1, _PORT_TRIES + 1):
            self._choose_port()
            self._start(self._guard(orderly=False))
            if self._became_ready():
                return self._tell("ready")
            taken = self._wanted.listen == "tcp" and not sockets.is_free(self._port)
            if not taken or self._wanted.port is not None or attempt == _PORT_TRIES:
                raise self._start_failed()
        return None

    def _choose_port(self) -> None:
        if self._wanted.listen == "socket":
            return
        self._port = self._wanted.port or sockets.free_port()
        if not sockets.is_free(self._port):
            detail = (
                f"Port {self._port} of {options.LOOPBACK} is taken by another program; stop that, or choose another port for PostgreSQL."
            )
            raise faults.InUse(detail)

    def _guard(self, *, orderly: bool) -> locks.FileLock:
        return processes.guard_when_free(self._folder.server_lock, data=self._folder.data, orderly=orderly, pause=self._pause)

    def _start(self, guard: locks.FileLock) -> None:
        with guard:
            if self._wanted.listen == "socket":
                self._socket_dir = sockets.prepare(self._folder)
                sockets.clear(self._socket_dir)
            self._postmaster = postmaster.Postmaster(
                folder=self._folder,
                found=self._ground.found,
                wanted=self._wanted,
                socket_dir=self._socket_dir,
                port=self._port,
                guard=guard,
                log=self._log,
            )

    def _became_ready(self) -> bool:
        """Wait as long as it works on it: recovery after a crash may be long, and hurrying it helps nobody."""
        server = self._server()
        while not server.ready():
            if server.exit_code() is not None:
                return False
            self._pause(_STARTING_TICK_S)
        return True

    def _server(self) -> postmaster.Postmaster:
        if self._postmaster is None:
            raise faults.StartFailed("The server was never started.")
        return self._postmaster

    def _start_failed(self) -> faults.PostgresFault:
        return postmaster.failed(self._folder, self._server().last_words(), "PostgreSQL did not start")

    # --- watching it

    def _watch(self) -> None:
        began, ends = time.monotonic(), 0
        while True:
            self._pause(_TICK_S)
            self._log.trim()
            why = self._ended()
            if why is None:
                continue
            well = time.monotonic() - began > _WELL_AFTER_S
            ends = 1 if well else ends + 1
            self._say(f"the postmaster (process {self._server().pid}) {why}; starting it again")
            self._heal(ends)
            began = time.monotonic()

    def _ended(self) -> str | None:
        """Return why the server does not serve any more, or ``None`` while it does."""
        server = self._server()
        code = server.exit_code()
        if code is None and (self._socket_dir is None or sockets.present(self._socket_dir)):
            return None
        if code is None:
            server.stop()
            return "had lost its socket"
        return f"ended with signal {-code}" if code < 0 else f"ended with code {code}"

    def _heal(self, ends: int) -> None:
        self._tell("recovering")
        for failed in range(_FAILED_STARTS_MAX):
            self._guard(orderly=False).close()
            resume = time.monotonic() + _BACKOFF_S[min(ends - 1 + failed, len(_BACKOFF_S) - 1)]
            while time.monotonic() < resume:
                self._pause(_TICK_S)
            cluster.clear_stale(self._folder)
            self._start(self._guard(orderly=False))
            if self._became_ready():
                self._restarts += 1
                return self._tell("ready")
        what = f"PostgreSQL ended and did not start again in {_FAILED_STARTS_MAX} tries"
        raise postmaster.failed(self._folder, self._server().last_words(), what)

    # --- leaving

    def _take_down(self) -> None:
        server = self._postmaster
        if server is not None and server.exit_code() is None:
            if self._ground.own.is_current():
                server.stop()
            elif self._folder.supervisor_lock.exists():
                server.kill()  # its data are gone, and the socket that it would remove may be its successor's
            else:
                server.abandon()
        if self._socket_dir is not None:
            sockets.remove_short(self._folder, self._socket_dir)

    def _pause(self, seconds: float) -> None:
        """Wait for a signal or the time; raise ``Leave`` when it is time to go.

        That is also when somebody has removed the data folder, or made another in its place.
        """
        with contextlib.suppress(BlockingIOError):
            if select.select([self._wake], [], [], seconds)[0]:
                os.read(self._wake, 512)
        if self._asked_to_stop or self._stop_file_names_us() or self._unused() or not self._ground.own.is_current():
            raise Leave

    def _stop_file_names_us(self) -> bool:
        try:
            return self._folder.stop.read_text(encoding="utf-8").strip() == self._ground.instance
        except (FileNotFoundError, PermissionError):  # not there, or of root, who was killed while making it
            return False

    def _unused(self) -> bool:
        """Whether nobody has used the server for the grace time. If so, the lock stays ours and keeps new users waiting."""
        if not self._ground.users.try_exclusive():
            self._unused_since = None
            return False
        now = time.monotonic()
        self._unused_since = now if self._unused_since is None else self._unused_since
        if now - self._unused_since >= self._wanted.grace_s:
            return True
        self._ground.users.unlock()
        return False

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGTERM:
            self._asked_to_stop = True

    # --- telling

    def _tell(self, status: state.Status) -> None:
        server = self._postmaster
        state.write(
            self._folder.state,
            state.State(
                instance=self._ground.instance,
                status=status,
                pid=os.getpid(),
                host=options.LOOPBACK if self._socket_dir is None else str(self._socket_dir),
                port=self._port,
                version=self._ground.found.version,
                bin_dir=str(self._ground.found.bin_dir),
                postmaster_pid=None if server is None else server.pid,
                restarts=self._restarts,
                options=self._wanted.server(),
            ),
        )

    def _say(self, line: str) -> None:
        self._log.say(f"{clock.now():%Y-%m-%d %H:%M:%S.%f} UTC [{os.getpid()}] supervisor: {line}")

    def _run(self, argv: Sequence[str | Path], *, cwd: Path, text: str | None = None) -> tuple[int, str]:
        """Run a program to its end, as ``cluster.Run`` says, while minding whether to leave."""
        self._say(f"running {Path(argv[0]).name}")
        return processes.run(list(argv), guard=self._guard(orderly=False), cwd=cwd, text=text, pause=self._pause)
