"""Looking after the embedded database: nothing that a look meets ends the looking."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import pytest

from carbonledger.entrypoints.cli import console, healing
from carbonledger.infra import postgres
from tests import until


class Lease:
    """A lease whose looks go as told, each an address or an error; the last one again and again."""

    def __init__(self, *looks: str | Exception) -> None:
        self._looks = list(looks)
        self._address = "first"
        self.looked = 0

    def ensure(self, *, timeout_s: float) -> None:
        assert timeout_s > 0
        self.looked += 1
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        self._address = look

    def dsn(self, role: str) -> str:
        assert role == "app"
        return self._address


@pytest.mark.parametrize(
    "error, words",
    [
        (postgres.DiskFull("The disk is full; make room."), "warning: The disk is full; make room."),
        (
            MemoryError("no room"),
            "warning: Looking after the embedded database failed (MemoryError: no room). Trying again.",
        ),
    ],
)
async def test_a_look_that_fails_is_told_and_another_follows(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    monkeypatch.setattr(healing, "_LOOK_S", 0.001)
    lease, said, moves = Lease(error, "first", "second", "second"), [], []

    def speak(line: str, *, err: bool = False) -> None:
        assert err
        said.append(line.replace("\x1b[33m", "").replace("\x1b[0m", ""))

    with console.spoken_by(speak):
        healer = asyncio.create_task(healing.heal(cast("postgres.Lease", lease), on_moved=lambda: moves.append(lease.dsn("app"))))
        await until.holds(lambda: lease.looked >= 6 or healer.done())
        healer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await healer

    assert said == [words]
    assert moves == ["second"]


async def test_looking_goes_on_where_nobody_reads_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing, "_LOOK_S", 0.001)
    lease = Lease(postgres.DiskFull("The disk is full; make room."))

    def speak(line: str, *, err: bool = False) -> None:
        raise BrokenPipeError

    with console.spoken_by(speak):
        healer = asyncio.create_task(healing.heal(cast("postgres.Lease", lease), on_moved=lambda: None))
        await until.holds(lambda: lease.looked >= 3 or healer.done())
        assert not healer.done()
        healer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await healer
