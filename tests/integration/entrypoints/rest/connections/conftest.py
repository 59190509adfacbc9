"""An installation whose providers are the stand-ins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carbonledger.infra import clock
from tests import standins
from tests.integration.entrypoints.rest.identity.conftest import Installation, Opener, install

__all__ = ["install"]  # a fixture


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[standins.StandIns]:
    with standins.running() as served:
        monkeypatch.setattr(clock, "now", served.now)  # whatever the day, their 60 days are the last ones
        yield served


@pytest.fixture
async def ledger(install: Opener, world: standins.StandIns) -> Installation:
    return await install(**world.settings)
