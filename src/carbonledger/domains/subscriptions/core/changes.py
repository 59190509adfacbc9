"""Which way a change of plan goes, and so which of the plan's policies decides when it takes effect.

A longer interval is an upgrade and a shorter one a downgrade, whatever they cost: who goes from a year to a month gives up a commitment,
though a day of the month may be dearer (products that compare prices by day call that an upgrade, and surprise people). Of one length, the
dearer is the upgrade: what the flat charges of one interval come to, for the seats there are. Usage has no price before it happens, so it
does not decide. Equal is neither, and takes the upgrade's policy. Which policy: that of the plan one is on.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from carbonledger.domains.catalog.types import ChangePolicy, PlanVersion
from carbonledger.domains.catalog.types.charges import Flat
from carbonledger.domains.subscriptions.types import Direction, When
from carbonledger.kernel import decimals
from carbonledger.kernel import period as periods
from carbonledger.kernel.period import CalendarUnit, Interval

# Of 400 years of the Gregorian calendar, which repeats after them: 146,097 days and 4,800 months.
_DAYS_OF_400_YEARS: Final = 146_097
_PER_400_YEARS: Final = {
    CalendarUnit.MONTH: 4_800,
    CalendarUnit.QUARTER: 1_600,
    CalendarUnit.HALF_YEAR: 800,
    CalendarUnit.YEAR: 400,
}
_WHEN: Final = {ChangePolicy.NOW: When.NOW, ChangePolicy.RENEWAL: When.RENEWAL}
# Four weeks are shorter than a month and thirty days may be either: so close, lengths count as equal.
_SAME_LENGTH_DAYS: Final = 3


def flat_price(version: PlanVersion, quantity: int) -> Decimal:
    """Return what the flat charges of one interval come to, in the plan's currency, unrounded, with ``quantity`` seats."""
    total = Decimal(0)
    for charge in version.charges:
        if isinstance(charge.model, Flat):
            seats = quantity if charge.per_seat else 1
            total = decimals.add(total, decimals.multiply(charge.model.amount, decimals.of(seats)))
    return total


def length_days(interval: Interval) -> Decimal:
    """Return the mean length of an interval in days, to a thousandth."""
    if interval.unit in periods.DAYS:
        return Decimal(periods.DAYS[interval.unit] * interval.count)
    whole = Decimal(_PER_400_YEARS[interval.unit])
    days = Decimal(_DAYS_OF_400_YEARS * interval.count)
    return decimals.quotient(days, Decimal(1), whole, places=3, mode=decimals.Rounding.HALF_UP)


def direction(old: PlanVersion, new: PlanVersion, *, quantity: int, new_quantity: int) -> Direction:
    """Return what a change from ``old`` to ``new`` is, by the rule above."""
    longer = length_days(new.interval) - length_days(old.interval)
    if abs(longer) > _SAME_LENGTH_DAYS:
        return Direction.UPGRADE if longer > 0 else Direction.DOWNGRADE
    before, after = flat_price(old, quantity), flat_price(new, new_quantity)
    if before == after:
        return Direction.SAME
    return Direction.UPGRADE if after > before else Direction.DOWNGRADE


def when(old: PlanVersion, new: PlanVersion, *, quantity: int, new_quantity: int) -> When:
    """Return when the plan that one is on lets such a change take effect."""
    downgrade = direction(old, new, quantity=quantity, new_quantity=new_quantity) is Direction.DOWNGRADE
    return _WHEN[old.downgrade if downgrade else old.upgrade]
