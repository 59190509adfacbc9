"""Reads a public log over HTTP as C2SP tlog-tiles has it, and keeps a copy of what never changes where one is wanted.

Owns: addresses, what an answer means, and the copy. A copy has the layout of the log itself, so any web server can serve it on. What is
right is not decided here.
"""

from __future__ import annotations

import os
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from carbonledger_client import errors, transport
from carbonledger_proof import tiles

MONITOR_PATH = "/v1/public/log"  # of an installation of Carbon Ledger, where no path is given
KEYS_PATH = "/.well-known/jwks.json"
_FOUND, _ABSENT = 200, 404


class TileMissing(Exception):
    """The log does not give a tile that its checkpoint says it has."""


@dataclass(slots=True)
class Monitor:
    """One log: the address of its tiles, and the folder of the copy (None: none is kept)."""

    prefix: str
    host: str
    mirror: Path | None
    fetched: int = 0
    _transport: transport.Transport = field(init=False)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._transport = transport.Transport(self.host, {"user-agent": "carbonledger-client"}, sleep=self.sleep)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def checkpoint(self) -> str:
        """Return the newest checkpoint. Raises ``Unreachable``, ``Refused``, ``Garbled``."""
        return _text(self._required("/checkpoint"))

    def keys(self) -> bytes:
        """Return the public keys (JWKS)."""
        return self._ok(self._transport.send("GET", KEYS_PATH, repeatable=True))

    def tile(self, tile: tiles.Tile) -> bytes:
        """Return a tile: from the copy if it is there and full, else from the log. Raises ``TileMissing``."""
        kept = self._kept(tile)
        if kept is not None:
            return kept
        content = self._fetch(tile)
        if content is None and tile.width < tiles.WIDTH:
            # Once a tile is full, a log need no longer have its narrower forms.
            whole = self._fetch(tiles.Tile(tile.level, tile.index))
            content = None if whole is None else _narrowed(whole, tile)
        if content is None:
            raise TileMissing(f"The log does not give the tile {tile.path()}.")
        return content

    def keep(self, tile: tiles.Tile, content: bytes) -> None:
        """Put a tile into the copy, once it was found right."""
        if self.mirror is not None:
            _replace(self.mirror / "tile" / tile.path(), content)

    def keep_checkpoint(self, note: str) -> None:
        """Put the checkpoint into the copy, once the copy has all that it is over."""
        if self.mirror is not None:
            _replace(self.mirror / "checkpoint", note.encode())

    def _required(self, path: str) -> bytes:
        return self._ok(self._transport.send("GET", self.prefix + path, repeatable=True))

    def _fetch(self, tile: tiles.Tile) -> bytes | None:
        answer = self._transport.send("GET", f"{self.prefix}/tile/{tile.path()}", repeatable=True)
        if answer.status == _ABSENT:
            return None
        self.fetched += 1
        return self._ok(answer)

    def _ok(self, answer: transport.Answer) -> bytes:
        if answer.status in transport.LATER:
            raise errors.Unreachable(f"{self.host} answers {answer.status} after all attempts. Try again later.")
        if answer.status != _FOUND:
            raise errors.Refused(answer.status, f"http_{answer.status}", f"There is no such thing at {self.host}{self.prefix}.")
        return answer.body

    def _kept(self, tile: tiles.Tile) -> bytes | None:
        if self.mirror is None or tile.width < tiles.WIDTH:
            return None
        try:
            return (self.mirror / "tile" / tile.path()).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.Misused(f"The copy can't be read: {error}") from error


def opened(url: str, *, mirror: Path | None, sleep: Callable[[float], None] = time.sleep) -> Monitor:
    """Return the monitor of the log at an address: that of an installation, or of the tiles themselves. Raises ``Misused``."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise errors.Misused(f"{url!r} is no address of a log; give one like https://ledger.example.")
    path = parts.path.rstrip("/")
    return Monitor(path or MONITOR_PATH, f"{parts.scheme}://{parts.netloc}", mirror, sleep=sleep)


def _narrowed(whole: bytes, tile: tiles.Tile) -> bytes:
    if tile.level >= 0:
        return whole[: tile.width * 32]
    return tiles.pack_entries(tiles.unpack_entries(whole)[: tile.width])


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise errors.Garbled("The checkpoint is no text.") from error


def _replace(place: Path, content: bytes) -> None:
    """Write a file in one step, so that a kill leaves it whole or not at all."""
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(place)
    except OSError as error:
        raise errors.Misused(f"{place} can't be written: {error}") from error
