"""The books compared with themselves, with what they said before, and with what the facts of subscriptions say is due.

Every night what changed that day; at every month's end everything. What is due is worked out anew from the facts of a whole life by the
rule that the bill run does not use: from the beginning, by no note of how far it was billed.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.catalog.types.charges import Flat
from carbonledger.domains.invoices.service import checking
from carbonledger.domains.subscriptions.core import charging, standing, writing
from carbonledger.domains.subscriptions.service import recording
from carbonledger.domains.subscriptions.store import subscriptions as store
from carbonledger.domains.subscriptions.types import DueCharge, DueKind, Subscription
from carbonledger.infra import db
from carbonledger.kernel.period import Period
from tests.integration.domains.invoices.shops import Shop

BATCH: Final = 100
LOOKED_BACK: Final = timedelta(days=70)
"""Every night this much of a life is worked out anew, at a month's end all of it."""
SETTLED: Final = timedelta(days=50)
"""So long after a line was due nothing comes late any more: 40 days, a week until that is settled, and grace."""
_MOVING: Final = "'{state,payment,paid_at,reference,ended_at,updated_at}'::text[]"
"""What may still change of an issued invoice; nothing of one that is paid or void."""
_ISSUED: Final = f"""
SELECT i.id, i.number, i.state, i.payment, decode(md5((to_jsonb(i) - {_MOVING})::text || coalesce(l.words, '')), 'hex') AS fixed,
    decode(md5(to_jsonb(i)::text), 'hex') AS whole
FROM invoices i LEFT JOIN LATERAL (
    SELECT string_agg(l::text, '|' ORDER BY l.position) AS words FROM invoice_lines l
    WHERE l.organization_id = i.organization_id AND l.invoice_id = i.id
) l ON true
WHERE i.organization_id = $1 AND i.state NOT IN ('gathering', 'draft') AND i.updated_at >= $2
"""
_SUMS: Final = """
SELECT i.id, coalesce(i.number, i.state) AS number FROM invoices i LEFT JOIN LATERAL (
    SELECT count(*) AS lines, coalesce(sum(l.amount), 0) AS amount, coalesce(sum(l.discount), 0) AS discount, coalesce(sum(l.tax), 0) AS tax
    FROM invoice_lines l WHERE l.organization_id = i.organization_id AND l.invoice_id = i.id
) l ON true
WHERE i.organization_id = $1 AND i.updated_at >= $2 AND i.state <> 'gathering'
    AND ((l.lines, l.amount, l.discount, l.tax) IS DISTINCT FROM (i.lines::bigint, i.subtotal, i.discount, i.tax)
        OR i.total <> i.subtotal - i.discount + i.tax OR scale(trim_scale(i.total)) > 2)
"""
_TWICE: Final = """
SELECT DISTINCT l.cause FROM invoices i JOIN invoice_lines l ON l.organization_id = i.organization_id AND l.invoice_id = i.id
JOIN invoice_lines other ON other.organization_id = l.organization_id AND other.cause = l.cause AND other.id <> l.id
WHERE i.organization_id = $1 AND i.updated_at >= $2
"""
_NUMBERS: Final = """
SELECT s.code, s.issued, count(i.sequence) AS found, min(i.sequence) AS first, max(i.sequence) AS last
FROM invoice_series s LEFT JOIN invoices i ON i.organization_id = s.organization_id AND i.series = s.code AND i.sequence > $2
WHERE s.organization_id = $1 GROUP BY s.code, s.issued
"""
_LEFT: Final = (
    "SELECT id, billable_at, next_due_at FROM subscriptions WHERE organization_id = $1 AND (billable_at <= $2 OR next_due_at <= $2)"
)
_TOUCHED: Final = """
SELECT * FROM subscriptions WHERE organization_id = $1 AND (updated_at >= $2 OR billed_until >= $2) AND id > $3 ORDER BY id LIMIT $4
"""
_LINES: Final = """
SELECT l.cause, l.amount, i.state FROM invoice_lines l JOIN invoices i ON i.organization_id = l.organization_id AND i.id = l.invoice_id
WHERE l.organization_id = $1 AND l.kind <> 'late'
"""
_OF_CAUSES: Final = f"{_LINES} AND l.cause = ANY ($2::text[])"
_OF_SUBSCRIPTIONS: Final = f"{_LINES} AND l.subscription_id = ANY ($2::uuid[])"
_USED: Final = """
SELECT l.cause, l.amount + coalesce(late.amount, 0) AS amount, coalesce(found.quantity_after, l.quantity) AS quantity,
    coalesce(late.is_void, false) AS is_void
FROM invoice_lines l JOIN invoices i ON i.organization_id = l.organization_id AND i.id = l.invoice_id
LEFT JOIN LATERAL (
    SELECT quantity_after FROM late_usage t WHERE t.organization_id = l.organization_id AND t.cause = l.cause ORDER BY t.id DESC LIMIT 1
) found ON true
LEFT JOIN LATERAL (
    SELECT sum(o.amount) AS amount, bool_or(j.state = 'void') AS is_void
    FROM invoice_lines o JOIN invoices j ON j.organization_id = o.organization_id AND j.id = o.invoice_id
    WHERE o.organization_id = l.organization_id AND o.undoes = l.cause AND o.kind = 'late'
) late ON true
WHERE l.organization_id = $1 AND l.subscription_id = ANY ($2) AND l.kind = 'charge' AND l.meter_id IS NOT NULL
    AND i.state IN ('issued', 'uncollectible')
"""
_CENT: Final = Decimal("0.01")


@dataclass(slots=True)
class Judge:
    """What was seen of issued invoices, and what is wrong."""

    shop: Shop
    used: Mapping[UUID, Sequence[tuple[datetime, Decimal]]]
    """What each account used, and when, in the order of time: as it was told to the product, and kept here."""
    fixed: dict[UUID, bytes] = field(default_factory=dict)
    ended: dict[UUID, bytes] = field(default_factory=dict)
    numbered: int = 0
    violations: list[str] = field(default_factory=list)
    _day: str = ""

    async def night(self, since: datetime, now: datetime) -> None:
        """Compare what changed from ``since`` on; bills ran at ``now``."""
        self._day = f"{now:%Y-%m-%d}"
        for row in await self._fetch(_LEFT, now):
            self._say(f"subscription {row['id']} was left, billable at {row['billable_at']}, due at {row['next_due_at']}")
        await self._documents(since)
        await self._numbers(self.numbered)
        await self._lives(since, worked_out=now - LOOKED_BACK)

    async def everything(self, now: datetime) -> None:
        """Compare all there is, the product's own nightly check among it."""
        self._day = f"{now:%Y-%m-%d} (all)"
        always = now - timedelta(days=100_000)
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            wrong = await checking.check(uow, organization_id=self.shop.organization_id)
        if wrong.is_wrong:
            self._say(f"the product found {wrong}")
        await self._documents(always)
        await self._numbers(0)
        await self._lives(always, worked_out=None)

    def _say(self, words: str) -> None:
        self.violations.append(f"{self._day}: {words}")

    async def _fetch(self, query: str, *args: object) -> list[Any]:
        return await self.shop.fetch(query, self.shop.organization_id, *args)

    async def _documents(self, since: datetime) -> None:
        for row in await self._fetch(_SUMS, since):
            self._say(f"{row['number']} is not the sum of its lines")
        for row in await self._fetch(_TWICE, since):
            self._say(f"{row['cause']} is billed twice")
        for row in await self._fetch(_ISSUED, since):
            if self.fixed.setdefault(row["id"], row["fixed"]) != row["fixed"]:
                self._say(f"{row['number']} changed after it was issued")
            if row["id"] in self.ended and self.ended[row["id"]] != row["whole"]:
                self._say(f"{row['number']} changed after it was paid or void")
            if row["payment"] == "paid" or row["state"] == "void":
                self.ended[row["id"]] = row["whole"]

    async def _numbers(self, after: int) -> None:
        for row in await self._fetch(_NUMBERS, after):
            expected = (row["issued"] - after, after + 1, row["issued"]) if row["issued"] > after else (0, None, None)
            if (row["found"], row["first"], row["last"]) != expected:
                self._say(f"series {row['code']} has a gap or a double after {after}: {dict(row)}")
            self.numbered = row["issued"]

    async def _lives(self, since: datetime, *, worked_out: datetime | None) -> None:
        """Compare subscriptions that changed since with what their facts say is due, worked out from ``worked_out`` on."""
        after = UUID(int=0)
        while True:
            async with self.shop.database.transaction(self.shop.organization_id, read_only=True) as uow:
                rows = await uow.conn.fetch(_TOUCHED, self.shop.organization_id, since, after, BATCH)
                if not rows:
                    return
                found = await store.whole(uow, rows, organization_id=self.shop.organization_id)
                await self._compared(uow, found, worked_out)
            after = found[-1].id

    async def _compared(self, uow: db.UnitOfWork, found: Sequence[Subscription], worked_out: datetime | None) -> None:
        versions = await recording.versions_of(uow, organization_id=self.shop.organization_id, subscriptions=found)
        due: list[DueCharge] = []
        for one in found:
            if standing.standing(one.facts, at=one.advanced_until).status is not one.status:
                self._say(f"subscription {one.id} is {one.status.value}, which its facts don't say")
            if one.billed_until is not None:
                books = writing.Books(subscription_id=one.id, account_id=one.account_id, versions=versions)
                due += charging.due_charges(one.facts, books, since=worked_out, until=one.billed_until)
        causes = {cause for one in due for cause in (one.cause, one.credits) if cause is not None}
        query, wanted = (_OF_SUBSCRIPTIONS, [one.id for one in found]) if worked_out is None else (_OF_CAUSES, sorted(causes))
        lines = {row["cause"]: row for row in await uow.conn.fetch(query, self.shop.organization_id, wanted)}
        for words in [*missing(due, lines), *misjudged(due, lines)]:
            self._say(words)
        if worked_out is None:
            for cause in lines.keys() - causes:
                self._say(f"{cause} is billed and was never due")
            rows = await uow.conn.fetch(_USED, self.shop.organization_id, [one.id for one in found])
            for words in miscounted(due, rows, self.used, until=max(one.advanced_until for one in found) - SETTLED):
                self._say(words)


def missing(due: Iterable[DueCharge], lines: dict[str, Any]) -> Iterable[str]:
    """Yield what is due and on no invoice, but for charges whose whole credit is on none either: together they are nothing."""
    absent = {one.cause: one for one in due if one.cause not in lines}
    nothing = {
        cause for one in absent.values() if one.credits is not None and one.numerator == one.debited for cause in (one.cause, one.credits)
    }
    for cause in absent.keys() - nothing:
        yield f"{cause} is due and was never billed"
    for cause in nothing & lines.keys():
        yield f"{cause} is billed without what makes it nothing"


def misjudged(due: Iterable[DueCharge], lines: dict[str, Any]) -> Iterable[str]:
    """Yield lines of flat prices whose amount is not price times part, half up at the cent; a credit's is a part of what was debited."""
    by_cause = {one.cause: one for one in due}
    for one in by_cause.values():
        source = by_cause.get(one.credits or one.cause)
        line = lines.get(one.cause)
        if source is None or line is None or one.kind not in (DueKind.CHARGE, DueKind.CREDIT):
            continue
        if source.charge is None or not isinstance(source.charge.model, Flat):
            continue
        if one.credits is not None and (one.credits not in lines or lines[one.credits]["state"] == "void"):
            continue  # what is void debited nothing
        exact = Fraction(source.charge.model.amount) * source.quantity * Fraction(source.numerator, source.denominator)
        if one.kind is DueKind.CREDIT:
            exact *= -Fraction(one.numerator, one.debited or 1)
        if line["amount"] != rounded(exact):
            yield f"{one.cause} is billed with {line['amount']} instead of {rounded(exact)}"


def miscounted(
    due: Iterable[DueCharge], rows: Iterable[Any], used: Mapping[UUID, Sequence[tuple[datetime, Decimal]]], *, until: datetime
) -> Iterable[str]:
    """Yield lines of usage, long over, that with what came late are not the usage that there was, or not its price."""
    by_cause = {one.cause: one for one in due}
    for row in rows:
        one = by_cause.get(row["cause"])
        if one is None or one.billable_at > until:
            continue
        there = used.get(one.account_id, ())
        quantity = sum((each for part in one.stretches for _, each in _within(there, part)), Decimal(0))
        if row["quantity"] != quantity:
            yield f"{one.cause} is billed for {row['quantity']} instead of {quantity}"
        price = min(quantity, Decimal(100)) * Decimal("0.10") + max(quantity - 100, Decimal(0)) * Decimal("0.05")
        if not row["is_void"] and row["amount"] != rounded(Fraction(price)):
            yield f"{one.cause} is billed with {row['amount']} instead of {rounded(Fraction(price))}"


def _within(there: Sequence[tuple[datetime, Decimal]], part: Period) -> Sequence[tuple[datetime, Decimal]]:
    first = bisect.bisect_left(there, part.start, key=lambda one: one[0])
    return there[first : len(there) if part.end is None else bisect.bisect_left(there, part.end, key=lambda one: one[0])]


def rounded(exact: Fraction) -> Decimal:
    """Return an amount at the cent, half away from nothing."""
    sign = -1 if exact < 0 else 1
    cents = (abs(exact) * 100 * 2 + 1) // 2
    return (Decimal(sign * cents) / 100).quantize(_CENT, ROUND_HALF_UP)
