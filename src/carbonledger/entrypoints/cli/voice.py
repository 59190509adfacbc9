"""What ``up`` and its parts say, written by a thread, so that no reader of the output can stop the process.

Owns: the queue between whoever speaks and the two descriptors. A reader that has left, a full disk or a closed terminal costs what is said
and nothing else; one that stalls costs lines, and how many is said as soon as there is room again::

    say, forward ──> queue, bounded ──> thread ──> descriptor
                       └─ full: dropped and counted until all before it has been written

The descriptors are written directly: a buffered stream would hold on to what its reader did not take, and keep the process from ending.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
from collections import deque
from typing import Self

ROOM_BYTES = 256 * 1024  # of the parts' lines; our own, which are few, may take as much again
LAST_WORDS_S = 1.0
_STDOUT, _STDERR = 1, 2
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Voice:
    """Says lines in their order, and never blocks or raises because of whoever reads them. Safe to use from any thread."""

    def __init__(self, *, out: int = _STDOUT, err: int = _STDERR, room_bytes: int = ROOM_BYTES, last_words_s: float = LAST_WORDS_S) -> None:
        self._out, self._err = out, err
        self._is_terminal = {descriptor: os.isatty(descriptor) for descriptor in (out, err)}
        self._room_bytes = room_bytes
        self._last_words_s = last_words_s
        self._changed = threading.Condition()
        self._lines: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._closing = False
        self._thread = threading.Thread(target=self._write_all, name="voice", daemon=True)  # it may hang in a write for good
        self._thread.start()

    def say(self, line: str, *, err: bool = False) -> None:
        """Say a line of our own, on stdout or stderr; colours are for terminals."""
        descriptor = self._err if err else self._out
        shown = line if self._is_terminal[descriptor] else _COLOUR.sub("", line)
        self._add(descriptor, shown.encode("utf-8", "replace"), room_bytes=2 * self._room_bytes)

    def forward(self, name: str, line: bytes) -> None:
        """Pass a part's line on to stderr, under the part's name where a person reads."""
        prefix = f"\x1b[2m{name:<8}\x1b[0m ".encode() if self._is_terminal[self._err] else b""
        with self._changed:
            if self._dropped:  # or single lines would slip through, each between two that are missing
                self._dropped += 1
                return
        self._add(self._err, prefix + line, room_bytes=self._room_bytes)

    def _add(self, descriptor: int, line: bytes, *, room_bytes: int) -> None:
        with self._changed:
            if self._waiting_bytes + len(line) + 1 > room_bytes:
                self._dropped += 1
                return
            self._lines.append((descriptor, line + b"\n"))
            self._waiting_bytes += len(line) + 1
            self._changed.notify()

    def close(self) -> None:
        """Wait a moment until all is written."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._last_words_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_all(self) -> None:
        while (following := self._next()) is not None:
            # Its reader is gone, or the disk full; a later line may find it otherwise.
            with contextlib.suppress(OSError):
                _write(*following)

    def _next(self) -> tuple[int, bytes] | None:
        with self._changed:
            while not self._lines:
                if self._dropped:
                    missing, self._dropped = self._dropped, 0
                    return self._err, f"warning: {missing} lines of output are missing here: nobody read them in time.\n".encode()
                if self._closing:
                    return None
                self._changed.wait()
            descriptor, line = self._lines.popleft()
            self._waiting_bytes -= len(line)
            return descriptor, line


def _write(descriptor: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody who shares the terminal made it so
            select.select([], [descriptor], [])
