"""The postmaster as a child process, and its log.

Owns: starting, readiness, the three kinds of shutdown, and a log file of bounded size. It does not decide when; that is
``supervise``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from carbonledger.infra.postgres import faults, locks, memory, options, processes, programs
from carbonledger.infra.postgres import folder as folders

LOG_BYTES_MAX = 8 * 2**20
_TAIL_BYTES = 16 * 2**10
_TAIL_LINES = 12
# A fast shutdown writes a checkpoint; a slow disk may need a while. Then it is quicker to recover from the log at the next start.
_STOP_S = 60.0
_QUIT_S = 10.0
_STATUS_LINE = 7  # of postmaster.pid (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS)


class Log:
    """The server's log: appended to by PostgreSQL itself, so that it misses nothing when the supervisor is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Appending, so that after a cut every writer goes on at the new end.
        self.file = path.open("ab", buffering=0)

    def say(self, line: str) -> None:
        # A full disk must not end the supervisor: the server may yet be serving.
        with contextlib.suppress(OSError):
            self.file.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def trim(self) -> None:
        """Keep what is over the bound as ``.1``, replacing the one before."""
        if os.fstat(self.file.fileno()).st_size > LOG_BYTES_MAX:
            with contextlib.suppress(OSError):  # on a full disk the older part is what can be given up
                shutil.copyfile(self._path, self._path.with_name(self._path.name + ".1"))
            os.ftruncate(self.file.fileno(), 0)

    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def since(self, offset: int) -> str:
        """Return what was written after ``offset``, at most its last part."""
        with self._path.open("rb") as reader:
            reader.seek(max(offset, self.size() - _TAIL_BYTES))
            return reader.read().decode("utf-8", "replace")


class Postmaster:
    """One run of the server."""

    def __init__(
        self,
        *,
        folder: folders.Folder,
        found: programs.Programs,
        wanted: options.ClusterOptions,
        socket_dir: Path | None,
        port: int,
        guard: locks.FileLock,
        log: Log,
    ) -> None:
        self._data = folder.data
        self._log = log
        self._log_from = log.size()
        arguments = options.server_arguments(wanted, socket_dir=socket_dir, port=port, memory_bytes=memory.usable_bytes())
        # Without its supervisor nobody would stop it: a fast shutdown then.
        self._process = processes.start(
            [found.bin_dir / "postgres", "-D", folder.data, *arguments],
            guard=guard,
            death_signal=signal.SIGINT,
            cwd=folder.data,
            output=log.file,
        )
        self.pid = self._process.pid

    def exit_code(self) -> int | None:
        return self._process.poll()

    def ready(self) -> bool:
        """Whether it accepts connections, as it says itself in its pid file (what ``pg_ctl -w`` reads)."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(self.pid) and lines[_STATUS_LINE].strip() == "ready"

    def last_words(self) -> str:
        return self._log.since(self._log_from)

    def stop(self) -> None:
        """End it: sessions end and all is written; if that takes too long, without a checkpoint."""
        self._end((signal.SIGINT, _STOP_S), (signal.SIGQUIT, _QUIT_S), (signal.SIGKILL, None))

    def abandon(self) -> None:
        """End it without writing anything; it gives its shared memory back and removes its socket."""
        self._end((signal.SIGQUIT, _QUIT_S), (signal.SIGKILL, None))

    def kill(self) -> None:
        """End it without a trace, not even the removal of its socket; its backends follow by themselves."""
        self._end((signal.SIGKILL, None))

    def _end(self, *ways: tuple[signal.Signals, float | None]) -> None:
        for number, patience_s in ways:
            self._process.send_signal(number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue  # then a harder way
            return


def why(words: str) -> str:
    """Return the line of the log that says why a start failed, else the last one."""
    lines = [line for line in words.splitlines() if line.strip()]
    telling = [line.split(": ", 1)[1].strip() for line in lines if "FATAL:" in line or "PANIC:" in line]
    return telling[-1] if telling else (lines[-1] if lines else "it said nothing")


def failed(folder: folders.Folder, words: str, what: str) -> faults.PostgresFault:
    """Return the fault of a server that ended with these words in its log."""
    if "No space left on device" in words or "Disk quota exceeded" in words:
        return folders.disk_full(folder.root)
    if "configuration parameter" in why(words) or "for parameter" in why(words):
        return faults.SettingRefused(f"PostgreSQL refused a setting ({why(words)}); correct it and start again.")
    last = "\n".join(words.splitlines()[-_TAIL_LINES:])
    return faults.StartFailed(f"{what} ({why(words)}); mend that and start again, the log is {folder.log}:\n{last}")
