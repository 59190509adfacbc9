"""What did not go as planned: steps that failed, and usage that came late. And the PDFs, which are made after."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from carbonledger.domains.invoices.tables import invoices as invoice_tables
from carbonledger.domains.invoices.tables import upkeep as tables
from carbonledger.domains.invoices.types.failures import Failure, Late, Step
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.infra import db
from carbonledger.kernel import currency as currencies

if TYPE_CHECKING:
    import asyncpg

_failures, _late, _documents = tables.failures, tables.late_usage, invoice_tables.documents
_FAIL: Final = """
INSERT INTO billing_failures AS f
    (organization_id, id, account_id, invoice_id, step, code, detail, attempts, first_failed_at, last_failed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8)
ON CONFLICT (organization_id, step, account_id, invoice_id) DO UPDATE
SET code = excluded.code, detail = excluded.detail, attempts = f.attempts + 1, last_failed_at = excluded.last_failed_at
"""
_FAILED_AT: Final = """
SELECT account_id FROM billing_failures WHERE organization_id = $1 AND step = $2 AND account_id = ANY ($3) AND last_failed_at = $4
"""
_ADD_DOCUMENT: Final = """
INSERT INTO invoice_documents (organization_id, invoice_id, content, sha256, made_at) VALUES ($1, $2, $3, sha256($3), $4)
ON CONFLICT (organization_id, invoice_id) DO NOTHING
"""
_UNPRINTED: Final = """
SELECT i.id FROM invoices i
WHERE i.organization_id = $1 AND i.id = ANY ($2)
  AND NOT EXISTS (SELECT FROM invoice_documents d WHERE d.organization_id = i.organization_id AND d.invoice_id = i.id)
ORDER BY i.id
"""
_IGNORED: Final = """
SELECT cause, sum(amount) AS amount FROM late_usage
WHERE organization_id = $1 AND cause = ANY ($2) AND decision = 'ignore_and_report' GROUP BY cause
"""
_LATEST: Final = "SELECT DISTINCT ON (cause) * FROM late_usage WHERE organization_id = $1 AND cause = ANY ($2) ORDER BY cause, id DESC"


async def fail(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    failure_id: UUID,
    account_id: UUID,
    invoice_id: UUID | None,
    step: Step,
    code: str,
    detail: str,
    now: datetime,
) -> None:
    """Write that a step failed, once more if it has before."""
    await uow.conn.execute(_FAIL, organization_id, failure_id, account_id, invoice_id, step.value, code, detail, now)


async def failed_at(uow: db.UnitOfWork, *, organization_id: UUID, step: Step, account_ids: Iterable[UUID], at: datetime) -> set[UUID]:
    """Return those of the accounts for which a step last failed at an instant."""
    rows = await uow.conn.fetch(_FAILED_AT, organization_id, step.value, list(account_ids), at)
    return {row["account_id"] for row in rows}


async def done(uow: db.UnitOfWork, *, organization_id: UUID, step: Step, account_ids: Iterable[UUID]) -> None:
    """Take out failures of accounts themselves whose step is done."""
    await uow.execute(
        delete(_failures).where(
            _failures.c.organization_id == organization_id,
            _failures.c.step == step.value,
            _failures.c.account_id == func.any(list(account_ids)),
            _failures.c.invoice_id.is_(None),
        )
    )


async def done_with(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Iterable[UUID], step: Step | None = None) -> None:
    """Take out failures of invoices, of one step or all."""
    mine = [_failures.c.invoice_id == func.any(list(invoice_ids))]
    if step is not None:
        mine.append(_failures.c.step == step.value)
    await uow.execute(delete(_failures).where(_failures.c.organization_id == organization_id, *mine))


async def find_failure(uow: db.UnitOfWork, *, organization_id: UUID, failure_id: UUID) -> Failure | None:
    """Return a failed step."""
    row = await uow.fetch_one(select(_failures).where(_failures.c.organization_id == organization_id, _failures.c.id == failure_id))
    return None if row is None else _failure(row)


async def failures(
    uow: db.UnitOfWork, *, organization_id: UUID, before: UUID | None = None, limit: int, invoice_id: UUID | None = None
) -> list[Failure]:
    """Return failed steps, the newest first."""
    asked = select(_failures).where(_failures.c.organization_id == organization_id)
    if before is not None:
        asked = asked.where(_failures.c.id < before)
    if invoice_id is not None:
        asked = asked.where(_failures.c.invoice_id == invoice_id)
    return [_failure(row) for row in await uow.fetch(asked.order_by(_failures.c.id.desc()).limit(limit))]


async def add_late(uow: db.UnitOfWork, *, organization_id: UUID, late: Late) -> None:
    """Keep what came late for a line, and what was done about it."""
    row = {
        "id": late.id,
        "cause": late.cause,
        "invoice_id": late.invoice_id,
        "account_id": late.account_id,
        "decision": late.decision.value,
        "quantity_before": late.quantity_before,
        "quantity_after": late.quantity_after,
        "amount": late.amount,
        "currency": late.currency.code,
        "events": late.events,
        "digest": late.digest,
        "found_at": late.found_at,
    }
    await uow.execute(insert(_late).values(organization_id=organization_id, **row))


async def latest(uow: db.UnitOfWork, *, organization_id: UUID, causes: Iterable[str]) -> dict[str, Late]:
    """Return what last came late for lines, by their causes."""
    return {row["cause"]: _late_from_row(row) for row in await uow.conn.fetch(_LATEST, organization_id, list(causes))}


async def ignored(uow: db.UnitOfWork, *, organization_id: UUID, causes: Iterable[str]) -> dict[str, Decimal]:
    """Return what came late for lines and was let go, by their causes: whatever is decided later, it stays so."""
    return {row["cause"]: row["amount"] for row in await uow.conn.fetch(_IGNORED, organization_id, list(causes))}


async def late(uow: db.UnitOfWork, *, organization_id: UUID, before: UUID | None, limit: int) -> list[Late]:
    """Return what came late, the newest first."""
    asked = select(_late).where(_late.c.organization_id == organization_id)
    if before is not None:
        asked = asked.where(_late.c.id < before)
    return [_late_from_row(row) for row in await uow.fetch(asked.order_by(_late.c.id.desc()).limit(limit))]


async def add_document(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, content: bytes, at: datetime) -> None:
    """Keep the PDF of an invoice; the first one stays."""
    await uow.conn.execute(_ADD_DOCUMENT, organization_id, invoice_id, content, at)


async def document(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> bytes | None:
    """Return the PDF of an invoice."""
    asked = select(_documents.c.content).where(_documents.c.organization_id == organization_id, _documents.c.invoice_id == invoice_id)
    found: bytes | None = await uow.fetch_value(asked)
    return found


async def unprinted(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Iterable[UUID]) -> list[UUID]:
    """Return those of the invoices that have no PDF yet."""
    return [row["id"] for row in await uow.conn.fetch(_UNPRINTED, organization_id, list(invoice_ids))]


def _failure(row: asyncpg.Record) -> Failure:
    return Failure(
        id=row["id"],
        account_id=row["account_id"],
        invoice_id=row["invoice_id"],
        step=Step(row["step"]),
        code=row["code"],
        detail=row["detail"],
        attempts=row["attempts"],
        first_failed_at=row["first_failed_at"],
        last_failed_at=row["last_failed_at"],
    )


def _late_from_row(row: asyncpg.Record) -> Late:
    return Late(
        id=row["id"],
        cause=row["cause"],
        invoice_id=row["invoice_id"],
        account_id=row["account_id"],
        decision=LateUsage(row["decision"]),
        quantity_before=Decimal(row["quantity_before"]),
        quantity_after=Decimal(row["quantity_after"]),
        amount=Decimal(row["amount"]),
        currency=currencies.by_code(row["currency"]),
        events=row["events"],
        digest=row["digest"],
        found_at=row["found_at"],
    )
