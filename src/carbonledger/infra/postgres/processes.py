"""PostgreSQL processes: started so that they end with their parent, and found when they did not.

Owns: the parent-death signal, ``Guard`` (which knows whether any process of the server is left), and ending those that are; running
a program to its end without being deaf meanwhile.

**The guard.** Every process of the server inherits an open, locked file (``server.lock``) from the supervisor, which closes its
own copy. So the lock is free exactly when the last of them is gone: no process id is trusted, and none of a neighbour's
can be mistaken for ours (in containers the same few ids come back at each start).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from carbonledger.infra.postgres import faults, locks, programs

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ORDERLY_S = 15.0
_KILL_S = 5.0
_POLL_S = 0.05
_LOOK_S = 0.01


def start(
    argv: list[str | Path],
    *,
    guard: locks.FileLock,
    death_signal: signal.Signals,
    cwd: Path,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    output: IO[bytes] | int,
) -> subprocess.Popen[bytes]:
    """Start a PostgreSQL program that holds ``guard`` and gets ``death_signal`` when this process dies."""
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=programs.environment(),
        pass_fds=(guard.fileno(),),
        preexec_fn=_on_parent_death(death_signal),  # noqa: PLW1509 - the supervisor has one thread
    )


def run(argv: list[str | Path], *, guard: locks.FileLock, cwd: Path, text: str | None, pause: Callable[[float], None]) -> tuple[int, str]:
    """Run a program to its end, with ``text`` as its input; return its exit code and output.

    ``pause`` is called again and again meanwhile; what it raises ends the program. ``guard`` is closed here and stays the program's.
    """
    # A file, and not a pipe: a ``communicate`` that timed out before it wrote its input never writes it, nor closes the pipe.
    with guard, tempfile.TemporaryFile(dir=cwd) as given:
        given.write((text or "").encode())
        given.seek(0)
        process = start(argv, guard=guard, death_signal=signal.SIGKILL, cwd=cwd, stdin=given, output=subprocess.PIPE)
    with process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):  # what was read by then is kept for the next time
                    output, _ = process.communicate(timeout=_LOOK_S)
                    return process.returncode, output.decode("utf-8", "replace")
                pause(0)
        except BaseException:
            process.kill()
            raise


def _on_parent_death(number: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None  # elsewhere the next supervisor ends what is left (``end_leftovers``)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def take_guard(path: Path) -> locks.FileLock | None:
    """Return the guard, locked, or ``None`` while a process of the server is alive."""
    path.touch(mode=0o600, exist_ok=True)
    guard = locks.FileLock(path)
    if guard.try_exclusive():
        return guard
    guard.close()
    return None


def guard_when_free(path: Path, *, data: Path, orderly: bool, pause: Callable[[float], None]) -> locks.FileLock:
    """Wait until no process of the server is left, and see to it; return the guard, locked.

    ``orderly`` gives a postmaster whose supervisor died the time of a fast shutdown. Without a postmaster its backends have nothing
    to finish: what they committed is in the log on disk, and the rest was never promised.
    """
    began = time.monotonic()
    sent: set[signal.Signals] = set()
    while True:
        guard = take_guard(path)
        if guard is not None:
            return guard
        waited = time.monotonic() - began
        steps = {signal.SIGINT: 0.0, signal.SIGQUIT: _ORDERLY_S, signal.SIGKILL: _ORDERLY_S + _KILL_S}
        if not orderly:
            steps = {signal.SIGQUIT: 0.0, signal.SIGKILL: _KILL_S}
        for number, after_s in steps.items():
            if waited >= after_s and number not in sent:
                sent.add(number)
                _tell(number, path, data)
        if waited > _ORDERLY_S + 2 * _KILL_S:
            detail = f"Processes of an earlier server still hold {path} and can't be ended; end them, then start again."
            raise faults.StartFailed(detail)
        pause(_POLL_S)


def _tell(number: signal.Signals, guard: Path, data: Path) -> None:
    postmaster = recorded_postmaster(data)
    # SIGINT is a fast shutdown to a postmaster, but to a backend only the end of its statement.
    told = [pid for pid in holders(guard) if number is not signal.SIGINT or pid == postmaster]
    for pid in told:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def holders(path: Path) -> tuple[int, ...]:
    """Return the processes, other than this one, that have the file open. Where there is no /proc, the recorded postmaster."""
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return ()
    if not Path("/proc/self/fd").is_dir():
        return _postmaster_by_ps(path.parent / "data")
    return tuple(pid for pid in _own_processes() if _has_open(pid, wanted))


def _own_processes() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_is_file(entry.path, wanted) for entry in entries)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False  # gone meanwhile, or of another user and so not ours


def _is_file(path: str, wanted: os.stat_result) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116 - one of thousands: no Path for each
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def recorded_postmaster(data: Path) -> int | None:
    """Return the process id in ``postmaster.pid``, alive or not."""
    try:
        first = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
    except FileNotFoundError:
        return None
    return abs(int(first)) if first.strip().lstrip("-").isdecimal() else None


def foreign_postmaster(data: Path) -> int | None:
    """Return the postmaster that somebody else started on this data, if one runs. Asked while the guard is ours."""
    pid = recorded_postmaster(data)
    if pid is None or pid == os.getpid():
        return None
    try:
        return pid if data.samefile(f"/proc/{pid}/cwd") else None  # a postmaster's folder is its data
    except PermissionError:
        return None  # another user's: PostgreSQL runs only as the owner of its data
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else next(iter(_postmaster_by_ps(data)), None)


def _postmaster_by_ps(data: Path) -> tuple[int, ...]:
    pid = recorded_postmaster(data)
    if pid is None:
        return ()
    asked = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    return (pid,) if "postgres" in asked.stdout and str(data) in asked.stdout else ()
