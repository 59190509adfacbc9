"""The words, dates and numbers of a printed invoice in English, German and French. Pure.

Source of dates, months and separators: CLDR 47, locales en, de and fr (``dateFormats-long``, ``decimalFormats``, ``currencyFormats`` with
the currency's code): https://cldr.unicode.org. The words of tax are those of Council Directive 2006/112/EC, article 226, in the three
languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from carbonledger.domains.accounts.types import Locale
from carbonledger.kernel import decimals
from carbonledger.kernel import money as moneys
from carbonledger.kernel.money import Money

_NO_BREAK: Final = "\u00a0"
_NARROW: Final = "\u202f"
_MINUS: Final = "\u2212"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one language. ``{…}`` are places."""

    months: tuple[str, ...]
    date: str
    group: str
    point: str
    money: str
    percent: str
    invoice: str
    credit: str
    correction: str
    number: str
    issued: str
    due: str
    period: str
    reference: str
    bill_to: str
    tax_id: str
    vat_id: str
    description: str
    quantity: str
    unit_price: str
    amount: str
    subtotal: str
    discount: str
    tax: str
    tax_inside: str
    total: str
    reverse_charge: str
    exempt: str
    nothing_due: str
    pay: str
    owed: str
    corrects: str
    page: str
    test: str
    attachment: str
    to: str
    tier: str
    flat: str
    days: str
    seconds: str
    left: str
    minimum: str
    maximum: str
    less: str
    setup: str
    credit_for: str
    commitment: str
    late: str


_EN: Final = Words(
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    date="{month} {day}, {year}",
    group=",",
    point=".",
    money="{code}" + _NO_BREAK + "{amount}",
    percent="{percent}%",
    invoice="Invoice",
    credit="Credit",
    correction="Correction invoice",
    number="Number",
    issued="Date of issue",
    due="Due",
    period="Service period",
    reference="Customer",
    bill_to="Bill to",
    tax_id="Tax ID",
    vat_id="VAT ID",
    description="Description",
    quantity="Quantity",
    unit_price="Unit price",
    amount="Amount",
    subtotal="Subtotal",
    discount="Discount",
    tax="{name} {percent} on {base}",
    tax_inside="of which {name} {percent} on {base}",
    total="Total",
    reverse_charge="Reverse charge: the recipient of the service is liable for the tax.",
    exempt="Exempt from tax.",
    nothing_due="Nothing is to be paid.",
    pay="Please pay {total} by {date}, naming {number}.",
    owed="{total} is in your favour.",
    corrects="Adds to invoice {number}.",
    page="Page {page} of {pages}",
    test="TEST",
    attachment="This invoice with all its lines, as JSON.",
    to="{start} to {end}",
    tier="{quantity} at {price}",
    flat="flat {price}",
    days="{part} of {whole} days",
    seconds="{part} of {whole} seconds",
    left="{left} after what is included",
    minimum="minimum charge",
    maximum="maximum charge",
    less="less {off}",
    setup="Setup fee",
    credit_for="{name}, credit for the time that is not used",
    commitment="Minimum commitment, what is missing of it",
    late="{name}, usage reported later",
)
_DE: Final = Words(
    months=("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"),
    date="{day}. {month} {year}",
    group=".",
    point=",",
    money="{amount}" + _NO_BREAK + "{code}",
    percent="{percent}" + _NO_BREAK + "%",
    invoice="Rechnung",
    credit="Rechnungskorrektur",
    correction="Korrekturrechnung",
    number="Nummer",
    issued="Rechnungsdatum",
    due="Fällig",
    period="Leistungszeitraum",
    reference="Kunde",
    bill_to="Rechnung an",
    tax_id="Steuernummer",
    vat_id="USt-IdNr.",
    description="Beschreibung",
    quantity="Menge",
    unit_price="Einzelpreis",
    amount="Betrag",
    subtotal="Zwischensumme",
    discount="Rabatt",
    tax="{name} {percent} auf {base}",
    tax_inside="darin {name} {percent} auf {base}",
    total="Gesamtbetrag",
    reverse_charge="Steuerschuldnerschaft des Leistungsempfängers.",
    exempt="Von der Steuer befreit.",
    nothing_due="Es ist nichts zu zahlen.",
    pay="Bitte zahlen Sie {total} bis {date} unter Angabe von {number}.",
    owed="{total} zu Ihren Gunsten.",
    corrects="Ergänzt Rechnung {number}.",
    page="Seite {page} von {pages}",
    test="TEST",
    attachment="Diese Rechnung mit allen Positionen, als JSON.",
    to="{start} bis {end}",
    tier="{quantity} zu {price}",
    flat="pauschal {price}",
    days="{part} von {whole} Tagen",
    seconds="{part} von {whole} Sekunden",
    left="{left} nach Abzug des Enthaltenen",
    minimum="Mindestbetrag",
    maximum="Höchstbetrag",
    less="abzüglich {off}",
    setup="Einrichtungsgebühr",
    credit_for="{name}, Gutschrift für nicht genutzte Zeit",
    commitment="Mindestumsatz, fehlender Betrag",
    late="{name}, nachgemeldete Nutzung",
)
_FR: Final = Words(
    months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    date="{day} {month} {year}",
    group=_NARROW,
    point=",",
    money="{amount}" + _NO_BREAK + "{code}",
    percent="{percent}" + _NARROW + "%",
    invoice="Facture",
    credit="Avoir",
    correction="Facture rectificative",
    number="Numéro",
    issued="Date d\u2019émission",
    due="Échéance",
    period="Période de service",
    reference="Client",
    bill_to="Facturé à",
    tax_id="Numéro fiscal",
    vat_id="N° TVA",
    description="Description",
    quantity="Quantité",
    unit_price="Prix unitaire",
    amount="Montant",
    subtotal="Sous-total",
    discount="Remise",
    tax="{name} {percent} sur {base}",
    tax_inside="dont {name} {percent} sur {base}",
    total="Total",
    reverse_charge="Autoliquidation.",
    exempt="Exonéré de taxe.",
    nothing_due="Rien n\u2019est à payer.",
    pay="Veuillez payer {total} au plus tard le {date}, en indiquant {number}.",
    owed="{total} en votre faveur.",
    corrects="Complète la facture {number}.",
    page="Page {page} sur {pages}",
    test="TEST",
    attachment="Cette facture avec toutes ses lignes, en JSON.",
    to="du {start} au {end}",
    tier="{quantity} à {price}",
    flat="forfait {price}",
    days="{part} jours sur {whole}",
    seconds="{part} secondes sur {whole}",
    left="{left} après déduction de ce qui est inclus",
    minimum="montant minimum",
    maximum="montant maximum",
    less="moins {off}",
    setup="Frais de mise en service",
    credit_for="{name}, avoir pour la période non utilisée",
    commitment="Engagement minimum, montant manquant",
    late="{name}, usage déclaré plus tard",
)
WORDS: Final[Mapping[Locale, Words]] = MappingProxyType({Locale.EN: _EN, Locale.DE: _DE, Locale.FR: _FR})


def day(words: Words, value: date) -> str:
    """Return a date in full: ``March 1, 2026``, ``1. März 2026``, ``1 mars 2026``."""
    return words.date.format(day=value.day, month=words.months[value.month - 1], year=value.year)


def number(words: Words, value: Decimal) -> str:
    """Return a number as the language writes it, with all its digits: ``1,234.5``, ``1.234,5`` or ``1 234,5``, and a true minus sign."""
    return _spelled(words, decimals.to_api_decimal(value))


def amount(words: Words, value: Money) -> str:
    """Return an amount without its currency, with the minor unit's digits at least."""
    return _spelled(words, moneys.to_api_amount(value))


def money(words: Words, value: Money) -> str:
    """Return an amount with its currency's code: ``EUR 1,234.50``, ``1.234,50 EUR``."""
    return words.money.format(code=value.currency.code, amount=amount(words, value))


def percent(words: Words, value: Decimal) -> str:
    """Return so many percent."""
    return words.percent.format(percent=number(words, value))


def _spelled(words: Words, plain: str) -> str:
    sign, digits = (_MINUS, plain[1:]) if plain.startswith("-") else ("", plain)
    whole, _, fraction = digits.partition(".")
    first = len(whole) % 3
    groups = ([whole[:first]] if first else []) + [whole[start : start + 3] for start in range(first, len(whole), 3)]
    return sign + words.group.join(groups) + (words.point + fraction if fraction else "")
