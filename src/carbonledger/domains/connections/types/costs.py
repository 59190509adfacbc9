"""What a provider reports of a day, and how that compares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from carbonledger.kernel.money import Money


@dataclass(frozen=True, slots=True)
class ReportedDay:
    """All that a provider says it charges for one day (UTC), in one currency. ``read_at``: when it last said so."""

    day: date
    amount: Money
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedDay:
    """A reported day beside our own cost of the same connection, in USD; ``difference`` is ours less theirs, None where there is none."""

    reported: ReportedDay
    computed: Decimal | None
    difference: Decimal | None
