"""One stream of several fails: the others are read to their end all the same, and then the poll ends with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from carbonledger.domains.connections import service, types
from carbonledger.kernel.secret import SecretText
from tests.integration.entrypoints.worker import provider
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.provider import COMPLETIONS, COSTS, DAY, IMAGES, MODELS, NOW

MIDNIGHT = NOW.replace(hour=0, minute=0)
FIRST = MIDNIGHT - 20 * DAY
"""Of a read over three weeks: the costs fall into its first window, the tokens into all three."""
READ_TO = NOW.replace(hour=13, minute=0)


def some(fault: Callable[[], types.ProviderFault], *streams: str) -> Callable[[types.Stream], None]:
    def ask(stream: types.Stream) -> None:
        if stream.name in streams:
            raise fault()

    return ask


async def failing(bench: Bench, fault: Callable[[], types.ProviderFault], *streams: str) -> tuple[provider.World, list[str]]:
    """Return an account with tokens in each of three weeks whose ``streams`` fail, and the list of the streams that are asked for."""
    one = await provider.world(bench, provider.Provider(first_read_days=20, page_size=1000))
    for days in (0, 9, 18):
        one.provider.truth[COMPLETIONS.name, FIRST + days * DAY] = {MODELS[0]: 10 + days}
    one.provider.truth[COSTS.name, FIRST] = {"input": 3}
    poll, ask, asked = one.provider.poll, some(fault, *streams), list[str]()

    async def answer(key: SecretText, *, stream: types.Stream, **more: Any) -> types.RawPage:
        asked.append(stream.name)
        ask(stream)
        return await poll(key, stream=stream, **more)

    one.provider.poll = answer  # type: ignore[method-assign]
    return one, asked


async def states(one: provider.World) -> dict[str, tuple[datetime | None, bool]]:
    """Return up to where each stream was read, and whether to its end."""
    rows = await one.account.rows("SELECT stream, read_to, polled_at FROM connection_streams WHERE organization_id = $1")
    return {row["stream"]: (row["read_to"], row["polled_at"] is not None) for row in rows}


TOKENS = {(COMPLETIONS.name, FIRST + days * DAY): {MODELS[0]: 10 + days} for days in (0, 9, 18)}
OF_STREAM: dict[str, Callable[[], types.ProviderFault]] = {
    "unreadable": lambda: types.AnswerUnreadable("It is 3 bytes that are no JSON."),
    "500": lambda: types.ProviderUnavailable("OpenAI answered 500.", answered=True),
    "silence": lambda: types.ProviderUnavailable("OpenAI: it did not answer in time."),
    "rows": lambda: types.RowsRefused("1 of 1 rows: no."),
    "403": lambda: types.KeyInsufficient("OpenAI wants another."),
    "400": lambda: types.RequestRefused("OpenAI answered 400."),
}


@pytest.mark.parametrize("fault", OF_STREAM.values(), ids=OF_STREAM)
async def test_the_other_streams_are_read_to_their_end(bench: Bench, fault: Callable[[], types.ProviderFault]) -> None:
    one, asked = await failing(bench, fault, COSTS.name)
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await one.account.run()
    assert await one.read() == TOKENS
    found = await states(one)
    assert found == {COMPLETIONS.name: (READ_TO, True), IMAGES.name: (READ_TO, True), COSTS.name: (None, False)}
    # Tried again as ever, and with each attempt no more is asked than what is missing.
    attempts = service.POLL_ATTEMPTS if fault().kind is types.ProviderUnavailable.kind else 1
    assert (asked.count(COSTS.name), asked.count(COMPLETIONS.name), asked.count(IMAGES.name)) == (attempts, 3, 3)
    connection = (await one.account.show(connection_id)).connection
    assert (connection.state, connection.failures) == (types.State.ERROR, 1)
    assert connection.last_error is not None
    assert connection.last_error.code == fault().code
    assert len(await one.account.events("connection.failed")) == 1


async def test_five_polls_that_fail_by_one_stream_still_stop_the_connection(bench: Bench) -> None:
    one, asked = await failing(bench, OF_STREAM["400"], COSTS.name)
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await one.account.run()
    for hours in range(1, types.FAILURES_MAX):
        one.provider.truth[COMPLETIONS.name, READ_TO + (hours - 1) * timedelta(hours=1)] = {MODELS[0]: hours}
        await one.account.pass_time(timedelta(hours=1))
        await one.account.poll(connection_id)
    connection = (await one.account.show(connection_id)).connection
    assert (connection.state, connection.failures) == (types.State.STOPPED, types.FAILURES_MAX)
    # Each of the five had read the tokens that were new by then.
    assert (await one.read()).keys() - TOKENS.keys() == {(COMPLETIONS.name, READ_TO + n * timedelta(hours=1)) for n in range(4)}
    assert asked.count(COSTS.name) == types.FAILURES_MAX


async def test_an_attempt_that_runs_again_reads_what_was_set_aside(bench: Bench) -> None:
    """The stream breaks after its first window: that stays read, and the next attempt goes on with the second, alone."""
    one, asked = await failing(bench, OF_STREAM["500"])
    poll, is_broken, broken = one.provider.poll, [True], OF_STREAM["500"]()

    async def second(key: SecretText, *, stream: types.Stream, **more: Any) -> types.RawPage:
        if stream is IMAGES and is_broken and more["window"].starts_at == FIRST + 7 * DAY:
            asked.append("broken")
            is_broken.clear()
            raise broken
        return await poll(key, stream=stream, **more)

    one.provider.poll = second  # type: ignore[method-assign]
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await bench.run_once()
    found = await states(one)
    assert found[IMAGES.name] == (FIRST + 7 * DAY, False)
    assert found[COMPLETIONS.name] == (READ_TO, True)
    before = list(asked)
    await one.account.run()
    assert asked[len(before) :] == [IMAGES.name] * 2
    assert (await states(one))[IMAGES.name] == (READ_TO, True)
    assert await one.read() == {**TOKENS, (COSTS.name, FIRST): {"input": 3}}
    assert (await one.account.show(connection_id)).connection.state is types.State.ACTIVE


async def test_the_stream_that_the_key_is_tried_with_keeps_no_other_from_being_read(bench: Bench) -> None:
    one, _ = await failing(bench, OF_STREAM["500"], COMPLETIONS.name)
    one.provider.check_fault = None
    await one.account.connect(key=provider.KEY)
    one.provider.check_fault = types.ProviderUnavailable("OpenAI answered 500.", answered=True)
    await one.account.run()
    assert await one.read() == {(COSTS.name, FIRST): {"input": 3}}


AT_ONCE: dict[str, Callable[[], types.ProviderFault]] = {
    "401": lambda: types.KeyRefused("OpenAI does not know it."),
    "429": lambda: types.ProviderLimited("OpenAI answered 429."),
    "429 with a time": lambda: types.ProviderLimited("OpenAI answered 429.", retry_after_s=30),
    "500 with a time": lambda: types.ProviderUnavailable("OpenAI answered 500.", retry_after_s=30, answered=True),
}


@pytest.mark.parametrize("fault", AT_ONCE.values(), ids=AT_ONCE)
async def test_what_is_about_the_key_or_asks_us_to_wait_ends_the_poll_at_once(
    bench: Bench, fault: Callable[[], types.ProviderFault]
) -> None:
    one, asked = await failing(bench, fault, IMAGES.name)
    await one.account.connect(key=provider.KEY)
    await bench.run_once()
    assert asked == [COMPLETIONS.name, IMAGES.name]


@pytest.mark.parametrize("fault", [OF_STREAM["403"], OF_STREAM["silence"]], ids=["403", "silence"])
async def test_where_the_provider_does_not_answer_for_the_key_either_the_poll_ends_at_once(
    bench: Bench, fault: Callable[[], types.ProviderFault]
) -> None:
    one, asked = await failing(bench, fault, IMAGES.name)
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    one.provider.check_fault = fault()
    await bench.run_once()
    assert asked == [COMPLETIONS.name, IMAGES.name]
    await one.account.run()
    error = (await one.account.show(connection_id)).connection.last_error
    assert error is not None
    assert error.code == fault().code
