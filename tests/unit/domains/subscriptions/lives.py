"""A subscription lived through by commands at instants, as a service would, and what it is charged, for the tests of the core.

What is charged is worked out here from the parts alone, so that a table can state amounts: a price times its part, half up at the cent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID, uuid5

from carbonledger.domains.catalog.types import AnchorKind, ChangePolicy, Charge, PlanVersion, Proration
from carbonledger.domains.catalog.types.charges import Flat, Standard, Timing
from carbonledger.domains.subscriptions.core import charging, commands, standing, writing
from carbonledger.domains.subscriptions.types import DueCharge, DueKind, Fact, Standing, Terms
from carbonledger.kernel import actor as actors
from carbonledger.kernel import currency, instant, zone
from carbonledger.kernel.period import CalendarUnit, Interval

SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
SUBSCRIPTION = uuid5(SPACE, "subscription")
ACCOUNT = uuid5(SPACE, "account")
ACTOR = actors.system(uuid5(SPACE, "organization"))
MONTH = Interval(CalendarUnit.MONTH)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """An instant of RFC 3339; a date is its midnight in UTC."""
    return instant.from_api_instant(text if "T" in text else f"{text}T00:00:00Z")


def local(text: str, name: str) -> datetime:
    """The instant that a local time means in a zone."""
    return zone.to_instant(datetime.fromisoformat(text), zone.named(name))


def flat(price: str, *, code: str = "base", timing: Timing = Timing.ADVANCE, per_seat: bool = False, prorated: bool = True) -> Charge:
    """A flat charge."""
    return Charge(code=code, name=code, timing=timing, model=Flat(Decimal(price)), per_seat=per_seat, prorated=prorated)


def usage(code: str = "calls") -> Charge:
    """A charge for usage."""
    return Charge(code=code, name=code, model=Standard(Decimal(1)), meter_code=code)


def plan(
    name: str,
    *charges: Charge,
    interval: Interval = MONTH,
    anchor: AnchorKind = AnchorKind.ANNIVERSARY,
    proration: Proration = Proration.DAY,
    upgrade: ChangePolicy = ChangePolicy.NOW,
    downgrade: ChangePolicy = ChangePolicy.NOW,
    trial_days: int = 0,
    setup_fee: str | None = None,
    commitment: str | None = None,
) -> PlanVersion:
    """The first version of a plan, in dollars."""
    return PlanVersion(
        id=uuid5(SPACE, f"{name} version"),
        plan_id=uuid5(SPACE, name),
        number=1,
        effective_at=at("2000-01-01"),
        currency=currency.by_code("USD"),
        interval=interval,
        anchor=anchor,
        charges=charges,
        setup_fee=None if setup_fee is None else Decimal(setup_fee),
        trial_days=trial_days,
        minimum_commitment=None if commitment is None else Decimal(commitment),
        upgrade=upgrade,
        downgrade=downgrade,
        proration=proration,
        created_at=at("2000-01-01"),
    )


class Life:
    """Facts as they come about."""

    def __init__(
        self,
        version: PlanVersion,
        start: datetime,
        *,
        name: str = "UTC",
        quantity: int = 1,
        anchor: date | None = None,
        recorded_at: datetime | None = None,
        **terms: object,
    ) -> None:
        self.versions = {version.id: version}
        told = Terms(plan_version_id=version.id, quantity=quantity, start_at=start, zone=name, anchor=anchor, **terms)  # type: ignore[arg-type]
        self.facts: tuple[Fact, ...] = commands.start(told, version, actor=ACTOR, at=recorded_at or start)

    def do(self, moment: datetime, command: Callable[..., tuple[Fact, ...]], *args: object, **values: object) -> Life:
        """Record what ``command`` makes of it at ``moment``."""
        for arg in args:
            if isinstance(arg, PlanVersion):
                self.versions[arg.id] = arg
        desk = commands.Desk(facts=self.facts, versions=self.versions, actor=ACTOR, at=moment)
        self.facts += command(desk, *args, **values)
        return self

    def stands(self, when: datetime) -> Standing:
        """What stands at ``when``."""
        return standing.standing(self.facts, at=when)

    def due(self, until: datetime, *, since: datetime | None = None) -> tuple[DueCharge, ...]:
        """What is billable."""
        books = writing.Books(subscription_id=SUBSCRIPTION, account_id=ACCOUNT, versions=self.versions)
        return charging.due_charges(self.facts, books, since=since, until=until)

    def bill(self, until: datetime) -> list[tuple[str, str, str, str]]:
        """What is charged: day billable, code, part as dates in UTC, amount; pairs that come to nothing left out."""
        return [line(due, self.due(until)) for due in charging.netted(self.due(until))]


def line(due: DueCharge, every: tuple[DueCharge, ...]) -> tuple[str, str, str, str]:
    """A due charge, to be read."""
    code = due.charge.code if due.charge is not None else due.kind.value
    return (f"{due.billable_at:%m-%d}", code, f"{due.part.start:%m-%d}..{due.part.end:%m-%d}", str(amount(due, every)))


def amount(due: DueCharge, every: tuple[DueCharge, ...]) -> Decimal:
    """What a flat due charge comes to, rounded half up to the cent: a credit as a part of what its charge debited."""
    cent = Decimal("0.01")
    if due.kind is DueKind.CREDIT:
        debit = next(other for other in every if other.cause == due.credits)
        return -(exact(debit) * due.numerator / (due.debited or 0)).quantize(cent, ROUND_HALF_UP)
    return exact(due).quantize(cent, ROUND_HALF_UP)


def exact(due: DueCharge) -> Decimal:
    """What a flat charge comes to, unrounded."""
    price = due.amount if due.charge is None else due.charge.model.amount if isinstance(due.charge.model, Flat) else Decimal(0)
    return (price or Decimal(0)) * due.quantity * due.numerator / due.denominator
