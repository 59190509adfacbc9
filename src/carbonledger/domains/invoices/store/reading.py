"""Reading invoices and their lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select

from carbonledger.domains.invoices.store import packing
from carbonledger.domains.invoices.tables import invoices as tables
from carbonledger.domains.invoices.types.invoices import OPEN, Filters, Invoice, Line, Owed, State
from carbonledger.infra import db
from carbonledger.kernel import currency as currencies

_invoices, _lines = tables.invoices, tables.lines
_OPEN: Final = sorted(payment.value for payment in OPEN)
_OWED: Final = """
SELECT currency, count(*) AS invoices, sum(total) AS amount,
    count(*) FILTER (WHERE due_on < $2) AS overdue, coalesce(sum(total) FILTER (WHERE due_on < $2), 0) AS overdue_amount
FROM invoices WHERE organization_id = $1 AND state = 'issued' AND payment IN ('unpaid', 'failed') GROUP BY currency ORDER BY currency
"""
COUNTED_AGAIN: Final = frozenset({State.ISSUED, State.UNCOLLECTIBLE})
"""The states of an invoice whose usage is counted again."""
_METERED: Final = """
SELECT l.* FROM invoice_lines l JOIN invoices i ON i.organization_id = l.organization_id AND i.id = l.invoice_id
WHERE l.organization_id = $1 AND l.meter_id IS NOT NULL AND l.kind = 'charge' AND l.service_end > $2
  AND i.state IN ('issued', 'uncollectible') AND l.invoice_id > $3
ORDER BY l.invoice_id, l.position LIMIT $4
"""
_STANDS: Final = """
    AND NOT EXISTS (SELECT FROM invoices i WHERE i.organization_id = l.organization_id AND i.id = l.invoice_id AND i.state = 'void')
"""
_CAUSED: Final = "SELECT * FROM invoice_lines WHERE organization_id = $1 AND cause = ANY ($2)"
_BILLED: Final = f"SELECT l.* FROM invoice_lines l WHERE l.organization_id = $1 AND l.cause = ANY ($2) {_STANDS}"
_SERVED: Final = f"""
SELECT l.* FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS s (subscription_id, plan_version_id, starts, ends)
JOIN invoice_lines l ON l.organization_id = $1 AND l.subscription_id = s.subscription_id AND l.plan_version_id = s.plan_version_id
    AND l.service_start = s.starts AND l.service_end = s.ends
WHERE l.organization_id = $1 AND l.kind IN ('charge', 'credit', 'setup', 'commitment', 'late') {_STANDS}
ORDER BY l.id
"""
_COMMITMENTS: Final = """
SELECT * FROM invoice_lines WHERE organization_id = $1 AND invoice_id = ANY ($2) AND kind = 'commitment' ORDER BY invoice_id, position
"""
_OWED_ALONE: Final = """
SELECT i.* FROM invoices i
WHERE i.organization_id = $1 AND i.state IN ('draft', 'issued') AND i.payment IN ('unpaid', 'failed')
  AND i.id IN (SELECT l.invoice_id FROM invoice_lines l WHERE l.organization_id = $1 AND l.subscription_id = $2)
  AND NOT EXISTS (
    SELECT FROM invoice_lines l WHERE l.organization_id = $1 AND l.invoice_id = i.id AND l.subscription_id IS DISTINCT FROM $2
  )
ORDER BY i.id FOR UPDATE
"""
_SUBSCRIPTIONS: Final = """
SELECT DISTINCT subscription_id FROM invoice_lines
WHERE organization_id = $1 AND invoice_id = ANY ($2) AND subscription_id IS NOT NULL ORDER BY subscription_id
"""
_FAILED: Final = """
SELECT DISTINCT l.subscription_id FROM invoice_lines l JOIN invoices i ON i.organization_id = l.organization_id AND i.id = l.invoice_id
WHERE l.organization_id = $1 AND l.subscription_id = ANY ($2) AND i.state = 'issued' AND i.payment = 'failed'
"""
_LATE: Final = """
SELECT l.undoes, count(*) AS times,
    coalesce(sum(l.amount - coalesce((l.rated ->> 'kept')::numeric, 0)) FILTER (WHERE i.state <> 'void'), 0) AS amount
FROM invoice_lines l JOIN invoices i ON i.organization_id = l.organization_id AND i.id = l.invoice_id
WHERE l.organization_id = $1 AND l.undoes = ANY ($2) AND l.kind = 'late' GROUP BY l.undoes
"""
# Invoice by invoice, by their ids: the lines of one are beside each other, and no statement looks at more of them than was asked for.
_SUMS: Final = """
SELECT i.id, i.state <> 'gathering' AND (
    (l.lines, l.amount, l.discount, l.tax) IS DISTINCT FROM (i.lines::bigint, i.subtotal, i.discount, i.tax)
    OR i.total <> i.subtotal - i.discount + i.tax
) AS is_wrong
FROM invoices i CROSS JOIN LATERAL (
    SELECT count(*) AS lines, coalesce(sum(l.amount), 0) AS amount, coalesce(sum(l.discount), 0) AS discount, coalesce(sum(l.tax), 0) AS tax
    FROM invoice_lines l WHERE l.organization_id = i.organization_id AND l.invoice_id = i.id
) l
WHERE i.organization_id = $1 AND i.id > $2 ORDER BY i.id LIMIT $3
"""


async def find(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, lock: bool = False) -> Invoice | None:
    """Return an invoice; locked, it stays so until the transaction ends."""
    asked = select(_invoices).where(_invoices.c.organization_id == organization_id, _invoices.c.id == invoice_id)
    row = await uow.fetch_one(asked.with_for_update() if lock else asked)
    return None if row is None else packing.invoice_from_row(row)


async def some(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Iterable[UUID], lock: bool = False) -> list[Invoice]:
    """Return the invoices of these ids that there are, by id."""
    asked = select(_invoices).where(_invoices.c.organization_id == organization_id, _invoices.c.id == func.any(list(invoice_ids)))
    asked = asked.order_by(_invoices.c.id)
    return [packing.invoice_from_row(row) for row in await uow.fetch(asked.with_for_update() if lock else asked)]


async def listed(uow: db.UnitOfWork, *, organization_id: UUID, filters: Filters, before: UUID | None, limit: int) -> list[Invoice]:
    """Return invoices, the newest first, below an id."""
    asked = select(_invoices).where(_invoices.c.organization_id == organization_id)
    if before is not None:
        asked = asked.where(_invoices.c.id < before)
    if filters.account_id is not None:
        asked = asked.where(_invoices.c.account_id == filters.account_id)
    if filters.state is not None:
        asked = asked.where(_invoices.c.state == filters.state.value)
    if filters.payment is not None:
        asked = asked.where(_invoices.c.payment == filters.payment.value)
    if filters.number is not None:
        asked = asked.where(_invoices.c.number.icontains(filters.number, autoescape=True))
    if filters.overdue_on is not None:
        asked = asked.where(
            _invoices.c.state == State.ISSUED.value, _invoices.c.payment.in_(_OPEN), _invoices.c.due_on < filters.overdue_on
        )
    if filters.issued_from is not None:
        asked = asked.where(_invoices.c.issued_at >= filters.issued_from)
    if filters.issued_before is not None:
        asked = asked.where(_invoices.c.issued_at < filters.issued_before)
    if filters.subscription_id is not None:
        of_it = (
            _lines.c.organization_id == organization_id,
            _lines.c.invoice_id == _invoices.c.id,
            _lines.c.subscription_id == filters.subscription_id,
        )
        asked = asked.where(exists().where(*of_it))
    return [packing.invoice_from_row(row) for row in await uow.fetch(asked.order_by(_invoices.c.id.desc()).limit(limit))]


async def owed(uow: db.UnitOfWork, *, organization_id: UUID, today: date) -> list[Owed]:
    """Return what is owed, by currencies."""
    rows = await uow.conn.fetch(_OWED, organization_id, today)
    return [
        Owed(
            currency=currencies.by_code(row["currency"]),
            invoices=row["invoices"],
            amount=row["amount"],
            overdue=row["overdue"],
            overdue_amount=row["overdue_amount"],
        )
        for row in rows
    ]


async def lines_of(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, after: int = 0, limit: int | None = None) -> list[Line]:
    """Return the lines of an invoice by their positions, above one."""
    asked = select(_lines).where(_lines.c.organization_id == organization_id, _lines.c.invoice_id == invoice_id, _lines.c.position > after)
    asked = asked.order_by(_lines.c.position)
    return [packing.line_from_row(row) for row in await uow.fetch(asked if limit is None else asked.limit(limit))]


async def lines_of_many(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Sequence[UUID]) -> dict[UUID, list[Line]]:
    """Return the lines of invoices by their positions, for each invoice."""
    found: dict[UUID, list[Line]] = {invoice_id: [] for invoice_id in invoice_ids}
    asked = select(_lines).where(_lines.c.organization_id == organization_id, _lines.c.invoice_id == func.any(list(invoice_ids)))
    for row in await uow.fetch(asked.order_by(_lines.c.invoice_id, _lines.c.position)):
        found[row["invoice_id"]].append(packing.line_from_row(row))
    return found


async def line(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, line_id: UUID) -> Line | None:
    """Return a line of an invoice."""
    mine = (_lines.c.invoice_id == invoice_id, _lines.c.id == line_id)
    row = await uow.fetch_one(select(_lines).where(_lines.c.organization_id == organization_id, *mine))
    return None if row is None else packing.line_from_row(row)


async def billed(uow: db.UnitOfWork, *, organization_id: UUID, causes: Iterable[str]) -> dict[str, Line]:
    """Return those of the causes that have a line on an invoice that is not void, with it."""
    rows = await uow.conn.fetch(_BILLED, organization_id, list(causes))
    return {row["cause"]: packing.line_from_row(row) for row in rows}


async def caused(uow: db.UnitOfWork, *, organization_id: UUID, causes: Iterable[str]) -> dict[str, tuple[UUID, Line]]:
    """Return the lines of causes, by these, with their invoices, whatever became of them."""
    rows = await uow.conn.fetch(_CAUSED, organization_id, list(causes))
    return {row["cause"]: (row["invoice_id"], packing.line_from_row(row)) for row in rows}


async def served(
    uow: db.UnitOfWork, *, organization_id: UUID, services: Iterable[tuple[UUID, UUID, datetime, datetime | None]]
) -> list[Line]:
    """Return what was billed for subscriptions, plan versions and service periods on invoices that are not void."""
    columns = [list(column) for column in zip(*services, strict=True)]
    if not columns:
        return []
    return [packing.line_from_row(row) for row in await uow.conn.fetch(_SERVED, organization_id, *columns)]


async def gathering(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Iterable[UUID], lock: bool = True) -> list[Invoice]:
    """Return what is gathered for accounts, by id; locked, it stays so until the transaction ends."""
    mine = (
        _invoices.c.state == State.GATHERING.value,
        _invoices.c.account_id == func.any(list(account_ids)),
    )
    asked = select(_invoices).where(_invoices.c.organization_id == organization_id, *mine).order_by(_invoices.c.id)
    rows = await uow.fetch(asked.with_for_update() if lock else asked)
    return [packing.invoice_from_row(row) for row in rows]


async def collected(
    uow: db.UnitOfWork, *, organization_id: UUID, until: datetime, limit: int, apart_from: Iterable[UUID] = ()
) -> list[Invoice]:
    """Return drafts whose time to collect is over at ``until``, the earliest first, locked; those that another holds are left out."""
    mine = (
        _invoices.c.id != func.all(list(apart_from)),
        _invoices.c.state == State.DRAFT.value,
        _invoices.c.collects_until <= until,
    )
    asked = (
        select(_invoices)
        .where(_invoices.c.organization_id == organization_id, *mine)
        .order_by(_invoices.c.collects_until, _invoices.c.id)
        .limit(limit)
    )
    return [packing.invoice_from_row(row) for row in await uow.fetch(asked.with_for_update(skip_locked=True))]


async def next_collected_at(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when the time to collect of the next draft is over, at or before ``until``."""
    mine = (
        _invoices.c.state == State.DRAFT.value,
        _invoices.c.collects_until <= until,
    )
    found: datetime | None = await uow.fetch_value(
        select(func.min(_invoices.c.collects_until)).where(_invoices.c.organization_id == organization_id, *mine)
    )
    return found


async def metered(uow: db.UnitOfWork, *, organization_id: UUID, since: datetime, after: UUID, limit: int) -> list[tuple[UUID, Line]]:
    """Return usage lines of issued invoices whose service ended after ``since``, with their invoices, by these, above an invoice's id."""
    rows = await uow.conn.fetch(_METERED, organization_id, since, after, limit)
    return [(row["invoice_id"], packing.line_from_row(row)) for row in rows]


async def commitments(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Iterable[UUID]) -> list[tuple[UUID, Line]]:
    """Return what was billed as missing of commitments on invoices, each with its invoice, by these and in order."""
    rows = await uow.conn.fetch(_COMMITMENTS, organization_id, list(invoice_ids))
    return [(row["invoice_id"], packing.line_from_row(row)) for row in rows]


async def owed_alone(uow: db.UnitOfWork, *, organization_id: UUID, subscription_id: UUID) -> list[Invoice]:
    """Return drafts and unpaid invoices that have lines of a subscription and no others, by id, locked."""
    return [packing.invoice_from_row(row) for row in await uow.conn.fetch(_OWED_ALONE, organization_id, subscription_id)]


async def subscriptions_on(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Iterable[UUID]) -> list[UUID]:
    """Return the subscriptions that have lines on invoices, by id."""
    return [row["subscription_id"] for row in await uow.conn.fetch(_SUBSCRIPTIONS, organization_id, list(invoice_ids))]


async def failed_subscriptions(uow: db.UnitOfWork, *, organization_id: UUID, subscription_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the subscriptions that are on an invoice whose payment failed and which is still owed."""
    return {row["subscription_id"] for row in await uow.conn.fetch(_FAILED, organization_id, list(subscription_ids))}


async def late_amounts(uow: db.UnitOfWork, *, organization_id: UUID, causes: Iterable[str]) -> dict[str, tuple[int, Decimal]]:
    """Return how often usage came late for lines, by their causes, and what was billed for it; void invoices are no bill.

    Of usage that turned out to be less that is all of it, with what was not given back.
    """
    rows = await uow.conn.fetch(_LATE, organization_id, list(causes))
    return {row["undoes"]: (row["times"], row["amount"]) for row in rows}


async def wrong_sums(uow: db.UnitOfWork, *, organization_id: UUID, after: UUID, limit: int) -> tuple[list[UUID], UUID | None]:
    """Return those of up to ``limit`` invoices whose lines do not add up to what they say, by id from the one after ``after``.

    And the last of them that was looked at, None at the end.
    """
    rows = await uow.conn.fetch(_SUMS, organization_id, after, limit)
    return [row["id"] for row in rows if row["is_wrong"]], rows[-1]["id"] if len(rows) == limit else None
