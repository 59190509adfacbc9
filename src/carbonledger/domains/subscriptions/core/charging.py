"""Due charges: what the facts of a subscription make billable, cycle by cycle.

For each cycle the turns in it are followed in order. Charges in advance are debited at its start and made good at each turn: what was
debited for time that is now under other terms is credited, and the new terms are debited for it. So a credit gives back what was
debited, whatever the price is by then. Charges in arrears and usage are written when the cycle is over, or the era, for the time each had;
all of one plan version and quantity is one due charge, so that leaving a plan and coming back does not give its free units twice.

What is due by an instant follows from the facts that had taken effect by then; later facts only add to it. So nothing that was billed
is ever disowned, and a bill run may ask again.

Two sorts of boundaries: flat prices by ``eras.boundary``; usage by the same for a change of plan, but to the very instant where something
pauses, resumes or ends; the part of its allowance is that of a flat price all the same. A charge that is not ``prorated`` is due in full
once for a plan, code and cycle, and is never credited; further seats are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, Proration
from carbonledger.domains.catalog.types.charges import Timing
from carbonledger.domains.subscriptions.core import coverage as cover
from carbonledger.domains.subscriptions.core import eras as eras_
from carbonledger.domains.subscriptions.core import story, writing
from carbonledger.domains.subscriptions.core.coverage import Coverage, Stretch, Terms
from carbonledger.domains.subscriptions.core.eras import Era
from carbonledger.domains.subscriptions.core.spans import Span
from carbonledger.domains.subscriptions.core.story import Turn
from carbonledger.domains.subscriptions.core.writing import Books
from carbonledger.domains.subscriptions.types import OVER, DueCharge, DueKind, Fact, FactKind, Status, is_usage
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True)
class _Debit:
    """What was charged in advance for ``stretch`` and was not given back, by the charge ``cause``."""

    cause: str
    charge: Charge
    stretch: Stretch
    whole: Stretch  # all that the cause debited


@dataclass(slots=True)
class _Cycle:
    """One cycle on its way: what has been charged in it so far."""

    books: Books
    era: Era
    span: Span
    flat: Coverage
    metered: Coverage
    debits: list[_Debit] = field(default_factory=list)
    once: dict[tuple[UUID, str], int] = field(default_factory=dict)  # seats charged of what is due once a cycle
    due: list[DueCharge] = field(default_factory=list)


def due_charges(facts: Sequence[Fact], books: Books, *, since: datetime | None = None, until: datetime) -> tuple[DueCharge, ...]:
    """Return what becomes billable from ``since`` (inside; None: from the start) to ``until`` (inside), in the order of becoming so."""
    turns = story.tell(facts, until=until)
    found: list[DueCharge] = []
    for era in eras_.eras(turns, books.versions):
        for span in era.spans(since=since):
            if era.due_from(span.start) > until:
                break
            found += _of_cycle(books, era, span, until=until)
    wanted = [due for due in found if due.billable_at <= until and (since is None or due.billable_at >= since)]
    if story.first_of(facts).payment_first:
        wanted = [replace(due, alone=_is_awaited(turns, due.billable_at)) for due in wanted]
    return tuple(sorted(wanted, key=lambda due: due.billable_at))


def _is_awaited(turns: Sequence[Turn], at: datetime) -> bool:
    return next((turn.after.status is Status.INCOMPLETE for turn in reversed(turns) if turn.fact.effective_at <= at), False)


def netted(charges: Sequence[DueCharge]) -> tuple[DueCharge, ...]:
    """Return ``charges`` without those that are credited whole among them, and without these credits: they come to nothing.

    For whoever bills both at once; each pair is equal to the last digit, since a credit gives back what was debited.
    """
    by_cause = {due.cause: due for due in charges}
    gone: set[str] = set()
    for due in charges:
        if due.credits in by_cause and due.numerator == due.debited and due.quantity == by_cause[due.credits].quantity:
            gone |= {due.cause, due.credits}
    return tuple(due for due in charges if due.cause not in gone)


def _of_cycle(books: Books, era: Era, span: Span, *, until: datetime) -> Iterator[DueCharge]:
    cycle, opening = _opened(books, era, span)
    for later in _turns_within(era, span, opening):
        _follow(cycle, later)
    end = _end(era, span)
    if end <= until and not _is_forgone(era, end):
        _close(cycle, _last(era, span), end)
    return iter(cycle.due)


def _is_forgone(era: Era, end: datetime) -> bool:
    """Say whether a cycle is cut by the expiry of a subscription that was never paid: nothing of it is charged in arrears."""
    if era.closed is None:
        return False
    fact = era.turns[era.closed].fact
    return fact.kind is FactKind.EXPIRED and fact.effective_at <= end


def _opened(books: Books, era: Era, span: Span) -> tuple[_Cycle, int]:
    """Return a cycle as it begins, with what is due then; and the index of the turn after which it does."""
    opening = era.opening(span.start)
    turn, at = era.turns[opening], era.due_from(span.start)
    terms = cover.terms_of(turn.after)
    cycle = _Cycle(
        books=books,
        era=era,
        span=span,
        flat=cover.covered(max(span.start, era.begins), span.end, terms),
        metered=cover.covered(max(span.start, era.metered_from), span.end, terms),
    )
    if era.is_first and span.start <= era.since:
        _setup(cycle, turn, at)
    _advance(cycle, turn.fact, at, proration=_of_opening(cycle, turn))
    return cycle, opening


def usage_so_far(facts: Sequence[Fact], books: Books, *, at: datetime) -> tuple[tuple[Charge, tuple[Period, ...]], ...]:
    """Return each usage charge of the period that holds ``at`` with the stretches until then in which it counts; none where none runs."""
    found = eras_.eras(story.tell(facts, until=at), books.versions)
    span = eras_.span_at(found[-1], at) if found and found[-1].closed is None else None
    if span is None:
        return ()
    cycle, opening = _opened(books, found[-1], span)
    for later in _turns_within(found[-1], span, opening):
        _follow(cycle, later)
    past = tuple(replace(part, end=min(part.end, at)) for part in cycle.metered if part.start < at)
    return tuple((charge, writing.periods_of(stretches)) for charge, stretches in _grouped(cycle, past, metered=True))


def _turns_within(era: Era, span: Span, opening: int) -> Iterator[Turn]:
    for index in range(opening + 1, len(era.turns)):
        if era.turns[index].fact.effective_at >= span.end:
            return
        yield era.turns[index]
        if index == era.closed:
            return


def _end(era: Era, span: Span) -> datetime:
    """Return when the cycle's arrears are billable: at its end, or when the era was closed in it; not before it was due at all."""
    end = span.end if era.closed is None else min(span.end, era.turns[era.closed].fact.effective_at)
    return max(end, era.due_from(span.start))


def _last(era: Era, span: Span) -> Fact:
    """Return the fact to which the cycle's arrears are laid: the last that had to do with it."""
    last = era.turns[era.opened].fact
    for index in range(era.opened, len(era.turns)):
        if era.turns[index].fact.effective_at >= span.end:
            break
        last = era.turns[index].fact
        if index == era.closed:
            break
    return last


def _of_opening(cycle: _Cycle, turn: Turn) -> Proration:
    """Return how a first part of a cycle is counted: as its start says, or the plan."""
    return turn.fact.proration or cycle.books.versions[turn.after.plan_version_id].proration


def _follow(cycle: _Cycle, turn: Turn) -> None:
    """Take a turn into account, and make good what was debited in advance."""
    at = turn.fact.effective_at
    over = turn.after.status in OVER
    flat_at, metered_at = eras_.cuts(cycle.era, turn, cycle.span)
    closes = cycle.era.closed is not None and cycle.era.turns[cycle.era.closed] is turn
    change = cover.followed(turn.before, turn.after)
    if closes:
        change = _stop
    cycle.flat = cover.changed(cycle.flat, flat_at, change)
    cycle.metered = cover.changed(cycle.metered, metered_at, change)
    proration = turn.fact.proration or Proration.DAY
    _credit(cycle, turn.fact, proration=proration, gives=not over or bool(turn.fact.credit))
    _advance(cycle, turn.fact, at, proration=proration)


def _stop(terms: Terms) -> Terms:
    return replace(terms, billed=False)


def _credit(cycle: _Cycle, fact: Fact, *, proration: Proration, gives: bool) -> None:
    """Give back what was debited for time that is under other terms now. ``gives``: else it is kept, as a cancellation may."""
    kept: list[_Debit] = []
    for debit in cycle.debits:
        same = [
            (max(part.start, debit.stretch.start), min(part.end, debit.stretch.end))
            for part in cycle.flat
            if _is_debited(debit, part) and part.start < debit.stretch.end and debit.stretch.start < part.end
        ]
        lost = list(cover.without(debit.stretch.start, debit.stretch.end, same))
        if not lost or not gives:
            kept.append(debit)
            continue
        kept += [replace(debit, stretch=replace(debit.stretch, start=start, end=end)) for start, end in same]
        for start, end in lost:
            cycle.due.append(_credited(cycle, fact, debit, (start, end), proration))
    cycle.debits = kept


def _is_debited(debit: _Debit, part: Stretch) -> bool:
    """Say whether ``part`` is still under what was debited."""
    old, new = debit.stretch.terms, part.terms
    same_plan = (old.plan_version_id, old.overrides) == (new.plan_version_id, new.overrides)
    return new.billed and same_plan and (not debit.charge.per_seat or old.quantity == new.quantity)


def _advance(cycle: _Cycle, fact: Fact, at: datetime, *, proration: Proration) -> None:
    """Debit what the coverage says and was not debited yet."""
    for part in cycle.flat:
        if not part.terms.billed:
            continue
        for charge in cycle.books.charges(part.terms):
            if charge.timing is not Timing.ADVANCE or is_usage(charge):
                continue
            if charge.prorated:
                _debit(cycle, fact, at, charge, part, proration=proration)
            else:
                _debit_once(cycle, fact, at, charge, part)


def _debit(cycle: _Cycle, fact: Fact, at: datetime, charge: Charge, part: Stretch, *, proration: Proration) -> None:
    taken = [
        (debit.stretch.start, debit.stretch.end) for debit in cycle.debits if debit.charge.code == charge.code and _is_debited(debit, part)
    ]
    # With "none" a part costs what the whole does, once; whatever else is charged in the cycle is counted by day.
    unit = Proration.DAY if proration is Proration.NONE and _has_begun(cycle, charge) else proration
    for start, end in cover.without(part.start, part.end, taken):
        stretch = Stretch(start, end, part.terms)
        due = _due(cycle, fact, at, kind=DueKind.CHARGE, charge=charge, stretches=(stretch,), proration=unit)
        if due.numerator:
            cycle.due.append(due)
            cycle.debits.append(_Debit(due.cause, charge, stretch, stretch))


def _has_begun(cycle: _Cycle, charge: Charge) -> bool:
    return any(due.charge is not None and due.charge.code == charge.code for due in cycle.due)


def _debit_once(cycle: _Cycle, fact: Fact, at: datetime, charge: Charge, part: Stretch) -> None:
    key = (cycle.books.versions[part.terms.plan_version_id].plan_id, charge.code)
    seats = part.terms.quantity if charge.per_seat else 1
    more = seats - cycle.once.get(key, 0)
    if more > 0:
        cycle.once[key] = seats
        stretch = replace(part, terms=replace(part.terms, quantity=more))
        cycle.due.append(_due(cycle, fact, at, kind=DueKind.CHARGE, charge=charge, stretches=(stretch,), proration=Proration.NONE))


def _setup(cycle: _Cycle, turn: Turn, at: datetime) -> None:
    """Charge the setup fee of the plan with which a subscription is charged first."""
    fee = cycle.books.versions[turn.after.plan_version_id].setup_fee
    if fee and cycle.flat:
        due = _due(cycle, turn.fact, at, kind=DueKind.SETUP, charge=None, stretches=cycle.flat[:1], proration=Proration.NONE)
        cycle.due.append(replace(due, amount=fee, quantity=1))


def _close(cycle: _Cycle, fact: Fact, at: datetime) -> None:
    """Charge what is in arrears, the usage, and what is missing from a commitment."""
    for timing_metered, coverage in ((False, cycle.flat), (True, cycle.metered)):
        for charge, stretches in _grouped(cycle, coverage, metered=timing_metered):
            proration = _unit(cycle, stretches) if charge.prorated else Proration.NONE
            if not charge.prorated and not timing_metered:
                _close_once(cycle, fact, at, charge, stretches)
                continue
            due = _due(cycle, fact, at, kind=DueKind.CHARGE, charge=charge, stretches=stretches, proration=proration)
            if timing_metered:
                cycle.due.append(_as_flat(cycle, due, stretches[-1].terms))
            elif due.numerator:
                cycle.due.append(due)
    _commitments(cycle, fact, at)


def _as_flat(cycle: _Cycle, due: DueCharge, terms: Terms) -> DueCharge:
    """Return usage with the part of its allowance that a flat price has under the same terms, though it stops to the instant."""
    of = (terms.plan_version_id, terms.overrides)
    same = tuple(part for part in cycle.flat if part.terms.billed and (part.terms.plan_version_id, part.terms.overrides) == of)
    numerator, denominator = writing.fraction(cycle.span, same, due.proration)
    return replace(due, numerator=numerator, denominator=denominator)


def _unit(cycle: _Cycle, stretches: Sequence[Stretch]) -> Proration:
    """Return how stretches of an ended cycle are counted: all of it is one; else as the plan says."""
    return cycle.books.versions[stretches[0].terms.plan_version_id].proration


def _grouped(cycle: _Cycle, coverage: Coverage, *, metered: bool) -> Iterator[tuple[Charge, tuple[Stretch, ...]]]:
    """Yield each charge in arrears with all its stretches of one plan version, and of one number of seats where they count."""
    groups: dict[tuple[UUID, tuple[Charge, ...], str, int], tuple[Charge, list[Stretch]]] = {}
    for part in coverage:
        if not part.terms.billed:
            continue
        for charge in cycle.books.charges(part.terms):
            if is_usage(charge) is not metered or (not metered and charge.timing is not Timing.ARREARS):
                continue
            seats = part.terms.quantity if charge.per_seat and not metered else 0
            key = (part.terms.plan_version_id, part.terms.overrides, charge.code, seats)
            groups.setdefault(key, (charge, []))[1].append(part)
    for charge, stretches in groups.values():
        yield charge, tuple(stretches)


def _close_once(cycle: _Cycle, fact: Fact, at: datetime, charge: Charge, stretches: tuple[Stretch, ...]) -> None:
    for stretch in stretches:
        _debit_once(cycle, fact, at, charge, stretch)


def _commitments(cycle: _Cycle, fact: Fact, at: datetime) -> None:
    by_version: dict[UUID, list[Stretch]] = {}
    for part in cycle.flat:
        if part.terms.billed:
            by_version.setdefault(part.terms.plan_version_id, []).append(part)
    for version_id, stretches in by_version.items():
        amount = cycle.books.versions[version_id].minimum_commitment
        if not amount:
            continue
        unit, parts = _unit(cycle, stretches), tuple(stretches)
        due = _due(cycle, fact, at, kind=DueKind.COMMITMENT_TRUE_UP, charge=None, stretches=parts, proration=unit)
        if due.numerator:
            cycle.due.append(replace(due, amount=amount, quantity=1))


def _credited(cycle: _Cycle, fact: Fact, debit: _Debit, lost: tuple[datetime, datetime], proration: Proration) -> DueCharge:
    stretch = replace(debit.stretch, start=lost[0], end=lost[1])
    unit = Proration.DAY if proration is Proration.NONE else proration
    if not writing.fraction(cycle.span, (debit.whole,), unit)[0]:
        unit = Proration.SECOND  # it was debited for less than a day
    due = _due(cycle, fact, fact.effective_at, kind=DueKind.CREDIT, charge=debit.charge, stretches=(stretch,), proration=unit)
    whole, _ = writing.fraction(cycle.span, (debit.whole,), unit)
    return replace(due, credits=debit.cause, debited=whole)


def _due(
    cycle: _Cycle, fact: Fact, at: datetime, *, kind: DueKind, charge: Charge | None, stretches: tuple[Stretch, ...], proration: Proration
) -> DueCharge:
    return writing.written(cycle.books, cycle.span, fact, at, kind=kind, charge=charge, stretches=stretches, proration=proration)
