"""Whoever audits a log finds any byte that was changed of its checkpoint, its leaves, its tiles, or its list of keys: each is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from carbonledger_client import errors
from carbonledger_client.auditing import run as auditing
from carbonledger_proof import keys, tiles
from tests.integration.client import public_log


@dataclass(frozen=True, slots=True)
class Shown:
    """The log as a monitor reads it, from its files."""

    files: dict[str, bytes]

    def checkpoint(self) -> str:
        return self.files[f"{public_log.PREFIX}/checkpoint"].decode(errors="replace")

    def keys(self) -> bytes:
        return self.files["/.well-known/jwks.json"]

    def tile(self, tile: tiles.Tile) -> bytes:
        return self.files[public_log.Log.place(tile)]

    def keep(self, tile: tiles.Tile, content: bytes) -> None: ...


LOG = public_log.Log()
LOG.publish(keys.Purpose.RECEIPTS, seed=1)
LOG.lots(2)
KEY = LOG.rotate(LOG.publish(keys.Purpose.LOG, seed=2), seed=3)
LOG.write(KEY)
PINNED = keys.KeySet(tuple(LOG.shown))


def is_right(files: dict[str, bytes]) -> bool:
    """Say whether an audit by somebody who has the keys from elsewhere finds nothing."""
    monitor: Any = Shown(files)
    try:
        return not auditing.run(monitor, memory=None, pinned=PINNED, told=lambda _: None).findings
    except errors.Garbled:
        return False


def test_the_log_is_right_as_it_is() -> None:
    assert is_right(LOG.files)


@pytest.mark.parametrize("place", sorted(LOG.files), ids=lambda place: place.rpartition("log/")[2])
def test_every_byte_counts(place: str) -> None:
    content = LOG.files[place]
    survivors = []
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        if is_right({**LOG.files, place: bytes(changed)}):
            survivors.append((at, content[at - 8 : at + 8]))
    assert not survivors
