"""How many workers an installation has."""

from __future__ import annotations

import os
import socket

import pytest

from carbonledger.entrypoints.cli import console, running, tree
from carbonledger.infra import settings


@pytest.mark.parametrize(
    "asked, processors, names",
    [
        (1, 8, ["worker"]),  # what was asked for, whatever the machine has
        (3, 1, ["worker", "worker 2", "worker 3"]),
        (0, 2, ["worker", "worker 2"]),  # one for each processor
        (0, 64, ["worker", "worker 2", "worker 3", "worker 4"]),  # each takes memory, too
        (0, None, ["worker"]),  # a machine that does not tell
    ],
)
def test_workers_are_as_many_as_asked_for_or_as_there_are_processors(
    monkeypatch: pytest.MonkeyPatch, asked: int, processors: int | None, names: list[str]
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert running._workers(settings.Settings(workers=asked)) == names


async def test_who_asks_to_stop_is_obeyed_even_where_nothing_can_be_said() -> None:
    def unheard(*_: object, **__: object) -> None:
        raise BrokenPipeError

    with socket.socket() as sock:
        installation = running._Installation(settings.Settings(), sock, None, forward=unheard)
        with console.spoken_by(unheard), pytest.raises(BrokenPipeError):
            installation._asked_to_stop()

    assert installation._stop.is_set()


async def test_what_ends_the_announcement_is_told_and_the_later_parts_start_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    async def broken(*_: object) -> str:
        raise MemoryError("no room")

    def speak(line: str, *, err: bool = False) -> None:
        said.append(line)

    monkeypatch.setattr(running, "_probe", broken)
    with socket.socket() as sock, console.spoken_by(speak):
        installation = running._Installation(settings.Settings(), sock, None, forward=lambda *_: None)
        installation._tree = tree.Tree(installation._parts(), forward=lambda *_: None, notice=said.append)
        await installation._announce({})

    assert "MemoryError: no room" in said[0]
    assert all(keeper.may_start.is_set() for keeper in installation._tree._keepers)
