"""What was seen of a log before: its name, its keys at first sight, and checkpoints that were found right. A small file of the user's.

A log that shows one history today and another tomorrow is found only by who remembers, so this file is the point of auditing again. A
file that is missing makes a first audit; one that can't be read is an error, because going on without it would find nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from carbonledger_client import errors

_VERSION = 1
_MAX_BYTES = 4 * 2**20
CHECKPOINTS_MAX = 100  # the newest ones; each proves all before it


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one log: ``keys`` is the JWKS as text, ``checkpoints`` signed notes, the oldest first."""

    origin: str
    keys: str
    checkpoints: tuple[str, ...] = ()
    version: int = _VERSION

    def with_checkpoint(self, note: str) -> Memory:
        """Return it with one more checkpoint."""
        kept = [one for one in self.checkpoints if one != note]
        return Memory(self.origin, self.keys, (*kept, note)[-CHECKPOINTS_MAX:])


def path(named: Path | None, url: str, environ: Mapping[str, str], home: Path) -> Path:
    """Return the named file, or that of this log in the user's state folder (XDG Base Directory Specification 0.8)."""
    if named is not None:
        return named
    told = environ.get("XDG_STATE_HOME", "")
    folder = Path(told) if told.startswith("/") else home / ".local" / "state"
    return folder / "carbonledger" / "logs" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"


def load(place: Path) -> Memory | None:
    """Return what is remembered, or None if nothing is. Raises ``Misused`` for a file that is none."""
    try:
        with place.open("rb") as handle:
            found = msgspec.json.decode(handle.read(_MAX_BYTES), type=Memory)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise errors.Misused(
            f"{place} can't be read as what was audited before ({error}). Put it back, or name another by --state."
        ) from error
    if found.version != _VERSION:
        raise errors.Misused(f"{place} is of another version of this program.")
    return found


def save(place: Path, memory: Memory) -> None:
    """Replace the file in one step, so that a kill leaves the old or the new one. Raises ``Misused``."""
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(msgspec.json.encode(asdict(memory)))
        beside.replace(place)
    except OSError as error:
        raise errors.Misused(f"{place} can't be written: {error}") from error
