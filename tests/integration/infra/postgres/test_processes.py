"""A program that the supervisor runs to its end: it gets its input, what it says is heard, and it ends when there is no time for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carbonledger.infra.postgres import locks, processes
from tests.integration.infra.postgres import conftest

_LATE = """
import sys, time
from pathlib import Path
while not Path("go").exists():
    time.sleep(0.01)
sys.stdout.write(f"{len(sys.stdin.read())} ä")
sys.exit(3)
"""
_FOREVER = """
import os, sys, time
from pathlib import Path
Path("pid").write_text(str(os.getpid()))
Path("pid").rename("started")
time.sleep(3600)
"""


def _guard(folder: Path) -> locks.FileLock:
    guard = processes.take_guard(folder / "server.lock")
    assert guard is not None
    return guard


@pytest.mark.parametrize("length", [0, 1_000, 1 << 20])  # the last is more than a pipe holds
def test_all_its_input_arrives_though_it_was_first_looked_at_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    # What a busy machine makes of a short look: its time is over before anything was done.
    monkeypatch.setattr(processes, "_LOOK_S", -1.0)
    looks = 0

    def pause(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            monkeypatch.setattr(processes, "_LOOK_S", 0.05)
            (tmp_path / "go").touch()

    said = processes.run([sys.executable, "-c", _LATE], guard=_guard(tmp_path), cwd=tmp_path, text="x" * length, pause=pause)
    assert said == (3, f"{length} ä")
    assert looks >= 3
    _guard(tmp_path).close()  # it is nobody's any more
    assert {path.name for path in tmp_path.iterdir()} == {"go", "server.lock"}


def test_it_is_ended_when_its_supervisor_must_leave(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def pause(_seconds: float) -> None:
        if (tmp_path / "started").exists():
            raise Enough

    with pytest.raises(Enough):
        processes.run([sys.executable, "-c", _FOREVER], guard=_guard(tmp_path), cwd=tmp_path, text=None, pause=pause)
    assert not conftest.alive(int((tmp_path / "started").read_text()))
