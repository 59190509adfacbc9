"""What a wish adds to the facts of a subscription: each command takes them and the instant, and returns new facts, or refuses.

Nothing is edited. A wish for later is a fact planned for then; a new wish of the same sort first withdraws the one that it replaces. ``at``
is the organization's time. Facts never go back in time: where a clock shows less than the last fact, its instant is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, Migration, PlanVersion, Proration
from carbonledger.domains.subscriptions import types
from carbonledger.domains.subscriptions.core import changes, cycles, eras, standing, story
from carbonledger.domains.subscriptions.core.story import State
from carbonledger.domains.subscriptions.types import OVER, Fact, FactKind, Move, Standing, Status, Terms, When
from carbonledger.kernel import errors
from carbonledger.kernel import zone as zones
from carbonledger.kernel.actor import Actor

_PLANS: Final = (FactKind.PLAN_CHANGED, FactKind.QUANTITY_CHANGED)
_PAUSES: Final = (FactKind.PAUSED, FactKind.RESUMED)
_WORDS: Final = {Status.PAST_DUE: "past due"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A subscription as a command finds it: its facts, every plan version that they name, who acts, and the instant."""

    facts: tuple[Fact, ...]
    versions: Mapping[UUID, PlanVersion]
    actor: Actor
    at: datetime

    @property
    def now(self) -> datetime:
        """The instant, never before the last fact was recorded."""
        return max((self.at, *(fact.recorded_at for fact in self.facts[-1:])))

    @property
    def standing(self) -> Standing:
        """What stands now."""
        return standing.standing(self.facts, at=self.now)

    @property
    def version(self) -> PlanVersion:
        """The plan version now."""
        return self.versions[self.standing.plan_version_id]

    def period_end(self) -> datetime | None:
        """When the current period, or the trial, ends; None where none runs."""
        now = self.standing
        if now.status is Status.TRIALING:
            return now.trial_ends_at
        span = cycles.current(self.facts, self.versions, at=self.now)
        return None if span is None else span.end


class _Draft:
    """New facts on their way, numbered on from those that are there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.facts: list[Fact] = []

    def add(self, kind: FactKind, effective_at: datetime, **values: Any) -> None:
        number = len(self._desk.facts) + len(self.facts) + 1
        if number > types.FACTS_MAX:
            raise types.SubscriptionFactsFull(f"It has {types.FACTS_MAX} facts. Cancel it and begin another.")
        actor = self._desk.actor
        self.facts.append(
            Fact(
                number=number,
                kind=kind,
                effective_at=effective_at,
                recorded_at=self._desk.now,
                planned=values.pop("planned", effective_at > self._desk.now),
                actor_kind=actor.kind.value,
                actor_id=actor.id,
                **values,
            )
        )

    def withdraw(self, *kinds: FactKind) -> None:
        """Withdraw what is planned of ``kinds`` (none: everything planned)."""
        for fact in _planned(self._desk):
            if not kinds or fact.kind in kinds:
                self.add(FactKind.WITHDRAWN, self._desk.now, withdraws=fact.number)

    def done(self) -> tuple[Fact, ...]:
        return tuple(self.facts)


def _planned(desk: Desk) -> tuple[Fact, ...]:
    """Return what is still to take effect, also what as things stand can't."""
    return tuple(fact for fact in story.ordered(desk.facts) if fact.effective_at > desk.now)


def start(terms: Terms, version: PlanVersion, *, actor: Actor, at: datetime) -> tuple[Fact, ...]:
    """Return the facts of a new subscription. Raises ``errors.Invalid`` with all problems."""
    zone = zones.named(terms.zone)
    days = version.trial_days if terms.trial_days is None else terms.trial_days
    first_day = zones.local_date(terms.start_at, zone)
    trial_ends_at = zones.midnight(first_day + timedelta(days=days), zone) if days else None
    charged_from = trial_ends_at or terms.start_at
    problems = list(_quantity_problems(terms.quantity))
    if terms.ends_at is not None and terms.ends_at <= charged_from:
        problems.append(errors.Problem("/ends_at", "ends_before_start", "Give an end after the start, and after the trial."))
    errors.refuse(problems)
    draft = _Draft(Desk(facts=(), versions={version.id: version}, actor=actor, at=at))
    proration = terms.proration or version.proration
    planned = terms.start_at > at
    draft.add(
        FactKind.STARTED,
        terms.start_at,
        planned=planned,
        plan_version_id=version.id,
        overrides=terms.overrides,
        quantity=terms.quantity,
        zone=terms.zone,
        anchor=terms.anchor,
        trialing=trial_ends_at is not None,
        payment_first=terms.payment_first,
        proration=proration,
    )
    if trial_ends_at is not None:
        draft.add(FactKind.TRIAL_ENDED, trial_ends_at, planned=True, proration=proration)
    if terms.ends_at is not None:
        draft.add(FactKind.ENDED, terms.ends_at, planned=True, proration=proration)
    return draft.done()


def _quantity_problems(quantity: int) -> tuple[errors.Problem, ...]:
    if 0 <= quantity <= types.QUANTITY_MAX:
        return ()
    detail = f"Give a whole number of seats from 0 to {types.QUANTITY_MAX:,}."
    return (errors.Problem("/quantity", "quantity_out_of_range", detail),)


def change_plan(
    desk: Desk,
    version: PlanVersion,
    *,
    when: When | None = None,
    quantity: int | None = None,
    proration: Proration | None = None,
    overrides: tuple[Charge, ...] = (),
) -> tuple[Fact, ...]:
    """Return the facts of a change to ``version``; none where that is what stands and nothing else is planned.

    ``when`` None: as the policy of the present plan says for an upgrade or a downgrade. Raises ``SubscriptionStateRefuses``,
    ``PlanCurrencyDiffers``, ``errors.Invalid``.
    """
    _require(desk, Move.CHANGE, "change its plan")
    now, old = desk.standing, desk.version
    if version.currency != old.currency:
        raise types.PlanCurrencyDiffers(f"The subscription is in {old.currency.code}, the plan in {version.currency.code}.")
    if quantity is not None:
        errors.refuse(_quantity_problems(quantity))
    seats = now.quantity if quantity is None else quantity
    same = (version.id, overrides, seats) == (now.plan_version_id, now.overrides, now.quantity)
    draft = _Draft(desk)
    draft.withdraw(*_PLANS)
    if same:
        return draft.done()
    cut = proration or version.proration
    chosen = When.RENEWAL if _waits(old, version, cut) else when or changes.when(old, version, quantity=now.quantity, new_quantity=seats)
    draft.add(
        FactKind.PLAN_CHANGED,
        _instant(desk, chosen),
        plan_version_id=version.id,
        overrides=overrides,
        quantity=quantity,
        proration=cut,
    )
    return draft.done()


def _waits(old: PlanVersion, new: PlanVersion, cut: Proration) -> bool:
    """Say whether a change waits for the renewal: what can't be cut can't begin another series of dates in its middle either."""
    return cut is Proration.NONE and eras.is_other_rhythm(old, new)


def change_quantity(desk: Desk, quantity: int, *, when: When | None = None, proration: Proration | None = None) -> tuple[Fact, ...]:
    """Return the facts of a change to ``quantity`` seats. ``when`` None: more by the plan's policy for upgrades, fewer by the other.

    Raises ``SubscriptionStateRefuses``, ``errors.Invalid``.
    """
    _require(desk, Move.CHANGE, "change its quantity")
    errors.refuse(_quantity_problems(quantity))
    now, version = desk.standing, desk.version
    draft = _Draft(desk)
    draft.withdraw(FactKind.QUANTITY_CHANGED)
    if quantity == now.quantity:
        return draft.done()
    policy = version.upgrade if quantity > now.quantity else version.downgrade
    at = _instant(desk, when or When(policy.value))
    draft.add(FactKind.QUANTITY_CHANGED, at, quantity=quantity, proration=proration or version.proration)
    return draft.done()


def change_zone(desk: Desk, zone: str) -> tuple[Fact, ...]:
    """Return the facts of a move to the zone ``zone``: none where it is there, or over. Raises ``ZoneUnknown``."""
    zones.named(zone)
    now = desk.standing
    if now.zone == zone or now.status in OVER or not story.allows(_state(desk), Move.CHANGE):
        return ()
    draft = _Draft(desk)
    draft.add(FactKind.ZONE_CHANGED, desk.now, zone=zone)
    return draft.done()


def pause(
    desk: Desk, *, when: When = When.NOW, until: datetime | None = None, proration: Proration | None = None, reason: str | None = None
) -> tuple[Fact, ...]:
    """Return the facts of a pause, from now or from the end of the period, until it is resumed or until ``until``.

    Raises ``SubscriptionPaused``, ``SubscriptionOver``, ``SubscriptionStateRefuses``, ``errors.Invalid``.
    """
    now = desk.standing
    if now.status is Status.PAUSED:
        raise types.SubscriptionPaused("Resume it, or wait until it resumes.")
    _require(desk, Move.PAUSE, "be paused")
    cut = proration or desk.version.proration
    from_ = _instant(desk, when)
    if until is not None and until <= from_:
        errors.refuse([errors.Problem("/until", "until_too_early", "Give a time after the pause begins.")])
    draft = _Draft(desk)
    draft.withdraw(*_PAUSES, *((FactKind.TRIAL_ENDED,) if now.trial and when is When.NOW else ()))
    draft.add(FactKind.PAUSED, from_, proration=cut, reason=reason)
    if until is not None:
        draft.add(FactKind.RESUMED, until, proration=cut)
        if now.trial and when is When.NOW:
            _trial_goes_on(draft, desk, paused_at=from_, resumed_at=until, ends_at=now.trial_ends_at)
    return draft.done()


def resume(desk: Desk, *, proration: Proration | None = None) -> tuple[Fact, ...]:
    """Return the facts of a resumption now, or the withdrawal of a pause that is planned. Raises ``SubscriptionNotPaused``."""
    now = desk.standing
    draft = _Draft(desk)
    if now.status is not Status.PAUSED:
        if now.pauses_at is None:
            raise types.SubscriptionNotPaused(f"It is {_word(now.status)}.")
        draft.withdraw(*_PAUSES)
        return draft.done()
    draft.withdraw(FactKind.RESUMED, FactKind.TRIAL_ENDED)
    draft.add(FactKind.RESUMED, desk.now, proration=proration or desk.version.proration)
    if now.trial and now.paused_at is not None:
        ended = [fact for fact in desk.facts if fact.kind is FactKind.TRIAL_ENDED]
        before = [fact for fact in ended if fact.number < _paused(desk).number]
        _trial_goes_on(draft, desk, paused_at=now.paused_at, resumed_at=desk.now, ends_at=before[-1].effective_at if before else None)
    return draft.done()


def _paused(desk: Desk) -> Fact:
    """Return the fact of the present pause."""
    turns = story.tell(desk.facts, until=desk.now)
    return next(turn.fact for turn in reversed(turns) if turn.fact.kind is FactKind.PAUSED)


def _trial_goes_on(draft: _Draft, desk: Desk, *, paused_at: datetime, resumed_at: datetime, ends_at: datetime | None) -> None:
    """Plan the trial's end anew: the local days that were left when it was paused are left when it is resumed."""
    if ends_at is None:
        return
    zone = zones.named(desk.standing.zone)
    left = zones.local_date(ends_at, zone) - zones.local_date(paused_at, zone)
    draft.add(
        FactKind.TRIAL_ENDED,
        max(zones.midnight(zones.local_date(resumed_at, zone) + left, zone), resumed_at),
        planned=True,
        proration=desk.version.proration,
    )


def cancel(
    desk: Desk, *, when: When = When.NOW, credit: bool = False, proration: Proration | None = None, reason: str | None = None
) -> tuple[Fact, ...]:
    """Return the facts of a cancellation, now or at the end of the period; asked again, that one is replaced.

    ``credit``: what was charged ahead for the time after it is given back. Raises ``SubscriptionOver``, ``SubscriptionStateRefuses``.
    """
    _require(desk, Move.CANCEL, "be canceled")
    at = _instant(desk, when)
    cut = proration or desk.version.proration
    standing_one = [fact for fact in _planned(desk) if fact.kind is FactKind.CANCELED]
    if when is When.RENEWAL and standing_one and standing_one[-1].effective_at == at:
        return ()
    draft = _Draft(desk)
    draft.withdraw(*((FactKind.CANCELED,) if when is When.RENEWAL else ()))
    draft.add(FactKind.CANCELED, at, credit=credit, proration=cut, reason=reason)
    return draft.done()


def reactivate(desk: Desk, *, zone: str, proration: Proration | None = None) -> tuple[Fact, ...]:
    """Return the facts of a reactivation: the planned cancellation is withdrawn; one that is over begins anew with today's period.

    ``zone`` is the account's now. Raises ``SubscriptionNotCanceled``.
    """
    now = desk.standing
    draft = _Draft(desk)
    if now.status not in OVER:
        if now.cancels_at is None:
            raise types.SubscriptionNotCanceled(f"It is {_word(now.status)}.")
        draft.withdraw(FactKind.CANCELED)
        return draft.done()
    draft.withdraw()
    draft.add(FactKind.REACTIVATED, desk.now, zone=zone, proration=proration or desk.version.proration)
    return draft.done()


def payment(desk: Desk, *, failed: bool) -> tuple[Fact, ...]:
    """Return the fact that a payment failed, or that all is settled; none where that is what stands."""
    now = desk.standing
    if now.status is not Status.INCOMPLETE and now.owing is failed:
        return ()
    if not story.allows(_state(desk), Move.FAIL_PAYMENT if failed else Move.SETTLE):
        return ()
    draft = _Draft(desk)
    draft.add(FactKind.PAST_DUE if failed else FactKind.SETTLED, desk.now)
    return draft.done()


def end(desk: Desk, *, reason: str | None = None) -> tuple[Fact, ...]:
    """Return the facts of an end that nobody wanted, such as a first payment that never came. Raises ``SubscriptionOver``."""
    _require(desk, Move.END, "be ended")
    draft = _Draft(desk)
    draft.withdraw()
    draft.add(FactKind.ENDED, desk.now, proration=desk.version.proration, reason=reason)
    return draft.done()


def _state(desk: Desk) -> State:
    turns = story.tell(desk.facts, until=desk.now)
    return turns[-1].after if turns else story.beginning(desk.facts)


def _require(desk: Desk, move: Move, what: str) -> None:
    state = _state(desk)
    if story.allows(state, move):
        return
    if state.status in OVER:
        raise types.SubscriptionOver(f"It is {_word(state.status)}. Reactivate it first.", extra={"status": state.status.value})
    raise types.SubscriptionStateRefuses(f"It is {_word(state.status)}, and can't {what} now.", extra={"status": state.status.value})


def _word(status: Status) -> str:
    return _WORDS.get(status, status.value)


def _instant(desk: Desk, when: When) -> datetime:
    if when is When.NOW:
        return desk.now
    at = desk.period_end()
    if at is None:
        word = _word(desk.standing.status)
        raise types.SubscriptionStateRefuses(f"It is {word}, and no period runs that could end. Choose now.")
    return at


def follow(desk: Desk, version: PlanVersion) -> tuple[Fact, ...]:
    """Return the facts by which a subscription goes along to a new version of its plan, when the version says; none where it needn't.

    Not before the version is effective: at once then, or with the first period that begins from then on. A customer's own charges stay.
    """
    now, old = desk.standing, desk.version
    planned = [fact for fact in _planned(desk) if fact.kind is FactKind.PLAN_CHANGED]
    going = desk.versions[planned[-1].plan_version_id] if planned and planned[-1].plan_version_id is not None else old
    if old.plan_id != version.plan_id or going.plan_id != version.plan_id or going.number >= version.number:
        return ()  # it leaves the plan anyway, or goes as far already
    if not story.allows(_state(desk), Move.CHANGE) or version.currency != old.currency:
        return ()
    at = max(desk.now, version.effective_at)
    if version.migration is Migration.RENEWAL or _waits(old, version, version.proration):
        at = _first_bound(desk, at) or at
    draft = _Draft(desk)
    draft.withdraw(FactKind.PLAN_CHANGED)
    draft.add(FactKind.PLAN_CHANGED, at, plan_version_id=version.id, overrides=now.overrides, proration=version.proration)
    return draft.done()


def _first_bound(desk: Desk, at: datetime) -> datetime | None:
    """Return when the first period begins at or after ``at``; None where none runs then."""
    found = cycles.cycles(desk.facts, desk.versions, since=at, limit=2)
    starts = [cycle.service.start for cycle in found if cycle.service.start >= at]
    ends = [cycle.service.end for cycle in found if cycle.service.end is not None and cycle.service.end >= at]
    return min((*starts, *ends), default=None)
