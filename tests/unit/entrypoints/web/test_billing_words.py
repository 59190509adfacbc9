"""How invoices and subscriptions are told: days of a zone, parts of a period, payments, and what a document's numbers look like."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from carbonledger.domains.invoices.types.invoices import Invoice, Payment, State
from carbonledger.entrypoints.web.sections.invoices import shown, wording
from carbonledger.kernel import currency
from carbonledger.kernel.period import Period
from tests.unit.domains.invoices import invoice_kit as kit

BERLIN = ZoneInfo("Europe/Berlin")


def issued(**changes: object) -> Invoice:
    """Due on 31 March 2026."""
    return kit.invoice(**({"state": State.ISSUED, "issued": kit.issued()} | changes))


@pytest.mark.parametrize(
    "start, end, said",
    [
        # Local midnights of Berlin: UTC+1 in winter, UTC+2 from 29 March 2026 on.
        (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC), "1 Mar to 31 Mar 2026"),
        (datetime(2025, 12, 14, 23, tzinfo=UTC), datetime(2026, 1, 14, 23, tzinfo=UTC), "15 Dec 2025 to 14 Jan 2026"),
        (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC), "29 Mar 2026"),
        (datetime(2026, 3, 28, 23, tzinfo=UTC), None, "from 29 Mar 2026"),
        (datetime(2026, 3, 5, 9, tzinfo=UTC), datetime(2026, 3, 5, 9, 0, 1, tzinfo=UTC), "5 Mar 2026"),  # a second of a day
    ],
)
def test_days_are_those_of_the_zone_with_the_last_one_inside(start: datetime, end: datetime | None, said: str) -> None:
    assert wording.days(Period(start, end), BERLIN) == said


@pytest.mark.parametrize(
    "part, said",
    [
        ((1, 1), ""),
        ((30, 30), ""),
        ((5, 30), "5 of 30 days"),
        ((3600, 2_678_400), "3,600 of 2,678,400 seconds"),
        ((366, 1096), "366 of 1,096 days"),
    ],
)
def test_a_part_of_a_period_is_in_days_or_in_seconds(part: tuple[int, int], said: str) -> None:
    assert wording.part(*part) == said


@pytest.mark.parametrize(
    "changes, today, said",
    [
        ({}, date(2026, 3, 31), "unpaid"),  # the day it is due
        ({}, date(2026, 4, 1), "overdue"),
        ({"payment": Payment.FAILED}, date(2026, 4, 1), "payment failed, overdue"),
        ({"payment": Payment.PAID}, date(2026, 4, 1), "paid"),
        ({"payment": Payment.CREDIT}, date(2026, 4, 1), "in their favour"),
        ({"state": State.VOID}, date(2026, 4, 1), ""),
        ({"state": State.UNCOLLECTIBLE}, date(2026, 4, 1), "unpaid"),
        ({"state": State.DRAFT, "issued": None}, date(2026, 4, 1), ""),
    ],
)
def test_payment_is_told_apart_from_the_document(changes: dict[str, object], today: date, said: str) -> None:
    assert wording.payment(issued(**changes), today=today)[0] == said


@pytest.mark.parametrize(
    "amount, code, said",
    [
        ("1234567.5", "EUR", "1,234,567.50"),
        ("-0.05", "USD", "-0.05"),
        ("1500", "JPY", "1,500"),
        ("1.5", "KWD", "1.500"),
        ("0.000125", "USD", "0.000125"),  # a unit price keeps its digits
    ],
)
def test_money_has_all_the_digits_of_its_currency(amount: str, code: str, said: str) -> None:
    assert shown.money(Decimal(amount), currency.by_code(code)) == said


def test_what_is_estimated_has_three_digits_and_its_exact_value_beside_them() -> None:
    found = shown.quantity(Decimal("0.0760862001343479"), "carbon")
    assert (found.number, found.unit, found.exact) == ("0.0761", "kg CO2e", "0.0760862001343479 kg CO2e")
    assert shown.quantity(Decimal(20327), "graduated").text == "20,327"
