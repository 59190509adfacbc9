"""What may happen to a job in each state: the whole table, written out a second time."""

from __future__ import annotations

import pytest

from carbonledger.infra.queue.types import TRANSITIONS, JobState, Step, allowed

Q, R, S, P, C = JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED, JobState.PARKED, JobState.CANCELED

CASES = [
    # step, allowed from, leads to
    (Step.START, {Q, R}, R),  # from running: its worker was killed
    (Step.SUCCEED, {R}, S),
    (Step.RETRY, {R}, Q),
    (Step.RELEASE, {R}, Q),
    (Step.PARK, {R}, P),
    (Step.UNPARK, {P}, Q),
    (Step.CANCEL, {Q, R, P}, C),
]


@pytest.mark.parametrize("step,before,after", CASES)
def test_a_step_is_allowed_from_these_states_and_no_other(step: Step, before: set[JobState], after: JobState) -> None:
    assert {state for state in JobState if allowed(state, step)} == before
    assert TRANSITIONS[step][1] is after


def test_every_step_is_in_the_table_and_what_succeeded_or_was_canceled_stays_so() -> None:
    assert {step for step, _, _ in CASES} == set(Step) == set(TRANSITIONS)
    assert not any(allowed(final, step) for final in (S, C) for step in Step)
