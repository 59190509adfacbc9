"""How far an interrupted import came, kept in a small file until it is complete.

Owns: the file. It only saves time: the keys of the rows make a second sending harmless, so a state that is missing, broken or of another
import is passed over. It is bound to the file's content, the mapping, the server and the key, of which it holds digests alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from carbonledger_client.importing.tally import Refusal

_VERSION = 1
_MAX_BYTES = 2**20
REFUSALS_MAX = 1000  # past this many the state is not carried on: the rows are sent again, and named again


@dataclass(frozen=True, slots=True)
class State:
    """Rows up to ``row`` are with the server; what it did with them; those that it rejected."""

    subject: str
    row: int = 0
    accepted: int = 0
    duplicate: int = 0
    revised: int = 0
    refusals: tuple[Refusal, ...] = field(default=())
    version: int = _VERSION


def subject(*, digest: str, recipe: str, url: str, api_key: str) -> str:
    """Return what a state is about, as a digest: the content, how it is read, and where it goes."""
    return hashlib.sha256("\0".join((digest, recipe, url, hashlib.sha256(api_key.encode()).hexdigest())).encode()).hexdigest()


def path(named: Path | None, subject: str, environ: Mapping[str, str], home: Path) -> Path:
    """Return the named file, or one in the user's state folder (XDG Base Directory Specification 0.8)."""
    if named is not None:
        return named
    told = environ.get("XDG_STATE_HOME", "")
    folder = Path(told) if told.startswith("/") else home / ".local" / "state"
    return folder / "carbonledger" / "imports" / f"{subject[:32]}.json"


class Loaded(NamedTuple):
    """What was found: a state to go on from, a word on why it is a fresh one, and whether its file may be replaced."""

    state: State
    word: str | None = None
    is_ours: bool = True


def load(place: Path, subject: str) -> Loaded:
    """Return the state of this import, or a fresh one. A file that is no state is left as it is: its name may be a slip of the hand."""
    fresh = State(subject)
    try:
        with place.open("rb") as handle:
            found = msgspec.json.decode(handle.read(_MAX_BYTES), type=State)
    except FileNotFoundError:
        return Loaded(fresh)
    except (OSError, msgspec.DecodeError) as error:
        return Loaded(fresh, f"{place} is no state file ({error}): it is passed over and left as it is, and none is kept.", is_ours=False)
    if found.version != _VERSION or found.subject != subject or found.row < 0:
        return Loaded(fresh, f"The state file {place} is of another import and is passed over.")
    return Loaded(found)


def save(place: Path, state: State) -> None:
    """Replace the file in one step, so that a kill leaves the old or the new one. Raises ``OSError``."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    beside.write_bytes(msgspec.json.encode(asdict(state)))
    beside.replace(place)


def clear(place: Path) -> None:
    """Remove the file: the import is complete."""
    with contextlib.suppress(FileNotFoundError):
        place.unlink()
