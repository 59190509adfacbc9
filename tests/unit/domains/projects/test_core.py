"""Names, what stands in the way of archiving, and the life of a workload: opened once, closed once, moved by both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.projects import core, types
from carbonledger.kernel import errors

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACTIVE, INACTIVE = types.WorkloadState.ACTIVE, types.WorkloadState.INACTIVE


def a_project(number: int = 1, *, is_default: bool = False, archived: bool = False) -> types.Project:
    return types.Project(
        id=UUID(int=number),
        name=f"project {number}",
        is_default=is_default,
        created_at=AT,
        updated_at=AT,
        archived_at=AT if archived else None,
    )


def a_workload(number: int = 100, *, project: int = 1, closed: bool = False) -> types.Workload:
    return types.Workload(
        id=UUID(int=number),
        project_id=UUID(int=project),
        name=f"workload {number}",
        state=INACTIVE if closed else ACTIVE,
        opened_at=AT,
        closed_at=AT if closed else None,
    )


def an_agent(number: int = 200) -> types.Agent:
    return types.Agent(
        id=UUID(int=number),
        project_id=UUID(int=1),
        name=f"agent {number}",
        external_id=None,
        created_at=AT,
        updated_at=AT,
        archived_at=None,
    )


# --- names


@pytest.mark.parametrize(
    "given_name, kept",
    [
        ("Search", "Search"),
        (" Search ", "Search"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text: who shows it escapes it
        ("مشروع", "مشروع"),  # right to left
        ("🌍🚀", "🌍🚀"),
        ("Cafe\u0301", "Café"),  # one form
        ("x" * 200, "x" * 200),
        ("🌍" * 200, "🌍" * 200),  # characters, not bytes
    ],
)
def test_a_name_is_any_text_of_1_to_200_characters(given_name: str, kept: str) -> None:
    assert core.name(given_name) == kept


@pytest.mark.parametrize(
    "given_name, code",
    [
        ("", "required"),
        ("   ", "required"),
        ("\u200b", "required"),
        ("x" * 201, "too_long"),
        ("x" * 10_000, "too_long"),
        ("two\nlines", "characters"),
        ("nul\x00", "characters"),
        ("\ud800", "characters"),
    ],
)
def test_what_is_no_name_is_refused_with_its_place(given_name: str, code: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        core.name(given_name)
    assert [(problem.pointer, problem.code) for problem in refused.value.problems] == [("/name", code)]


def test_all_that_is_wrong_with_an_agent_is_said_at_once() -> None:
    with pytest.raises(errors.Invalid) as refused:
        core.agent_words("", "\n" * 3 + "x\ny")
    assert [(problem.pointer, problem.code) for problem in refused.value.problems] == [
        ("/name", "required"),
        ("/external_id", "characters"),
    ]


@pytest.mark.parametrize("external_id, kept", [(None, None), (" bot-17 ", "bot-17"), ("B", "B")])
def test_an_external_id_is_kept_or_left_out(external_id: str | None, kept: str | None) -> None:
    assert core.agent_words("Support", external_id) == ("Support", kept)


# --- archiving


def test_a_project_in_use_names_what_is_in_the_way() -> None:
    with pytest.raises(types.ProjectHasActiveWorkloads) as refused:
        core.refuse_in_use(workloads=[a_workload(100), a_workload(101)], agents=[an_agent()])
    ids = ["00000000-0000-0000-0000-000000000064", "00000000-0000-0000-0000-000000000065"]
    assert refused.value.extra == {"workloads": [{"id": ids[0], "name": "workload 100"}, {"id": ids[1], "name": "workload 101"}]}
    for expected in (*ids, "'workload 100'", "'workload 101'"):
        assert expected in str(refused.value)


def test_a_project_with_agents_names_them() -> None:
    with pytest.raises(types.ProjectHasAgents, match="'agent 200'") as refused:
        core.refuse_in_use(workloads=[], agents=[an_agent()])
    assert refused.value.extra == {"agents": [{"id": "00000000-0000-0000-0000-0000000000c8", "name": "agent 200"}]}


@pytest.mark.parametrize("count, named, more", [(1, 1, False), (20, 20, False), (21, 20, True)])
def test_at_most_twenty_are_named(count: int, named: int, more: bool) -> None:
    with pytest.raises(types.ProjectHasActiveWorkloads) as refused:
        core.refuse_in_use(workloads=[a_workload(number) for number in range(count)], agents=[])
    listed = refused.value.extra["workloads"]
    assert isinstance(listed, list)
    assert len(listed) == named
    assert (" and more." in str(refused.value)) is more


def test_a_project_that_nothing_uses_can_go() -> None:
    assert core.refuse_in_use(workloads=[], agents=[]) is None  # type: ignore[func-returns-value]
    assert core.refuse_default(a_project()) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    "refuse, fault",
    [
        (lambda: core.refuse_default(a_project(is_default=True)), types.ProjectIsDefault),
        (lambda: core.refuse_archived_project(a_project(archived=True)), types.ProjectArchived),
        (lambda: core.refuse_archived_agent(dataclasses.replace(an_agent(), archived_at=AT)), types.AgentArchived),
    ],
)
def test_what_may_not_be_is_refused(refuse: Callable[[], None], fault: type[types.ProjectsFault]) -> None:
    with pytest.raises(fault):
        refuse()


# --- the life of a workload


def test_closing_ends_a_workload_and_changes_nothing_else() -> None:
    later = AT + timedelta(hours=1)
    assert core.closed(a_workload(), now=later) == dataclasses.replace(a_workload(), state=INACTIVE, closed_at=later)


def test_closing_again_changes_nothing() -> None:
    once = core.closed(a_workload(), now=AT + timedelta(hours=1))
    assert core.closed(once, now=AT + timedelta(hours=2)) is once


def test_a_life_never_ends_before_it_began() -> None:
    assert core.closed(a_workload(), now=AT - timedelta(seconds=1)).closed_at == AT


def test_moving_closes_one_and_opens_another_of_the_same_name() -> None:
    later = AT + timedelta(hours=1)
    old, new = core.moved(a_workload(), workload_id=UUID(int=101), project=a_project(2), now=later)
    assert old == core.closed(a_workload(), now=later)
    assert new == types.Workload(
        id=UUID(int=101), project_id=UUID(int=2), name="workload 100", state=ACTIVE, opened_at=later, closed_at=None
    )


@pytest.mark.parametrize(
    "workload, project, fault",
    [
        (a_workload(closed=True), a_project(2), types.WorkloadInactive),
        (a_workload(), a_project(1), types.WorkloadThereAlready),
        (a_workload(), a_project(2, archived=True), types.ProjectArchived),
        (a_workload(closed=True), a_project(1, archived=True), types.WorkloadInactive),  # the first reason counts
    ],
)
def test_a_workload_moves_only_while_active_and_only_to_another_project_in_use(
    workload: types.Workload, project: types.Project, fault: type[types.ProjectsFault]
) -> None:
    with pytest.raises(fault):
        core.moved(workload, workload_id=UUID(int=101), project=project, now=AT)


def test_nothing_is_opened_in_an_archived_project() -> None:
    with pytest.raises(types.ProjectArchived):
        core.opened(workload_id=UUID(int=101), project=a_project(archived=True), name="x", now=AT)


PROJECTS = [a_project(1), a_project(2), a_project(3, archived=True)]
steps = st.lists(st.tuples(st.sampled_from(["open", "close", "move"]), st.integers(0, 9), st.sampled_from(PROJECTS)), max_size=40)


@given(steps)
def test_whatever_is_tried_each_workload_lives_once_and_in_one_project(tried: list[tuple[str, int, types.Project]]) -> None:
    """A move adds one and ends one, so the active ones are those opened less those closed; what was said of a workload stays true."""
    lives: list[types.Workload] = []
    opened = closed = 0
    for hour, (action, which, project) in enumerate(tried):
        now, workload_id = AT + timedelta(hours=hour), UUID(int=1000 + hour)
        before = list(lives)
        try:
            if action == "open":
                lives.append(core.opened(workload_id=workload_id, project=project, name="w", now=now))
                opened += 1
            elif lives:
                index = which % len(lives)
                if action == "close":
                    closed += lives[index].state is ACTIVE
                    lives[index] = core.closed(lives[index], now=now)
                else:
                    lives[index], new = core.moved(lives[index], workload_id=workload_id, project=project, now=now)
                    lives.append(new)
        except types.ProjectsFault:
            assert lives == before
        for old, new in zip(before, lives, strict=False):
            assert dataclasses.replace(new, state=old.state, closed_at=old.closed_at) == old, "only its end is ever written"
            assert old.state is ACTIVE or new == old, "and only once"
        assert sum(one.state is ACTIVE for one in lives) == opened - closed
        assert all((one.closed_at is None) == (one.state is ACTIVE) for one in lives)
        assert PROJECTS[2].id not in {one.project_id for one in lives}
