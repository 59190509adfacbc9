"""The states of a connection: what polls, new keys and deletion make of it, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import outcomes
from carbonledger.domains.connections.core.outcomes import News
from carbonledger.domains.connections.types import Connection, State, Step

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ID = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")


def connection(state: State = State.READING_BACK, *, failures: int = 0) -> Connection:
    return Connection(
        id=ID,
        provider="openai",
        account=None,
        label="Production",
        secret_id=ID,
        key_hint="7g8h",
        workload_id=ID,
        state=state,
        failures=failures,
        last_error=None,
        last_polled_at=None,
        next_poll_at=NOW,
        reads_from=NOW,
        covers_direct=False,
        synced_at=None,
        created_at=NOW,
        updated_at=NOW,
        deleted_at=None,
    )


@pytest.mark.parametrize(
    "state, step, after",
    [
        (State.READING_BACK, Step.READ, State.ACTIVE),
        (State.ACTIVE, Step.READ, State.ACTIVE),
        (State.ERROR, Step.READ, State.ACTIVE),
        (State.STOPPED, Step.READ, None),  # a poll that was on its way when it stopped
        (State.READING_BACK, Step.FAIL, State.ERROR),
        (State.ACTIVE, Step.FAIL, State.ERROR),
        (State.ERROR, Step.FAIL, State.ERROR),
        (State.STOPPED, Step.FAIL, None),
        (State.ERROR, Step.GIVE_UP, State.STOPPED),
        (State.STOPPED, Step.REKEY, State.READING_BACK),
        (State.ERROR, Step.REKEY, State.READING_BACK),
        (State.ACTIVE, Step.REKEY, State.READING_BACK),
        (State.STOPPED, Step.DELETE, State.DELETED),
        (State.ACTIVE, Step.DELETE, State.DELETED),
        *((State.DELETED, step, None) for step in Step),
    ],
)
def test_what_may_follow_what(state: State, step: Step, after: State | None) -> None:
    if after is None:
        assert not types.allowed(state, step)
        with pytest.raises(ValueError, match="can't"):
            outcomes.moved(connection(state), step, now=NOW)
    else:
        assert outcomes.moved(connection(state), step, now=NOW).state is after


@given(st.lists(st.sampled_from(("read", "fail", "rekey")), max_size=40))
def test_any_order_of_polls_and_new_keys_keeps_count_and_tells_each_change_once(steps: list[str]) -> None:
    """The model is the number of failures since the last success or new key; five stop it until a new key."""
    one, failed, has_read = connection(), 0, False
    for step in steps:
        stopped = failed >= 5
        assert (one.state is State.STOPPED) is stopped
        if step == "rekey":
            one = outcomes.moved(one, Step.REKEY, now=NOW)
            failed, has_read = 0, False
            one = connection(one.state)
            continue
        if stopped:
            assert one.state not in types.POLLED
            continue
        if step == "read":
            one, news = outcomes.read(one, now=NOW)
            assert news is (News.RECOVERED if failed else News.NOTHING if has_read else News.READ_BACK)
            failed, has_read = 0, True
        else:
            one, news = outcomes.failed(one, code="provider_key_refused", words="No.", now=NOW)
            failed += 1
            assert news is {1: News.FAILED, 5: News.STOPPED}.get(failed, News.NOTHING)
            assert (one.next_poll_at is None) is (failed == 5)
        assert one.failures == failed


def test_the_lag_counts_from_the_last_poll_that_came_to_its_end() -> None:
    one = connection()
    assert one.lag_s(NOW) is None
    read, _ = outcomes.read(one, now=NOW)
    assert read.lag_s(NOW + timedelta(minutes=2)) == 120
    failed, _ = outcomes.failed(read, code="c", words="w", now=NOW + timedelta(hours=1))
    assert failed.lag_s(NOW + timedelta(hours=1)) == 3600


@pytest.mark.parametrize(
    "fault, passing",
    [
        (types.KeyRefused, False),
        (types.KeyInsufficient, False),
        (types.StreamRefused, False),
        (types.RequestRefused, False),
        (types.ProviderLimited, True),
        (types.ProviderUnavailable, True),
        (types.AnswerUnreadable, True),
        (types.PageRepeated, True),
        (types.RowsRefused, True),
    ],
)
def test_what_another_attempt_may_mend(fault: type[types.ProviderFault], passing: bool) -> None:
    assert outcomes.is_passing(fault()) is passing


@pytest.mark.parametrize(
    "fault, reach",
    [
        (types.AnswerUnreadable("no JSON"), outcomes.Reach.STREAM),
        (types.CursorLooped("in a circle"), outcomes.Reach.STREAM),
        (types.RequestRefused("400"), outcomes.Reach.STREAM),
        (types.RowsRefused("2 of 3 rows"), outcomes.Reach.STREAM),
        (types.ProviderUnavailable("500", answered=True), outcomes.Reach.STREAM),
        (types.ProviderUnavailable("no connection"), outcomes.Reach.UNCLEAR),
        (types.KeyInsufficient("403"), outcomes.Reach.UNCLEAR),
        (types.ProviderUnavailable("500", answered=True, retry_after_s=0), outcomes.Reach.ALL),
        (types.ProviderUnavailable("503", retry_after_s=60), outcomes.Reach.ALL),
        (types.ProviderLimited("429"), outcomes.Reach.ALL),
        (types.KeyRefused("401"), outcomes.Reach.ALL),
        (types.ProviderFault("whatever comes next"), outcomes.Reach.ALL),
    ],
)
def test_whom_a_fault_of_one_stream_is_about(fault: types.ProviderFault, reach: outcomes.Reach) -> None:
    assert outcomes.reach(fault) is reach


def test_of_faults_set_aside_the_poll_ends_with_one_that_may_pass() -> None:
    refused, first, second = types.RequestRefused("400"), types.AnswerUnreadable("a"), types.AnswerUnreadable("b")
    assert outcomes.first_told((refused, first, second)) is first
    assert outcomes.first_told((refused, types.KeyInsufficient("403"))) is refused
