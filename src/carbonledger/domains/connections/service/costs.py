"""What a provider reports that it charges, beside what the ledger computed for the same connection and days."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections.service import keeping
from carbonledger.domains.connections.store import costs
from carbonledger.domains.connections.types import ComparedDay
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types import answers
from carbonledger.infra import db
from carbonledger.kernel import decimals
from carbonledger.kernel.period import CalendarUnit

ZONE: Final = "UTC"  # the days of providers
_CURRENCY: Final = "USD"  # of the price book; what is reported in another one is shown, and not compared


async def compare(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID, asked: answers.Asked) -> list[ComparedDay]:
    """Return the days (UTC) that lie wholly in the period and that the provider has reported of, in order.

    Raises ``ConnectionNotFound``, ``AnswerTooLarge``.
    """
    await keeping.show(uow, organization_id=organization_id, connection_id=connection_id)
    start, end = asked.period.start, asked.end
    reported = await costs.days(uow, organization_id=organization_id, connection_id=connection_id, start=start, end=end)
    if not reported:
        return []
    ours = await answering.timeseries(
        uow,
        organization_id=organization_id,
        asked=asked,
        filters=answers.Filters(connection_id=connection_id),
        unit=CalendarUnit.DAY,
        group_by=None,
    )
    computed = {slot.local: slot.measures.cost for slot in ours.slots}
    days = []
    for day in reported:
        amount = computed.get(day.day)
        is_same = day.amount.currency.code == _CURRENCY and amount is not None
        difference = decimals.subtract(amount, day.amount.amount) if is_same and amount is not None else None
        days.append(ComparedDay(reported=day, computed=amount, difference=difference))
    return days


def period(*, start: datetime | None, end: datetime | None, now: datetime) -> answers.Asked:
    """Return the period that is asked about, in the days of providers. Raises ``PeriodInvalid``."""
    return answering.asked(start=start, end=end, now=now, time_zone=ZONE)
