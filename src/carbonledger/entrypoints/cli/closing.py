"""What ``period`` does."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.service import periods, totals
from carbonledger.domains.receipts.types.periods import Period
from carbonledger.domains.receipts.types.totals import Checked
from carbonledger.domains.telemetry.types.closing import Line
from carbonledger.entrypoints.cli import console, exits, operating
from carbonledger.kernel import decimals, errors, instant, page

_LIST_MAX = page.LIMIT_MAX


def list_periods(given: str, *, json: bool) -> None:
    """Print an organization's periods."""

    async def work(operator: operating.Operator) -> Sequence[Period]:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id, read_only=True) as uow:
            await organizations.find(uow, organization_id=organization_id)  # or else: no such organization
            request = page.PageRequest(limit=_LIST_MAX)
            return (await periods.list_periods(uow, organization_id=organization_id, page=request)).data

    found = operating.run(work)
    if json:
        console.json({"periods": [_document(period) for period in found]})
    elif found:
        rows = [tuple(str(value) for value in _document(period).values()) for period in found]
        console.table(tuple(_document(found[0])), rows)
    else:
        console.say("There is no usage yet, and so no month.")


def _document(period: Period) -> dict[str, object]:
    return {
        "month": f"{period.month:%Y-%m}",
        "id": str(period.id),
        "state": period.state.value,
        "payment": period.payment.value,
        "step": period.step.value,
        "closes_at": None if period.closes_at is None else instant.to_api_instant(period.closes_at),
        "events": period.events,
        "root": None if period.root is None else period.root.hex(),
    }


def record(given: str, month: str, *, is_paid: bool) -> None:
    """Record what became of a month's payment, and move the month at once."""
    first = first_of(month)

    async def work(operator: operating.Operator) -> Period:
        organization_id = await operator.organization(given)
        actor = operator.acting_in(organization_id)
        async with operator.database.transaction(organization_id) as uow:
            now = await organizations.business_now(uow, organization_id=organization_id, at=operator.at)
            made = await periods.record_payment(
                uow,
                actor=actor,
                now=now,
                organization_id=organization_id,
                month=first,
                outcome=periods.Outcome.PAID if is_paid else periods.Outcome.FAILED,
            )
            await periods.advance(uow, actor=actor, now=now, organization_id=organization_id)
            return made

    found = operating.run(work)
    console.say(f"{month} is {found.state.value}, its payment {found.payment.value}.")


def first_of(given: str) -> date:
    """Return the first day of a month like 2026-10. Raises ``Invalid``."""
    try:
        return date.fromisoformat(f"{given}-01")
    except ValueError:
        raise errors.Invalid(f"{given!r} is not a month; write it as 2026-10.") from None


def check(given: str | None, *, json: bool) -> None:
    """Print what each frozen period, its adjustments and a fresh computation come to; end with 1 where they differ."""

    async def work(operator: operating.Operator) -> list[tuple[UUID, Checked]]:
        chosen = await _all(operator) if given is None else [await operator.organization(given)]
        found: list[tuple[UUID, Checked]] = []
        for organization_id in chosen:
            async with operator.database.transaction(organization_id) as uow:
                now = await organizations.business_now(uow, organization_id=organization_id, at=operator.at)
                found += [(organization_id, one) for one in await totals.check(uow, now=now, organization_id=organization_id)]
        return found

    checked = operating.run(work)
    documents = [_compared(organization_id, one) for organization_id, one in checked]
    if json:
        console.json({"periods": documents})
    elif documents:
        console.table(tuple(documents[0]), [tuple(str(value) for value in one.values()) for one in documents])
    else:
        console.say("No month is frozen yet, so there is nothing to compare.")
    if any(one.differences for _, one in checked):
        sys.exit(exits.Code.FAILED)


async def _all(operator: operating.Operator) -> list[UUID]:
    found: list[UUID] = []
    request = page.PageRequest(limit=_LIST_MAX)
    while True:
        async with operator.overview.transaction(read_only=True) as uow:
            some = await organizations.page(uow, request=request)
        found += [organization.id for organization in some.data]
        if some.next_cursor is None:
            return found
        request = page.PageRequest(limit=_LIST_MAX, after=page.decode_cursor(some.next_cursor, parts=1))


def _compared(organization_id: UUID, one: Checked) -> dict[str, object]:
    return {
        "organization": str(organization_id),
        "month": f"{one.period.month:%Y-%m}",
        "state": one.period.state.value,
        "frozen": _tokens(one.frozen),
        "adjustments": _tokens(one.adjustments),
        "pending": _tokens(one.pending),
        "fresh": _tokens(one.fresh),
        "lines_that_differ": len(one.differences),
    }


def _tokens(lines: Iterable[Line]) -> str:
    """Return events, tokens and cost in one cell."""
    found = tuple(lines)
    tokens = sum(sum(line.sums[2:7]) for line in found)  # the five buckets, which never overlap
    cost = decimals.to_api_decimal(totals.cost_of(found))
    return f"{sum(line.sums.events for line in found)} events, {tokens} tokens, {cost} USD"
