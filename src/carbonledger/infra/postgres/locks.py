"""Advisory locks on files, which the system releases when their last holder is gone, however it went.

Owns: ``FileLock`` over ``flock(2)``. A lock belongs to an open file: a forked child shares it, and it ends when every copy
is closed. So nobody here unlocks what it shares; it closes its own copy. What each lock file means is in ``folder``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

_POLL_S = 0.02


class FileLock:
    """An open lock file, at first not locked."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self.reopen()

    def reopen(self) -> None:
        """Let go, and open what the path leads to now."""
        self.close()
        # Never through a link: root may do this in a folder that another user can write.
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    def fileno(self) -> int:
        return self._fd

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self._fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_current(self) -> bool:
        """Whether the path still leads to this file; another in its place has locks of its own."""
        try:
            there = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        here = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def unlock(self) -> None:
        """Let go while keeping the file open; only for a lock that no other process shares."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()


def wait(attempt: Callable[[], bool], *, deadline: float) -> bool:
    """Try until it succeeds or the monotonic ``deadline`` has passed; return whether it did."""
    while not attempt():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
