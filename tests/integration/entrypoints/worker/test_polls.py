"""Connections read from the stand-ins by the worker's own jobs: the past, then hour by hour, what was revised and what vanished."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from carbonledger import bootstrap
from carbonledger.domains.connections import types
from carbonledger.infra import reach
from tests import conftest, standins
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import conftest as benches
from tests.integration.entrypoints.worker import polling
from tests.integration.entrypoints.worker.conftest import Bench
from tests.journeys import trace_totals

LAG = timedelta(seconds=600)


@pytest.fixture
def world() -> Iterator[standins.StandIns]:
    with standins.running() as served:
        yield served


@pytest.fixture
async def services(fresh_database: conftest.TestDatabase, tmp_path: Path, world: standins.StandIns) -> AsyncIterator[bootstrap.Services]:
    configuration = benches.configure(fresh_database, tmp_path, job_attempts_max=3, **world.settings)
    addresses = reach.given(configuration)
    assert addresses is not None
    async with bootstrap.build(configuration, addresses, application="test-worker") as built:
        yield built


@pytest.fixture
async def account(bench: Bench) -> polling.Account:
    return await polling.account(bench)


@pytest.mark.parametrize("provider", standins.KEYS)
async def test_what_was_read_is_what_the_trace_says(account: polling.Account, provider: str) -> None:
    made = await account.connect(provider)
    await account.run()
    view = await account.show(made.view.connection.id)
    assert view.connection.state is types.State.ACTIVE, view
    # The shop assistant's hour is revised once it was read: the second poll sees it.
    await account.poll(view.connection.id)
    until = (standins.NOON - LAG).timestamp()
    anchor = standins.NOON.replace(hour=0).timestamp()
    counted = trace_totals.totals(trace_totals.DATA, until=until, anchor=anchor)
    assert await account.totals() == polling.expected(counted, provider)
    await kit.rollups_equal_raw(account.bench.database, account.organization_id)
