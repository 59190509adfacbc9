"""PostgreSQL's protocol, as far as a relay must know it: where a message ends, which one asks, which one answers. Pure.

Version 3 of the protocol, https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

STARTUP: Final = 0
"""The kind of a first message, which has none."""
_CODES = frozenset({80877102, 80877103, 80877104})  # cancel, TLS, GSS: their senders say nothing that is a step
_HELD = frozenset(b"PBEDCd")  # what goes on until one of the next
_ASKS = frozenset(b"SQHcf")
_SPACE = " "


class Frames:
    """Cuts a stream into messages; ``begins`` is that of a client, whose first message has no kind."""

    def __init__(self, *, begins: bool) -> None:
        self._rest = b""
        self._begins = begins

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (kind, whole message) of every message that has come to its end."""
        self._rest += data
        at, size = 0, len(self._rest)
        while True:
            head = 0 if self._begins else 1
            if size - at < head + 4:
                break
            (length,) = struct.unpack_from("!I", self._rest, at + head)
            end = at + head + length
            if end > size:
                break
            kind = STARTUP if self._begins else self._rest[at]
            self._begins = False
            yield kind, self._rest[at:end]
            at = end
        self._rest = self._rest[at:]


class Asker:
    """What a client has said on one connection: gathers messages until one asks, and says in words what."""

    def __init__(self) -> None:
        self.application = ""
        self._statements: dict[bytes, str] = {}
        self._held = b""
        self._said: str | None = None
        self._before = ""

    def hears(self, kind: int, frame: bytes) -> tuple[bytes, str | None]:
        """Return what is to be sent on now, and in words what it asks, if it does."""
        if kind == STARTUP:
            self.application = application(frame)
            return frame, None
        if kind in _HELD:
            self._held += frame
            self._notes(kind, frame)
            return b"", None
        if kind not in _ASKS:
            return frame, None
        batch, self._held = self._held + frame, b""
        return batch, self._words(kind, frame)

    def _notes(self, kind: int, frame: bytes) -> None:
        if kind == ord("P"):
            name, sql = frame[5:].split(b"\0", 2)[:2]
            self._statements[name] = squeezed(sql)
            self._said = f"prepare {squeezed(sql)}"
        elif kind == ord("B"):
            name = frame[5:].split(b"\0", 2)[1]
            self._said = self._statements.get(name, "a statement of before")
        elif kind == ord("C"):
            self._said = self._said or "close"

    def _words(self, kind: int, frame: bytes) -> str:
        said, self._said = self._said, None
        if kind == ord("Q"):
            said = squeezed(frame[5:-1])
        elif kind in b"cf":
            said = f"the rows of {self._before}"
        words = said or "sync"
        if words == "COMMIT":
            words = f"COMMIT after {self._before}"
        else:
            self._before = words
        return words


def answers(asked: bytes, kind: int) -> bool:
    """Say whether a message of this kind ends the answer to a batch that ended so. A flush is answered without a ready-for-query."""
    if asked == b"H":
        return kind in b"TnE"
    return kind in b"ZG"


def backend(frame: bytes) -> int:
    """Return the process id that a BackendKeyData message tells."""
    (pid,) = struct.unpack_from("!I", frame, 5)
    return int(pid)


def application(frame: bytes) -> str:
    """Return the application's name of a first message."""
    (code,) = struct.unpack_from("!I", frame, 4)
    if code in _CODES:
        return ""
    words = frame[8:].split(b"\0")
    told = dict(zip(words[::2], words[1::2], strict=False))
    return told.get(b"application_name", b"").decode()


def squeezed(sql: bytes) -> str:
    """Return SQL on one line."""
    return _SPACE.join(sql.decode("utf-8", "replace").rstrip("\0").split())
