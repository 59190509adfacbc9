"""Whatever happens to a subscription: the table holds, time is charged once, and what was billed stays billed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from carbonledger.domains.catalog.types import AnchorKind, Migration, PlanVersion, Proration
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.subscriptions import types
from carbonledger.domains.subscriptions.core import charging, commands, eras, standing, story, writing
from carbonledger.domains.subscriptions.core.spans import Span
from carbonledger.domains.subscriptions.types import TRANSITIONS, DueCharge, DueKind, FactKind, Status, When
from carbonledger.kernel import errors
from carbonledger.kernel.period import CalendarUnit, Interval
from tests.unit.domains.subscriptions import lives
from tests.unit.domains.subscriptions.lives import Life, flat, plan, usage

BEGIN = datetime(2026, 1, 20, 10, tzinfo=UTC)
ARREARS = Timing.ARREARS
PLANS = (
    plan("a", flat("31"), flat("7", code="late", timing=ARREARS, per_seat=True), usage(), commitment="50", setup_fee="9"),
    plan("b", flat("62", per_seat=True), usage("other"), trial_days=5),
    plan("c", flat("90"), flat("3", code="whole", prorated=False), interval=Interval(CalendarUnit.QUARTER), anchor=AnchorKind.CALENDAR),
    plan("d", flat("14"), interval=Interval(CalendarUnit.WEEK, 2), proration=Proration.SECOND),
    plan("e", flat("40"), proration=Proration.NONE),
)
LATER = (  # versions that subscriptions are taken along to, the first of another interval
    replace(
        PLANS[0], id=UUID(int=1), number=2, effective_at=BEGIN + timedelta(days=40), migration=Migration.NOW, interval=PLANS[3].interval
    ),
    replace(
        PLANS[4], id=UUID(int=2), number=2, effective_at=BEGIN + timedelta(days=70), migration=Migration.NOW, interval=PLANS[2].interval
    ),
    replace(
        PLANS[2], id=UUID(int=3), number=2, effective_at=BEGIN + timedelta(days=50), migration=Migration.RENEWAL, charges=PLANS[1].charges
    ),
)
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Kiritimati")
WHENS = st.sampled_from([None, When.NOW, When.RENEWAL])
PRORATIONS = st.sampled_from([None, *Proration])
# Long leaps, short ones, none: three changes at one instant and changes on bounds are as likely as others.
LEAPS = st.one_of(st.just(timedelta()), st.builds(timedelta, seconds=st.integers(1, 90_000)), st.builds(timedelta, days=st.integers(1, 60)))
WISHES = st.one_of(
    st.builds(
        lambda version, when, cut: (commands.change_plan, (version,), {"when": when, "proration": cut}),
        st.sampled_from(PLANS),
        WHENS,
        PRORATIONS,
    ),
    st.builds(lambda seats, when: (commands.change_quantity, (seats,), {"when": when}), st.integers(0, 9), WHENS),
    st.builds(lambda zone: (commands.change_zone, (zone,), {}), st.sampled_from(ZONES)),
    st.builds(lambda when, cut: (commands.pause, (), {"when": when or When.NOW, "proration": cut}), WHENS, PRORATIONS),
    st.just((commands.resume, (), {})),
    st.builds(lambda when, credit: (commands.cancel, (), {"when": when or When.NOW, "credit": credit}), WHENS, st.booleans()),
    st.just((commands.reactivate, (), {"zone": "UTC"})),
    st.builds(lambda version: (commands.follow, (version,), {}), st.sampled_from(LATER)),
    st.just((commands.end, (), {})),
    st.builds(lambda failed: (commands.payment, (), {"failed": failed}), st.booleans()),
)
STEPS = st.lists(st.tuples(LEAPS, WISHES), max_size=12)


def lived(first: PlanVersion, zone: str, steps: list) -> tuple[Life, list[tuple[datetime, int]]]:  # type: ignore[type-arg]
    """A life of these steps, those that are refused left out; and when it was looked at, with the facts there were."""
    life = Life(first, BEGIN, name=zone, quantity=2)
    life.versions |= {version.id: version for version in (*PLANS, *LATER)}
    now, looks = BEGIN, [(BEGIN, len(life.facts))]
    for leap, (command, args, values) in steps:
        now += leap
        looks.append((now, len(life.facts)))
        try:
            life.do(now, command, *args, **values)
        except errors.Fault as fault:
            assert isinstance(fault, (types.SubscriptionsFault, errors.Invalid))  # noqa: PT017 - anything else is a defect
        looks.append((now, len(life.facts)))
    return life, looks


def due(life: Life, facts: int, until: datetime, *, since: datetime | None = None) -> tuple[DueCharge, ...]:
    books = writing.Books(subscription_id=lives.SUBSCRIPTION, account_id=lives.ACCOUNT, versions=life.versions)
    return charging.due_charges(life.facts[:facts], books, since=since, until=until)


@given(first=st.sampled_from(PLANS), zone=st.sampled_from(ZONES), steps=STEPS)
@settings(max_examples=150)
def test_only_the_table_moves_it(first: PlanVersion, zone: str, steps: list) -> None:  # type: ignore[type-arg]
    life, _ = lived(first, zone, steps)
    status = Status.SCHEDULED
    for turn in story.tell(life.facts):
        assert turn.before.status is status
        assert TRANSITIONS[turn.move][status] is turn.after.status
        status = turn.after.status
    assert [fact.number for fact in life.facts] == list(range(1, len(life.facts) + 1))
    assert all(one.recorded_at <= two.recorded_at for one, two in zip(life.facts, life.facts[1:], strict=False))


@given(first=st.sampled_from(PLANS), zone=st.sampled_from(ZONES), steps=STEPS)
@settings(max_examples=250)
def test_what_was_due_once_stays_due_whatever_is_recorded_later(first: PlanVersion, zone: str, steps: list) -> None:  # type: ignore[type-arg]
    life, looks = lived(first, zone, steps)
    end = looks[-1][0]
    every = {one.cause: one for one in due(life, len(life.facts), end)}
    assert len(every) == len(due(life, len(life.facts), end))  # causes are unique
    billed_until: datetime | None = None
    billed_facts = 0
    seen: set[str] = set()
    for until, facts in looks:
        found = due(life, facts, until)
        assert all(every[one.cause] == one for one in found)
        # What the bill run takes by its note (until when, from how many facts) is each thing once.
        asked = due(life, facts, until, since=billed_until)
        fresh = [one for one in asked if billed_until is None or one.billable_at > billed_until or one.fact > billed_facts]
        assert not seen & {one.cause for one in fresh}
        seen |= {one.cause for one in fresh}
        assert seen == {one.cause for one in found}
        billed_until, billed_facts = until, facts


@given(first=st.sampled_from(PLANS), zone=st.sampled_from(ZONES), steps=STEPS)
@settings(max_examples=150)
def test_no_instant_is_charged_twice_and_no_credit_exceeds_its_charge(first: PlanVersion, zone: str, steps: list) -> None:  # type: ignore[type-arg]
    life, looks = lived(first, zone, steps)
    found = due(life, len(life.facts), looks[-1][0] + timedelta(days=100))
    by_cause = {one.cause: one for one in found}
    given_back: Counter[str] = Counter()
    for one in found:
        assert 0 <= one.numerator <= one.denominator
        assert one.service.start <= one.part.start
        assert one.part.end is not None
        assert one.service.end is not None
        assert one.part.end <= one.service.end
        if one.kind is DueKind.CREDIT:
            assert one.credits is not None
            assert one.debited
            charge = by_cause[one.credits]
            assert charge.billable_at <= one.billable_at
            assert (charge.charge, charge.quantity) == (one.charge, one.quantity)
            assert charge.part.start <= one.part.start
            assert one.part.end <= (charge.part.end or one.part.end)
            given_back[one.credits] += one.numerator if one.proration is charge.proration else 0
    for cause, parts in given_back.items():
        assert parts <= by_cause[cause].numerator or by_cause[cause].proration is Proration.NONE
    kept = any(fact.kind in (FactKind.CANCELED, FactKind.ENDED) and not fact.credit for fact in life.facts)
    if not kept:  # what an end keeps may be charged anew by a reactivation
        _no_double(found)


def _no_double(found: tuple[DueCharge, ...]) -> None:
    """At the end of it all, each stretch of a code is debited at most once, prorated charges in advance alone."""
    debits: list[tuple[str, datetime, datetime]] = []
    for one in found:
        if one.charge is None or not one.charge.prorated or one.charge.meter_code or one.charge.timing is ARREARS:
            continue
        start, end = one.part.start, one.part.end or one.part.start
        if one.kind is DueKind.CHARGE:
            assert not any(code == one.charge.code and from_ < end and start < to for code, from_, to in debits)
            debits.append((one.charge.code, start, end))
            continue
        rest = []
        for code, from_, to in debits:
            if code == one.charge.code and from_ < end and start < to:
                rest += [(code, a, b) for a, b in ((from_, start), (end, to)) if a < b]
            else:
                rest.append((code, from_, to))
        debits = rest


@given(first=st.sampled_from(PLANS), zone=st.sampled_from(ZONES), steps=STEPS)
@example(  # changed to another interval on the day after a move to the west, at once and at the renewal
    first=PLANS[0],
    zone="Europe/Berlin",
    steps=[
        (timedelta(days=5), (commands.change_zone, ("America/Sao_Paulo",), {})),
        (timedelta(days=1), (commands.change_plan, (PLANS[2],), {"when": When.NOW, "proration": Proration.DAY})),
    ],
)
@example(
    first=PLANS[0],
    zone="Europe/Berlin",
    steps=[
        (timedelta(days=5), (commands.change_zone, ("America/Sao_Paulo",), {})),
        (timedelta(days=1), (commands.change_plan, (PLANS[3],), {"when": When.RENEWAL, "proration": Proration.DAY})),
    ],
)
@settings(max_examples=250)
def test_no_local_day_is_charged_twice_whatever_zones_do(first: PlanVersion, zone: str, steps: list) -> None:  # type: ignore[type-arg]
    life, looks = lived(first, zone, steps)
    by_second = any(fact.proration is Proration.SECOND for fact in life.facts)
    kept = any(fact.kind in (FactKind.CANCELED, FactKind.ENDED) and not fact.credit for fact in life.facts)
    if by_second or kept:  # parts of days may be charged to both; what an end keeps may be charged anew
        return
    spans = _spans(life, looks[-1][0] + timedelta(days=100))
    debits: Counter[tuple[str, date]] = Counter()
    for one in due(life, len(life.facts), looks[-1][0] + timedelta(days=100)):
        if one.charge is None or not one.charge.prorated or one.charge.meter_code or one.charge.timing is ARREARS:
            continue
        span, end = spans[one.service.start, one.service.end], one.part.end or one.part.start
        first_day, after = span.day(one.part.start), span.day(end)
        assert one.proration is not Proration.DAY or (after - first_day).days == one.numerator
        for day in range((after - first_day).days):
            debits[one.charge.code, first_day + timedelta(days=day)] += -1 if one.kind is DueKind.CREDIT else 1
    assert set(debits.values()) <= {0, 1}


def _spans(life: Life, until: datetime) -> dict[tuple[datetime, datetime | None], Span]:
    """Every cycle by its service period."""
    found: dict[tuple[datetime, datetime | None], Span] = {}
    for era in eras.eras(story.tell(life.facts), life.versions):
        for span in era.spans():
            if span.start > until:
                break
            found[span.start, span.end] = span
    return found


@given(first=st.sampled_from(PLANS), zone=st.sampled_from(ZONES), steps=STEPS)
@settings(max_examples=150)
def test_usage_counts_once_for_all_the_time_that_is_charged(first: PlanVersion, zone: str, steps: list) -> None:  # type: ignore[type-arg]
    life, looks = lived(first, zone, steps)
    # Every plan charges all usage here, beside its own charges: so whatever is changed, each instant is somebody's.
    life.versions = {key: replace(version, charges=(*version.charges, usage("all"))) for key, version in life.versions.items()}
    far = looks[-1][0] + timedelta(days=400)
    stretches = [
        (part.start, part.end)
        for one in due(life, len(life.facts), far)
        if one.charge and one.charge.code == "all"
        for part in one.stretches
    ]
    turns = [turn for turn in story.tell(life.facts) if turn.fact.effective_at < far - timedelta(days=200)]
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        begins, ends = turn.fact.effective_at, following.fact.effective_at if following else far - timedelta(days=200)
        for probe in (begins, begins + (ends - begins) / 2, ends - timedelta(microseconds=1)):
            counted = sum(start <= probe < end for start, end in stretches if end is not None)
            if begins <= probe < ends and turn.after.status in types.BILLED:
                assert counted == 1
            elif begins <= probe < ends - timedelta(days=2):  # what begins anew counts from its midnight, in whichever zone
                assert counted == 0


@given(first=st.sampled_from(PLANS), zone=st.sampled_from(ZONES), steps=STEPS, seed=st.integers())
@settings(max_examples=80)
def test_the_order_in_which_facts_are_given_decides_nothing(first: PlanVersion, zone: str, steps: list, seed: int) -> None:  # type: ignore[type-arg]
    life, looks = lived(first, zone, steps)
    end = looks[-1][0]
    told = due(life, len(life.facts), end), standing.standing(life.facts, at=end)
    shuffled = list(life.facts)
    random.Random(seed).shuffle(shuffled)
    life.facts = tuple(shuffled)
    assert (due(life, len(shuffled), end), standing.standing(life.facts, at=end)) == told


def _total(found: tuple[DueCharge, ...]) -> Fraction:
    """What flat charges come to, exactly: credits as parts of what was debited."""
    by_cause, total = {one.cause: one for one in found}, Fraction()
    for one in found:
        source = by_cause[one.credits] if one.credits else one
        if source.charge is None or not isinstance(source.charge.model, Flat):
            continue
        value = Fraction(source.charge.model.amount) * source.quantity * Fraction(source.numerator, source.denominator)
        total += -value * Fraction(one.numerator, one.debited or 1) if one.credits else value
    return total


@given(
    day=st.integers(0, 27),
    seconds=st.integers(0, 86_399),
    zone=st.sampled_from(ZONES),
    cut=st.sampled_from([Proration.DAY, Proration.SECOND]),
    other=st.sampled_from([plan("z", flat("77")), plan("y", flat("5", timing=ARREARS)), plan("y2", flat("91", per_seat=True))]),
)
def test_a_change_and_the_change_back_at_one_instant_come_to_nothing(
    day: int, seconds: int, zone: str, cut: Proration, other: PlanVersion
) -> None:
    first, moment = plan("first", flat("31")), BEGIN + timedelta(days=day, seconds=seconds)
    until = BEGIN + timedelta(days=70)
    quiet = Life(first, BEGIN, name=zone)
    there = Life(first, BEGIN, name=zone).do(moment, commands.change_plan, other, when=When.NOW, proration=cut)
    back = there.do(moment, commands.change_plan, first, when=When.NOW, proration=cut)
    assert _total(back.due(until)) == _total(quiet.due(until))
    same = Life(first, BEGIN, name=zone).do(moment, commands.change_plan, first)
    assert same.due(until) == quiet.due(until)


@given(days=st.lists(st.integers(0, 29), max_size=5), zone=st.sampled_from(ZONES), timing=st.sampled_from(Timing))
def test_a_period_cut_into_parts_charges_what_the_whole_does(days: list[int], zone: str, timing: Timing) -> None:
    # Cut by moving to another plan of the same price and on: each part for itself, together the whole.
    one, two = plan("one", flat("31", timing=timing)), plan("two", flat("31", timing=timing))
    cut = Life(one, BEGIN, name=zone)
    for number, day in enumerate(sorted(days)):
        cut.do(BEGIN + timedelta(days=day, hours=3), commands.change_plan, (two, one)[number % 2], when=When.NOW)
    until = BEGIN + timedelta(days=45)
    assert _total(cut.due(until)) == _total(Life(one, BEGIN, name=zone).due(until))
