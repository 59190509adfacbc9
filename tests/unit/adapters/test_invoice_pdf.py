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
from carbonledger.domains.invoices.types import totals as totals_types
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


def rated(**kept: object) -> types.Line:
    return replace(line(), explained=types.Explained(rated={"charge": {"model": {"name": "standard"}}, "part": [1, 1], **kept}))


OFF = [{"percent": "12.5", "name": None}, {"amount": "5", "name": "Welcome"}]


@pytest.mark.parametrize(
    "locale, found, details",
    [
        # What the amount came from beside quantity times price stands under the line, in its language.
        (Locale.EN, rated(part=[17, 31], discounts=OFF), ["17 of 31 days", "less 12.5%", "less EUR\u00a05.00 (Welcome)"]),
        (Locale.DE, rated(part=[17, 31], discounts=OFF), ["17 von 31 Tagen", "abzüglich 12,5\u00a0%", "abzüglich 5,00\u00a0EUR (Welcome)"]),
        (Locale.FR, rated(part=[17, 31], discounts=OFF[:1]), ["17 jours sur 31", "moins 12,5\u202f%"]),
        # Usage is not a part of itself; what is included in it, its bounds and an amount off are.
        (Locale.EN, rated(part=[17, 31], stretches=[], discounts=OFF[:1]), ["less 12.5%"]),
        (Locale.EN, rated(part=[17, 31], stretches=[], charge={"model": {"name": "standard"}, "minimum": "5"}), ["17 of 31 days"]),
        (Locale.EN, rated(part=[17, 31], stretches=[], discounts=OFF[1:]), ["17 of 31 days", "less EUR\u00a05.00 (Welcome)"]),
        (Locale.EN, rated(part=[1_252_800, 2_592_000]), ["1,252,800 of 2,592,000 seconds"]),
        (
            Locale.EN,
            rated(rated={"quantity": "150", "billable": "50", "bounded": "minimum"}),
            ["50 after what is included", "minimum charge"],
        ),
        (Locale.DE, rated(rated={"quantity": "150", "billable": "150", "bounded": "maximum"}), ["Höchstbetrag"]),
        (Locale.EN, rated(charge={"model": {"name": "flat"}}, rated={"quantity": "1", "billable": "0", "bounded": None}), []),
        # 1,050: the first 1,000 at 1 %, the rest at 2 % and 300.00 for entering.
        (
            Locale.EN,
            rated(
                tiers=[
                    {"quantity": "1000", "unit_price": None, "rate_percent": "1", "flat_price": "0"},
                    {"quantity": "50", "unit_price": None, "rate_percent": "2", "flat_price": "300"},
                ]
            ),
            ["1,000 at 1%", "50 at 2%, flat 300.00"],
        ),
        (Locale.EN, replace(rated(part=[17, 31], discounts=OFF), kind=types.LineKind.LATE), []),
    ],
)
def test_a_line_says_what_its_amount_came_from(locale: Locale, found: types.Line, details: list[str]) -> None:
    page = sheet.sheet(invoice(locale), [found], settings=SETTINGS, is_test=False)
    assert list(page.rows[0].details)[1:] == details


def test_tax_inside_prices_stands_beneath_the_total_with_what_it_is_on() -> None:
    # 119.00 with 19 % inside are 100.00 and 19.00; 20 % of 10.00 on top are 2.00.
    inside = types.TaxTotal(code="a", name="VAT", percent=Decimal(19), is_inclusive=True, base=Decimal("100.00"), amount=Decimal("19.00"))
    on_top = types.TaxTotal(code="b", name="GST", percent=Decimal(20), is_inclusive=False, base=Decimal("10.00"), amount=Decimal("2.00"))
    totals = types.Totals(
        subtotal=Decimal("129.00"), discount=Decimal(0), tax=Decimal("2.00"), total=Decimal("131.00"), taxes=(inside, on_top)
    )
    page = made(replace(invoice(), totals=totals))
    assert [(one.label, one.value) for one in page.sums] == [
        ("Subtotal", "129.00"),
        ("GST 20% on 10.00", "2.00"),
        ("Total", "EUR\u00a0131.00"),
        ("of which VAT 19% on 100.00", "19.00"),
    ]


def test_the_days_are_those_that_were_counted() -> None:
    kept = {"days": ["2026-02-11", "2026-02-28"], "service_days": ["2026-02-01", "2026-02-28"]}
    page = sheet.sheet(invoice(zone="America/New_York"), [rated(**kept)], settings=SETTINGS, is_test=False)
    assert page.rows[0].details == ("February 11, 2026 to February 28, 2026",)
    # And the invoice's service period is that of what it charges, not of the whole periods which that is a part of.
    assert ("Service period", page.rows[0].details[0]) in [(fact.label, fact.value) for fact in page.facts]


def test_the_discount_of_the_document_has_its_names() -> None:
    totals = types.Totals(subtotal=Decimal("151.85"), discount=Decimal("11.85"), tax=Decimal(0), total=Decimal("140.00"))
    off = tuple(totals_types.DocumentDiscount(amount=Decimal(1), name=name) for name in ("Welcome", "Friend", "Welcome", None))
    page = made(replace(invoice(), totals=totals, discounts=off))
    assert page.sums[1] == printing.Sum("Discount (Welcome, Friend)", "\u221211.85")
