"""A command that ``up`` runs in a child: run again while its database blinks, and told of in our own words when it was killed."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from carbonledger.entrypoints.cli import console, exits, telling

REACHED, AWAY = ('print(\'{"database": "reached"}\', flush=True)', 'print(\'{"database": "away"}\', flush=True)')
DONE = 'print(\'{"schema": "at revision 1"}\')'
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


class Command:
    """A command whose runs go as told, the last one again and again."""

    def __init__(self, folder: Path, *runs: str) -> None:
        self._runs = folder / "runs"
        script = ["import os, signal, sys", f"with open({str(self._runs)!r}, 'a+') as file:"]
        script += ["    file.write('x')", "    file.seek(0)", "    run = len(file.read())"]
        for number, what in enumerate(runs, start=1):
            script.append(f"if run {'>=' if number == len(runs) else '=='} {number}: {what}")
        (folder / "command.py").write_text("\n".join(script))
        self.argv = (sys.executable, str(folder / "command.py"))
        self.said: list[str] = []

    @property
    def count(self) -> int:
        return len(self._runs.read_text())

    def speak(self, line: str, *, err: bool = False) -> None:
        assert err
        self.said.append(line.replace("\x1b[33m", "").replace("\x1b[0m", ""))


async def tell(command: Command, monkeypatch: pytest.MonkeyPatch, *, is_reached: bool) -> Mapping[str, str] | None:
    monkeypatch.setattr(telling, "SELF", command.argv)
    monkeypatch.setattr(telling, "_BACKOFF_S", (0.01,))
    with console.spoken_by(command.speak):
        return await telling.told_by("migrate", environ=dict(os.environ), stop=asyncio.Event(), is_reached=is_reached)


@pytest.mark.parametrize("is_reached", [False, True])
async def test_a_database_that_blinks_costs_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_reached: bool) -> None:
    first = f"{AWAY}; exit(6)" if is_reached else f"{REACHED}; {AWAY}; exit(6)"
    command = Command(tmp_path, first, f"{AWAY}; exit(6)", KILLED, f"{REACHED}; {DONE}")

    assert await tell(command, monkeypatch, is_reached=is_reached) == {"schema": "at revision 1"}

    assert command.said == [
        "warning: migrate ended (exit code 6) and starts again.",
        "warning: migrate ended (exit code 6) and starts again.",
        "warning: migrate ended (killed by SIGKILL) and starts again.",
    ]


@pytest.mark.parametrize(
    "run, code",
    [
        (f"{AWAY}; exit(6)", 6),  # a server that nobody has reached: its address may be wrong
        (f"{REACHED}; exit(6)", 6),  # the database is there; something else stands in the way, such as a newer schema
        (f"{REACHED}; exit(3)", 3),
        (f"{REACHED}; exit(70)", 70),
    ],
)
async def test_what_does_not_pass_by_itself_ends_the_start_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, code: int
) -> None:
    command = Command(tmp_path, run)

    with pytest.raises(typer.Exit) as caught:
        await tell(command, monkeypatch, is_reached=False)

    assert (caught.value.exit_code, command.count, command.said) == (code, 1, [])


async def test_a_command_that_is_killed_each_time_is_given_up_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "AGAIN_FOR_S", 0.0)

    with pytest.raises(telling.CommandBroken, match=r"migrate ended \(killed by SIGKILL\)") as caught:
        await tell(Command(tmp_path, KILLED), monkeypatch, is_reached=True)

    assert exits.of(caught.value) is exits.Code.UNAVAILABLE


async def test_a_command_that_can_not_be_started_now_is_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, errors = asyncio.create_subprocess_exec, [OSError(errno.EMFILE, "no descriptor"), RuntimeError("can't start new thread")]

    async def scarce(*argv: str, **given: Any) -> asyncio.subprocess.Process:
        if errors:
            raise errors.pop()
        return await make(*argv, **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    command = Command(tmp_path, DONE)

    assert await tell(command, monkeypatch, is_reached=False) == {"schema": "at revision 1"}

    assert command.said[0] == "warning: migrate ended (it could not be started: can't start new thread) and starts again."


async def test_asked_to_stop_it_waits_for_no_further_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, stop = Command(tmp_path, KILLED), asyncio.Event()
    monkeypatch.setattr(telling, "SELF", command.argv)
    monkeypatch.setattr(telling, "_BACKOFF_S", (600.0,))

    def speak(line: str, *, err: bool = False) -> None:
        stop.set()

    with console.spoken_by(speak):
        assert await telling.told_by("migrate", environ=dict(os.environ), stop=stop, is_reached=True) is None
