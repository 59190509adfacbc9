"""What a provider does wrong: each has a name, nothing of a bad page is kept, what was read before it stays, and the poller never spins."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carbonledger import bootstrap
from carbonledger.adapters import openai
from carbonledger.domains.connections import service, types
from carbonledger.infra import http, reach, retry
from carbonledger.kernel.secret import SecretText
from tests import conftest, standins, until
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import conftest as benches
from tests.integration.entrypoints.worker import polling
from tests.integration.entrypoints.worker.conftest import Bench

ONCE = retry.Policy(attempts_max=1, unknown_attempts_max=1, base_s=0.0, cap_s=0.0)
PATIENT = http.Limits(connect_s=until.DEADLINE_S, read_s=until.DEADLINE_S, total_s=4 * until.DEADLINE_S, answer_bytes=32 * 2**20)
SLOW_S = 1.0
GOOD = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "input_cached_tokens": 400,
    "output_tokens": 10,
    "num_model_requests": 1,
    "model": "gpt-4o-2024-08-06",
}
COMPLETIONS = "completions"
OTHERS = {"text-embedding-3-small"}
"""The models of the other streams: read all the same, unless the provider asks us to wait, or is silent when it is asked for the key."""


@pytest.fixture
def world() -> Iterator[standins.StandIns]:
    with standins.running() as served:
        yield served


@pytest.fixture
async def client(world: standins.StandIns) -> AsyncIterator[http.Client]:
    """Return a client that asks once, so that each bad answer reaches the poll."""
    async with http.Client("openai", base_url=world.settings["openai_url"], limits=PATIENT, policy=ONCE) as made:
        yield made


@pytest.fixture
async def services(
    fresh_database: conftest.TestDatabase, tmp_path: Path, world: standins.StandIns, client: http.Client
) -> AsyncIterator[bootstrap.Services]:
    configuration = benches.configure(fresh_database, tmp_path, job_attempts_max=3, **world.settings)
    addresses = reach.given(configuration)
    assert addresses is not None
    async with bootstrap.build(configuration, addresses, application="test-worker") as built:
        connector = openai.OpenAi(openai.api(client))
        connector.first_read_days = 14  # three windows of the hourly streams are enough to break off between
        connectors = {**built.connectors, "openai": connector}
        yield dataclasses.replace(built, connectors=connectors)


@pytest.fixture
async def account(bench: Bench) -> polling.Account:
    return await polling.account(bench)


def replaced(*path: str | int, value: object) -> dict[str, Any]:
    return {"kind": "replace", "path": path, "value": value}


def row(**wrong: Any) -> dict[str, Any]:
    """One row in the first bucket of the page, and something in it is wrong."""
    return replaced("data", 0, "results", value=[{**GOOD, **wrong}])


def asked_of(world: standins.StandIns, stream: str) -> int:
    """Return how often a stream's address was asked."""
    return sum(request["path"].endswith(f"/{stream}") for request in world.state.requests)


BAD = {
    "negative count": (row(input_tokens=-1), types.CountInvalid),
    "enormous count": (row(input_tokens=2**60), types.CountInvalid),
    "no count": (row(output_tokens=float("nan")), types.AnswerUnreadable),
    "cached above input": (row(input_cached_tokens=2**50), types.CountsContradict),
    "year 1970": (replaced("data", 0, "start_time", value=0), types.BucketWidthWrong),
    "year 2100": (replaced("data", 0, "start_time", value=4102444800), types.BucketWidthWrong),
    "wrong width": (replaced("data", 0, "end_time", value=1), types.BucketWidthWrong),
    "null model": (row(model=None), types.ModelMissing),
    "half a page": ({"kind": "half_page"}, types.AnswerUnreadable),
    "page for people": ({"kind": "html"}, types.AnswerUnreadable),
    "short body": ({"kind": "short_body"}, types.AnswerUnreadable),
    "two rows that are one": (replaced("data", 0, "results", value=[GOOD, GOOD]), types.RowRepeated),
    "server error": ({"kind": "server_error"}, types.ProviderUnavailable),
    "limited": ({"kind": "rate_limit"}, types.ProviderLimited),
    "slow": ({"kind": "slow", "delay_s": SLOW_S}, types.ProviderUnavailable),
}


@pytest.mark.parametrize("failure, fault", BAD.values(), ids=BAD)
async def test_a_bad_answer_is_named_and_tried_again_some_times(
    account: polling.Account,
    world: standins.StandIns,
    client: http.Client,
    monkeypatch: pytest.MonkeyPatch,
    failure: dict[str, Any],
    fault: type[types.ProviderFault],
) -> None:
    """The first page of completions that has usage in it is bad each time that it is asked for."""
    connector = account.bench.services.connectors["openai"]
    assert isinstance(connector, openai.OpenAi)
    connector.first_read_days = 2  # further pages say nothing more, and are many to read
    made = await account.connect()
    asked = asked_of(world, COMPLETIONS)
    world.spoil("openai", **failure, times=1000, containing=f"/usage/{COMPLETIONS}")
    with monkeypatch.context() as patch:
        if failure["kind"] == "slow":
            patch.setattr(client._http, "timeout", httpx2.Timeout(SLOW_S / 2))
        await account.run()
    view = await account.show(made.view.connection.id)
    assert (view.connection.state, view.connection.failures) == (types.State.ERROR, 1)
    assert view.connection.last_error is not None
    assert view.connection.last_error.code == fault.code or fault is types.AnswerUnreadable, view.connection.last_error
    assert fault.code.split("_")[0] == view.connection.last_error.code.split("_")[0]
    assert {model for _, model in await account.totals()} == (
        set() if fault is types.ProviderLimited or failure["kind"] == "slow" else OTHERS
    )
    assert await account.rows("SELECT FROM connection_buckets WHERE organization_id = $1 AND stream = 'completions'") == []
    attempts = asked_of(world, COMPLETIONS) - asked
    assert attempts <= 3 * service.POLL_ATTEMPTS, "the poller spins"
    [alert] = await account.events("connection.failed")
    assert (alert["severity"], sorted(alert["audience"])) == ("warning", ["admin", "owner"])
    assert alert["after"]["code"] == view.connection.last_error.code

    world.state.failures.clear()
    assert (await account.poll(made.view.connection.id))["outcome"] == "read"
    view = await account.show(made.view.connection.id)
    assert (view.connection.state, view.connection.failures) == (types.State.ACTIVE, 0)
    assert len(await account.events("connection.recovered")) == 1
    assert await account.totals() != {}
    await kit.rollups_equal_raw(account.bench.database, account.organization_id)


async def test_what_was_read_before_a_bad_page_stays_and_is_not_read_twice(account: polling.Account, world: standins.StandIns) -> None:
    made = await account.connect()
    world.spoil("openai", "half_page", times=1000, skip=1, containing=f"/usage/{COMPLETIONS}")
    await account.run()
    view = await account.show(made.view.connection.id)
    assert view.connection.state is types.State.ERROR
    before = await account.rows("SELECT id, revision FROM telemetry_events WHERE organization_id = $1 ORDER BY id")
    [stream] = [state for state in view.streams if state.stream == COMPLETIONS]
    assert before
    assert stream.read_to is not None
    world.state.failures.clear()
    await account.poll(made.view.connection.id)
    after = await account.rows("SELECT id, revision FROM telemetry_events WHERE organization_id = $1 ORDER BY id")
    assert len(after) > len(before)
    assert {row["id"]: row["revision"] for row in before}.items() <= {row["id"]: row["revision"] for row in after}.items()


async def test_pages_that_repeat_end_the_walk(account: polling.Account, world: standins.StandIns) -> None:
    made = await account.connect()
    asked = asked_of(world, COMPLETIONS)
    world.spoil("openai", "repeat_page", times=1000, skip=1, containing=f"/usage/{COMPLETIONS}")
    await account.run()
    error = (await account.show(made.view.connection.id)).connection.last_error
    assert error is not None
    assert error.code in {types.PageRepeated.code, types.BucketMisplaced.code}
    assert asked_of(world, COMPLETIONS) - asked < 60, "the poller spins"


async def test_a_key_that_is_revoked_is_asked_for_once_a_poll_and_never_more_after_five(
    account: polling.Account, world: standins.StandIns
) -> None:
    made = await account.connect()
    await account.run()
    world.state.keys[standins.KEYS["openai"]].revoked = True
    asked = world.asked("openai")
    for _ in range(7):
        await account.poll(made.view.connection.id)
    assert world.asked("openai") - asked == types.FAILURES_MAX
    told = await account.events("connection.failed", "connection.stopped")
    assert [(event["action"], event["severity"]) for event in told] == [
        ("connection.failed", "warning"),
        ("connection.stopped", "critical"),
    ]
    assert told[1]["after"]["failures"] == types.FAILURES_MAX


async def test_a_refused_stream_is_left_out_and_the_others_are_read(account: polling.Account, world: standins.StandIns) -> None:
    """A stream may be closed to one account: its words are shown, and the rest is no less complete for it."""
    made = await account.connect()
    refused = types.StreamRefused("Not for this account.")
    connector = account.bench.services.connectors["openai"]
    poll = connector.poll

    async def some(key: SecretText, *, stream: types.Stream, **more: Any) -> types.RawPage:
        if stream.name == "images":
            raise refused
        return await poll(key, stream=stream, **more)

    connector.poll = some  # type: ignore[method-assign]
    await account.run()
    view = await account.show(made.view.connection.id)
    assert view.connection.state is types.State.ACTIVE
    streams = {state.stream: state for state in view.streams}
    assert (streams["images"].is_read, streams["images"].read_to) == (False, None)
    assert "Not for this account." in (streams["images"].refused or "")
    assert all(state.polled_at for name, state in streams.items() if name != "images")
    asked = world.asked("openai")
    await account.poll(view.connection.id)
    assert world.asked("openai") > asked
    del connector.poll
    await account.poll(view.connection.id, everything=True)
    streams = {state.stream: state for state in (await account.show(view.connection.id)).streams}
    assert (streams["images"].is_read, streams["images"].refused) == (True, None)
