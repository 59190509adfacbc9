"""What a supervisor says of itself, in a file that every user of the database reads.

Owns: ``State`` and its file. Written by the supervisor alone, whole and by rename, so a reader sees one state or the next.
A state is only as good as its writer: it counts if its ``instance`` is the one named in the locked ``supervisor.lock``.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["starting", "ready", "recovering", "stopping", "failed"]


@dataclass(frozen=True, slots=True)
class State:
    """``host`` is the socket's folder or an address; ``options`` are those that the running server was started with."""

    instance: str
    status: Status
    pid: int
    host: str = ""
    port: int = 0
    version: str = ""
    bin_dir: str = ""
    postmaster_pid: int | None = None
    restarts: int = 0
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(path: Path, state: State) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")
    os.replace(fresh, path)  # noqa: PTH105 - the word says that the old one goes


def read(path: Path) -> State | None:
    """Return the last state written, or ``None`` if there never was one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    known = {field.name for field in dataclasses.fields(State)}
    # A supervisor of another release may say more; it goes on running through an upgrade.
    return State(**{name: value for name, value in json.loads(text).items() if name in known})
