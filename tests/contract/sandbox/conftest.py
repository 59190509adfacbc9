"""The stand-ins of the usage APIs in this process, their clock standing at noon of the anchor day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from carbonledger_sandbox import app, state
from tests.contract.sandbox import kit


@pytest.fixture
def standins() -> Iterator[state.State]:
    found = kit.loaded()
    found.reset()
    found.clock.set(int(kit.NOON.timestamp()), frozen=True)
    yield found
    found.reset()


@pytest.fixture
async def world(standins: state.State) -> AsyncIterator[kit.World]:
    transport = httpx2.ASGITransport(app=app.create(standins))
    async with httpx2.AsyncClient(transport=transport, base_url="http://stand-in.test") as client:
        yield kit.World(standins, client)
