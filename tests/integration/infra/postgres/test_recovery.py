"""A start that takes longer than its users wait, as the recovery from a crash may: it is finished, and who must have it waits on."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from carbonledger.infra import postgres
from carbonledger.infra.postgres import lease, locks, programs, state
from tests import until
from tests.integration.infra.postgres import conftest
from tests.integration.infra.postgres.conftest import Place

# A user who asks for the server and does nothing with it.
_ASK = """
import sys
from pathlib import Path
from carbonledger.infra import postgres
postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1]), binaries=Path(sys.argv[2]), grace_s=0))
"""


@pytest.fixture
def gate(place: Place) -> Path:
    """Give a file that the server does not become ready before, while it is there; its cluster is made."""
    folder = place.programs(initdb="exit 1")
    real = programs.bundled()[0].bin_dir
    gate = place.root / "gate"
    waits = f'case "$1" in -D) while [ -e "{gate}" ]; do sleep 0.02; done;; esac'
    (folder / "postgres").write_text(f'#!/bin/sh\n{waits}\nexec {real / "postgres"} "$@"\n')
    place.ensure(grace_s=0).close()
    place.until_ended()
    gate.touch()
    return gate


def is_held(place: Place) -> bool:
    """Whether the server stands at the gate."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return any(command[1:3] == [str(place.root / "bin/postgres"), "-D"] for command in commands)


def test_a_start_whose_user_is_gone_is_finished(place: Place, gate: Path) -> None:
    before = place.folder().log.read_text().count("ready to accept connections")
    user = place.python(_ASK, place.root / "db", place.root / "bin")
    until.holds_now(lambda: is_held(place))

    conftest.kill(user.pid)
    gate.unlink()
    place.until_ended()

    assert place.folder().log.read_text().count("ready to accept connections") == before + 1


def test_who_has_patience_is_told_what_it_waits_for(place: Place, gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "STILL_S", 0.0)
    said: list[str] = []

    def hear(words: str) -> None:
        said.append(words)
        gate.unlink(missing_ok=True)

    with postgres.ensure(place.options(grace_s=0, binaries=place.root / "bin"), patience=hear) as held:
        assert held.version

    assert said[0].startswith("The database is starting, which takes minutes after some crashes.")


def test_patience_is_for_a_supervisor_that_lives(place: Place) -> None:
    place.ensure(grace_s=0).close()
    place.until_ended()
    said: list[str] = []
    with locks.FileLock(place.folder().start_lock) as turn:
        assert turn.try_exclusive()
        with pytest.raises(postgres.TimedOut, match="another process is starting or stopping it"):
            postgres.ensure(place.options(), timeout_s=0.05, patience=said.append)

    assert said == []


@pytest.mark.parametrize(
    "status, over", [("starting", False), ("recovering", False), ("ready", True), ("stopping", True), ("failed", True)]
)
def test_patience_ends_with_the_work_on_the_start(place: Place, monkeypatch: pytest.MonkeyPatch, status: state.Status, over: bool) -> None:
    monkeypatch.setattr(lease, "supervisor_state", lambda _: state.State(instance="it", status=status, pid=1))

    assert lease._Wait(time.monotonic() - 1, lambda _: None).is_over(place.folder()) is over
    assert lease._Wait(time.monotonic() - 1).is_over(place.folder())
