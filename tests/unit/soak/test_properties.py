"""The run of properties multiplies what each test takes, of plain ones and of state machines, and is told again by its seed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from hypothesis import stateful, strategies

from tests.soak import properties


def item(obj: Callable[[], None] | None = None, cls: type | None = None) -> pytest.Function:
    found: Any = SimpleNamespace(obj=obj, cls=cls)
    test: pytest.Function = found
    return test


@pytest.mark.parametrize("usual, times, taken", [(100, 100.0, 10_000), (12, 100.0, 1_200), (25, 1.0, 25), (12, 0.01, 1)])
def test_each_takes_its_own_number_so_many_times(usual: int, times: float, taken: int) -> None:
    assert properties.multiplied(hypothesis.settings(max_examples=usual), times).max_examples == taken


def test_examples_are_new_ones_even_where_a_test_asks_for_the_same_each_time() -> None:
    same = hypothesis.settings(max_examples=5, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    made = properties.multiplied(same, 2.0)
    assert (made.derandomize, made.database, made.deadline) == (False, None, None)
    assert tuple(made.suppress_health_check) == (hypothesis.HealthCheck.too_slow,)


def test_a_property_takes_what_it_is_given() -> None:
    seen: list[int] = []

    @hypothesis.settings(max_examples=7)
    @hypothesis.given(strategies.integers())
    def judged(number: int) -> None:
        seen.append(number)

    properties._multiply(item(obj=judged), 3.0)
    judged()
    assert len(seen) == 21


def test_a_state_machine_takes_what_it_is_given() -> None:
    lives: list[object] = []

    class Machine(stateful.RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            lives.append(self)

        @stateful.rule(number=strategies.integers())
        def go(self, number: int) -> None:
            """Do nothing."""

    case = Machine.TestCase
    case.settings = hypothesis.settings(max_examples=4, stateful_step_count=2, deadline=None)
    properties._multiply(item(cls=case), 3.0)
    case("runTest").runTest()
    assert len(lives) >= 12


def test_pytest_is_told_the_seed_and_the_choice() -> None:
    told = properties.arguments(7, 50.0, ["tests/unit/kernel"])
    assert {"--hypothesis-seed=7", "--examples-times=50", "hypothesis", "tests/unit/kernel"} <= set(told)
