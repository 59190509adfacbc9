"""Which events make which jobs, and which declarations are refused."""

from __future__ import annotations

import pytest

from carbonledger.infra.queue import cron, registry, types

MATCHES = [
    # pattern, action, whether it falls under it
    ("api_key.created", "api_key.created", True),
    ("api_key.created", "api_key.created_twice", False),  # not a prefix
    ("api_key.*", "api_key.created", True),
    ("api_key.*", "api_key.note.added", True),  # any depth
    ("api_key.*", "api_keys.created", False),  # the point counts
    ("api_key.*", "api_key", False),
    ("*", "anything.at_all", True),
]


@pytest.mark.parametrize("pattern,action,expected", MATCHES)
def test_a_pattern_is_an_action_a_prefix_or_everything(pattern: str, action: str, expected: bool) -> None:
    assert registry.matches(pattern, action) is expected


async def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> registry.Registry:
    made = registry.Registry()
    monkeypatch.setattr(registry, "declared", made)
    return made


def test_subscribers_hear_what_they_asked_for_in_the_order_declared(ours: registry.Registry) -> None:
    for name in ("b.all", "a.alerts", "c.lamps"):
        registry.handler(name)(nothing)
    registry.subscriber("*", job="b.all")
    registry.subscriber("*", job="a.alerts", alerts_only=True)
    registry.subscriber("lamp.*", "door.opened", job="c.lamps")
    ours.seal()
    assert ours.jobs_for("lamp.lit", is_alert=False) == ("b.all", "c.lamps")
    assert ours.jobs_for("door.opened", is_alert=True) == ("b.all", "a.alerts", "c.lamps")
    assert ours.jobs_for("door.shut", is_alert=False) == ("b.all",)


def test_nothing_is_used_before_it_is_loaded(ours: registry.Registry) -> None:
    registry.handler("a.job")(nothing)
    with pytest.raises(types.NotLoaded):
        ours.jobs_for("a.thing", is_alert=False)
    with pytest.raises(types.NotLoaded):
        ours.require("a.job")
    ours.seal()
    ours.require("a.job")
    with pytest.raises(types.JobUnknown):
        ours.require("a.nother")


def test_a_subscription_or_schedule_without_a_handler_fails_the_load(ours: registry.Registry) -> None:
    registry.subscriber("*", job="a.job")
    with pytest.raises(types.JobUnknown, match=r"a\.job"):
        ours.seal()
    registry.handler("a.job")(nothing)
    registry.schedule("b.nightly", "0 3 * * *", job="b.job")
    with pytest.raises(types.JobUnknown, match=r"b\.job"):
        ours.seal()


@pytest.mark.parametrize("name", ["", "job", "Job.Run", "a..b", "a.b.", "a b.c", "a.b-c", "1.a", "a.b\n"])
def test_a_name_is_a_domain_and_a_word(ours: registry.Registry, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        registry.handler(name)(nothing)


@pytest.mark.parametrize("pattern", ["", "lamp*", "*.lit", "lamp.**", "LAMP.*"])
def test_a_pattern_that_could_never_match_is_refused(ours: registry.Registry, pattern: str) -> None:
    with pytest.raises(ValueError, match="neither an action"):
        registry.subscriber(pattern, job="a.job")


def test_nothing_is_declared_twice(ours: registry.Registry) -> None:
    registry.handler("a.job")(nothing)
    with pytest.raises(ValueError, match="Two handlers"):
        registry.steps("a.job")(nothing)
    registry.schedule("a.job", "* * * * *")
    with pytest.raises(ValueError, match="Two schedules"):
        registry.schedule("a.job", "* * * * *")


def test_a_schedule_is_read_when_it_is_declared(ours: registry.Registry) -> None:
    with pytest.raises(cron.CronInvalid):
        registry.schedule("a.job", "every day")


def test_a_job_delivers_if_it_says_so_and_not_because_it_hears_of_something(ours: registry.Registry) -> None:
    for name in ("a.heard", "b.plain"):
        registry.handler(name)(nothing)
    registry.steps("c.sends", delivers=True)(nothing)
    registry.subscriber("*", job="a.heard")
    assert [ours.delivers(name) for name in ("a.heard", "b.plain", "c.sends")] == [False, False, True]
