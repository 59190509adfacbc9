"""Puts an issued invoice into the words of its printed pages. Pure: it decides and rounds nothing, what is shown is what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types import plans
from carbonledger.domains.catalog.types.charges import Flat
from carbonledger.domains.invoices.core import words as spoken
from carbonledger.domains.invoices.core.words import Words
from carbonledger.domains.invoices.types import days, printing
from carbonledger.domains.invoices.types.invoices import Invoice, Issued, Line, LineKind, Origin, Party, Payment, TaxTotal
from carbonledger.domains.invoices.types.printing import Fact, Row, Sum
from carbonledger.domains.invoices.types.rating import Bounded
from carbonledger.domains.invoices.types.sellers import SellerSettings
from carbonledger.kernel import decimals
from carbonledger.kernel import zone as zones
from carbonledger.kernel.money import Money

TIERS_MAX: Final = 6  # under a line; the attached file has all of them
_VAT: Final = frozenset({"eu_vat", "gb_vat", "ch_vat", "no_vat"})
_UNSEEN: Final = "\u25af"  # a character that the page's fonts do not have; the attached file has it
# What the fonts inside typst cover: Latin with its extensions, Greek, Cyrillic, and common punctuation and currency signs.
_SEEN: Final = (
    *((0x20, 0x7E), (0xA0, 0x24F), (0x386, 0x3CE), (0x400, 0x45F), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x202F, 0x202F)),
    *((0x20AC, 0x20AC), (0x2082, 0x2082), (0x2212, 0x2212), (0x2122, 0x2122)),
)


def sheet(
    invoice: Invoice, lines: Sequence[Line], *, settings: SellerSettings, is_test: bool, corrects: str | None = None
) -> printing.Sheet:
    """Return the pages of an issued invoice; ``corrects`` is the number of the one that it adds to."""
    issued = invoice.issued
    if issued is None:
        raise ValueError("an invoice is printed once it is issued")
    words = spoken.WORDS[invoice.locale]
    heading = _heading(words, invoice)
    return printing.Sheet(
        language=invoice.locale.value,
        is_test=is_test,
        title=f"{words.test + ': ' if is_test else ''}{heading} {seen(issued.number)}",
        heading=heading,
        number=seen(issued.number),
        seller_name=seen(issued.seller.name),
        seller=_seller(words, issued.seller),
        seller_line=" · ".join([seen(issued.seller.name), *_address(issued.seller.address)]),
        buyer=_buyer(words, issued.buyer),
        facts=_facts(words, invoice, issued, lines),
        headings=(words.description, words.quantity, words.unit_price, words.amount),
        rows=tuple(_row(words, invoice, line) for line in lines),
        sums=_sums(words, invoice),
        notes=_notes(words, invoice, issued, corrects),
        footer=None if settings.footer is None else seen(settings.footer),
        page_words=words.page,
        test_word=words.test,
        attachment_words=words.attachment,
        color=settings.color,
        logo=settings.logo,
        issued_at=issued.at,
    )


def seen(text: str) -> str:
    """Return text as the page can show it: what its fonts lack is a box."""
    return "".join(each if any(low <= ord(each) <= high for low, high in _SEEN) else _UNSEEN for each in text)


def _heading(words: Words, invoice: Invoice) -> str:
    if invoice.payment is Payment.CREDIT:
        return words.credit
    return words.correction if invoice.origin is Origin.CORRECTION else words.invoice


def _address(address: accounts.Address) -> list[str]:
    town = " ".join(part for part in (address.postal_code, address.city) if part)
    return [seen(part) for part in (address.line1, address.line2, town, address.region, address.country) if part]


def _tax_ids(words: Words, party: Party) -> list[str]:
    return [f"{words.vat_id if one.kind in _VAT else words.tax_id}: {seen(one.value)}" for one in party.tax_ids]


def _seller(words: Words, party: Party) -> tuple[str, ...]:
    return (*_address(party.address), *([seen(party.email)] if party.email else []), *_tax_ids(words, party))


def _buyer(words: Words, party: Party) -> tuple[str, ...]:
    return (seen(party.name), *_address(party.address), *_tax_ids(words, party))


def _facts(words: Words, invoice: Invoice, issued: Issued, lines: Sequence[Line]) -> tuple[Fact, ...]:
    zone = zones.named(invoice.zone)
    facts = [
        Fact(words.number, seen(issued.number)),
        Fact(words.issued, spoken.day(words, zones.local_date(issued.at, zone))),
    ]
    if invoice.payment is Payment.UNPAID:
        facts.append(Fact(words.due, spoken.day(words, issued.due_on)))
    served = [found for line in lines if (found := days.of_part(line, zone)) is not None]
    if served:
        facts.append(Fact(words.period, _days(words, min(first for first, _ in served), max(last for _, last in served))))
    if issued.buyer.reference:
        facts.append(Fact(words.reference, seen(issued.buyer.reference)))
    return tuple(facts)


def _days(words: Words, first: date, last: date) -> str:
    """Return days, the last one inside."""
    if first == last:
        return spoken.day(words, first)
    return words.to.format(start=spoken.day(words, first), end=spoken.day(words, last))


def _row(words: Words, invoice: Invoice, line: Line) -> Row:
    part = days.of_part(line, zones.named(invoice.zone))
    details: tuple[str, ...] = () if part is None else (_days(words, *part),)
    if line.kind is not LineKind.LATE:  # what is kept is that of the whole line, and this is a difference
        details += (*_parts(words, line), *_tiers(words, invoice, line), *_beside(words, invoice, line))
    return Row(
        description=seen(line.description),
        details=details,
        quantity=spoken.number(words, line.quantity),
        unit_price="" if line.unit_price is None else spoken.amount(words, Money(line.unit_price, invoice.currency)),
        amount=spoken.amount(words, Money(line.amount, invoice.currency)),
    )


def _tiers(words: Words, invoice: Invoice, line: Line) -> Iterable[str]:
    tiers = line.explained.rated.get("tiers") or ()
    if len(tiers) < 2 or len(tiers) > TIERS_MAX:  # noqa: PLR2004 - one tier says what the line says
        return
    for tier in tiers:
        rate = tier.get("rate_percent")
        price = spoken.percent(words, Decimal(rate)) if rate else spoken.amount(words, Money(Decimal(tier["unit_price"]), invoice.currency))
        said = words.tier.format(quantity=spoken.number(words, Decimal(tier["quantity"])), price=price)
        flat = Decimal(tier.get("flat_price") or 0)
        yield said if not flat else f"{said}, {words.flat.format(price=spoken.amount(words, Money(flat, invoice.currency)))}"


def _parts(words: Words, line: Line) -> Iterable[str]:
    """Yield which part of a price and of a quantity was charged."""
    kept, of_period = line.explained.rated, days.part(line)
    if of_period is not None:
        part, whole = (spoken.number(words, Decimal(count)) for count in of_period)
        yield (words.days if of_period[1] <= plans.INTERVAL_MAX_DAYS else words.seconds).format(part=part, whole=whole)
    rated = kept.get("rated")
    if rated is not None and rated["billable"] != rated["quantity"] and not _is_flat(kept):
        yield words.left.format(left=spoken.number(words, Decimal(rated["billable"])))


def _beside(words: Words, invoice: Invoice, line: Line) -> Iterable[str]:
    """Yield what became of an amount after its price: bounds and discounts."""
    kept = line.explained.rated
    bounded = (kept.get("rated") or {}).get("bounded")
    if bounded:
        yield words.minimum if Bounded(bounded) is Bounded.MINIMUM else words.maximum
    for off in kept.get("discounts", ()):
        yield _less(words, invoice, off)


def _is_flat(kept: Mapping[str, Any]) -> bool:
    return "charge" in kept and kept["charge"]["model"]["name"] == Flat.name


def _less(words: Words, invoice: Invoice, off: Mapping[str, str | None]) -> str:
    if "percent" in off:
        how = spoken.percent(words, Decimal(off["percent"] or 0))
    else:
        how = spoken.money(words, Money(Decimal(off["amount"] or 0), invoice.currency))
    return words.less.format(off=how) + (f" ({seen(off['name'])})" if off["name"] else "")


def _sums(words: Words, invoice: Invoice) -> tuple[Sum, ...]:
    totals, currency = invoice.totals, invoice.currency

    def shown(amount: Decimal) -> str:
        return spoken.amount(words, Money(amount, currency))

    rows = []
    if totals.discount or totals.taxes:
        rows.append(Sum(words.subtotal, shown(totals.subtotal)))
    if totals.discount:
        named = ", ".join(dict.fromkeys(seen(one.name) for one in invoice.discounts if one.name))
        rows.append(Sum(f"{words.discount}{f' ({named})' if named else ''}", shown(-totals.discount)))
    taxes = [(one.is_inclusive, Sum(_tax(words, one, shown(one.base)), shown(one.amount))) for one in totals.taxes]
    rows += [row for is_inside, row in taxes if not is_inside]
    rows.append(Sum(words.total, spoken.money(words, Money(totals.total, currency)), is_total=True))
    return (*rows, *(row for is_inside, row in taxes if is_inside))


def _tax(words: Words, one: TaxTotal, base: str) -> str:
    said = words.tax_inside if one.is_inclusive else words.tax
    return said.format(name=seen(one.name), percent=spoken.percent(words, one.percent), base=base)


def _notes(words: Words, invoice: Invoice, issued: Issued, corrects: str | None) -> tuple[str, ...]:
    total = invoice.totals.total
    notes = []
    if corrects is not None:
        notes.append(words.corrects.format(number=seen(corrects)))
    if invoice.tax_treatment is TaxTreatment.REVERSE_CHARGE:
        notes.append(words.reverse_charge)
    elif invoice.tax_treatment is TaxTreatment.EXEMPT:
        notes.append(words.exempt)
    if invoice.memo is not None:
        notes.append(seen(invoice.memo))
    said = spoken.money(words, Money(decimals.of(abs(total)), invoice.currency))
    if total > 0:
        notes.append(words.pay.format(total=said, date=spoken.day(words, issued.due_on), number=seen(issued.number)))
    else:
        notes.append(words.owed.format(total=said) if total < 0 else words.nothing_due)
    return tuple(notes)
