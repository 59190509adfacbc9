"""The invoice's PDF: the same bytes each time, PDF/A-3 with the invoice attached, in the words of its language."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from carbonledger.adapters import invoice_pdf
from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.accounts.types import Locale
from carbonledger.domains.invoices.core import attached, sheet, states, words
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types import printing, sellers
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money
from tests.unit.domains.invoices import invoice_kit as kit

EUR = currency.by_code("EUR")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><rect width="60" height="20" fill="#224"/></svg>'
SETTINGS = sellers.SellerSettings(color="#8a2b6c", footer="IBAN DE89 3704 0044 0532 0130 00")


def line(position: int = 1) -> types.Line:
    return types.Line(
        id=kit.ID,
        cause=f"cause {position}",
        kind=types.LineKind.CHARGE,
        description="API calls",
        position=position,
        # Midnight of 1 February to that of 1 March in Berlin.
        service_start=datetime(2026, 1, 31, 23, tzinfo=UTC),
        service_end=datetime(2026, 2, 28, 23, tzinfo=UTC),
        part_start=datetime(2026, 1, 31, 23, tzinfo=UTC),
        part_end=datetime(2026, 2, 28, 23, tzinfo=UTC),
        quantity=Decimal("1234567.5"),
        unit_price=Decimal("0.000123"),
        unrounded=Decimal("151.851"),
        amount=Decimal("151.85"),
    )


def invoice(locale: Locale = Locale.EN, *, lines: int = 1, **changes: object) -> types.Invoice:
    amount = Decimal("151.85") * lines
    totals = types.Totals(subtotal=amount, discount=Decimal(0), tax=Decimal(0), total=amount)
    draft = kit.invoice(locale=locale, lines=lines, totals=totals, **changes)
    buyer = types.Party(name="Søciété Ünïque", address=accounts.Address(line1="12 rue de la Paix", city="Paris", country="FR"))
    return states.issued(draft, by=replace(kit.issued(), buyer=buyer))


def made(found: types.Invoice, *, settings: sellers.SellerSettings = SETTINGS, is_test: bool = False) -> printing.Sheet:
    return sheet.sheet(found, [line(place + 1) for place in range(found.lines)], settings=settings, is_test=is_test)


def printed(found: types.Invoice, *, settings: sellers.SellerSettings = SETTINGS, is_test: bool = False) -> bytes:
    attachment = attached.attached(found, [line(place + 1) for place in range(found.lines)])
    return invoice_pdf.TypstInvoicePrinter().printed(made(found, settings=settings, is_test=is_test), attachment=attachment)


def test_the_same_invoice_gives_the_same_bytes() -> None:
    assert printed(invoice()) == printed(invoice())
    assert printed(invoice()) != printed(invoice(memo="Thank you."))


def test_it_is_pdf_a_3_with_the_invoice_attached() -> None:
    content = printed(invoice())
    assert b"<pdfaid:part>3</pdfaid:part>" in content
    assert b"invoice.json" in content
    streams = [_inflated(each) for each in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)]
    (found,) = [json.loads(each) for each in streams if each.startswith(b'{"')]
    assert (found["schema"], found["number"], found["total"]) == ("carbon-ledger/invoice/v1", "INV-00001", "151.85")
    assert found["lines"][0]["amount_unrounded"] == "151.851"


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def test_many_lines_take_many_pages_and_say_which() -> None:
    content = printed(invoice(lines=120))
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 2


@pytest.mark.parametrize("logo", [None, sellers.Logo(media_type="image/svg+xml", content=SVG)])
@pytest.mark.parametrize("is_test", [False, True])
def test_a_logo_and_the_word_test_have_their_places(logo: sellers.Logo | None, is_test: bool) -> None:
    assert printed(invoice(), settings=replace(SETTINGS, logo=logo), is_test=is_test).startswith(b"%PDF")


# As CLDR writes them: the long date, and digits in groups of three. Spaces are those of the language: fixed, and narrow in French numbers.
@pytest.mark.parametrize(
    "locale, heading, issued, period, quantity, total",
    [
        (Locale.EN, "Invoice", "March 1, 2026", "February 1, 2026 to February 28, 2026", "1,234,567.5", "EUR\u00a0151.85"),
        (Locale.DE, "Rechnung", "1. März 2026", "1. Februar 2026 bis 28. Februar 2026", "1.234.567,5", "151,85\u00a0EUR"),
        (Locale.FR, "Facture", "1 mars 2026", "du 1 février 2026 au 28 février 2026", "1\u202f234\u202f567,5", "151,85\u00a0EUR"),
    ],
)
def test_it_speaks_the_language_of_the_account(locale: Locale, heading: str, issued: str, period: str, quantity: str, total: str) -> None:
    page = made(invoice(locale))
    facts = [fact.value for fact in page.facts]
    assert (page.language, page.heading, page.rows[0].quantity) == (locale.value, heading, quantity)
    assert issued in facts
    assert period in facts
    assert page.sums[-1] == printing.Sum(words.WORDS[locale].total, total, is_total=True)


@pytest.mark.parametrize(
    "code, amount, shown",
    [
        ("JPY", "1234567", "1,234,567"),  # no minor unit
        ("KWD", "1.5", "1.500"),  # three digits
        ("CLF", "-1234.5", "\u22121,234.5000"),  # four, and below zero
    ],
)
def test_amounts_have_the_digits_of_their_currency(code: str, amount: str, shown: str) -> None:
    assert words.amount(words.WORDS[Locale.EN], Money(Decimal(amount), currency.by_code(code))) == shown


def test_who_owes_the_tax_himself_is_told_so() -> None:
    page = made(invoice(Locale.DE, tax_treatment=accounts.TaxTreatment.REVERSE_CHARGE))
    assert "Steuerschuldnerschaft des Leistungsempfängers." in page.notes


def test_what_the_fonts_lack_is_a_box() -> None:
    assert sheet.seen("株式会社 Ünïque €") == "▯▯▯▯ Ünïque €"
