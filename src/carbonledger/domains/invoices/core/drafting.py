"""From everything that is due of one account at one instant to one document: its lines, its discounts, its tax. Pure.

Bill runs, previews and one-off invoices all end in ``summed``; subscriptions come through ``pieces_of``. The lines stand in the order of
their subscriptions, charges before what refers to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types import AmountDiscount, PercentDiscount, PlanVersion, TaxRate
from carbonledger.domains.catalog.types.charges import CostPlus
from carbonledger.domains.invoices.core import amounts_off, exact, pieces, services, totals
from carbonledger.domains.invoices.core.pieces import Measured, Piece
from carbonledger.domains.invoices.core.services import Service
from carbonledger.domains.invoices.core.words import Words
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Line, LineKind, Totals
from carbonledger.domains.invoices.types.rating import Part
from carbonledger.domains.invoices.types.totals import DocumentDiscount, DocumentTotals, Item, LineTotal, Tax, TaxRounding
from carbonledger.domains.subscriptions.types import DueCharge, DueKind
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Period

COST_CURRENCY: Final = "USD"
"""What providers charge in, by the price book."""
_COMMITTED: Final = frozenset({LineKind.CHARGE, LineKind.CREDIT})
"""Lines that count for a commitment."""
_ORDER: Final = {DueKind.SETUP: 0, DueKind.CHARGE: 1, DueKind.CREDIT: 2, DueKind.COMMITMENT_TRUE_UP: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known besides what is due.

    ``measured``: the usage of charges, by cause. ``billed``: lines that were billed before, by cause, those of void invoices apart.
    ``served``: lines that were billed before for what a commitment, or an amount off, is for. ``versions``: by id. ``tax_codes``: those of
    the seller.
    """

    words: Words
    currency: Currency
    versions: Mapping[UUID, PlanVersion]
    tax_codes: tuple[str, ...] = ()
    measured: Mapping[str, Measured] = field(default_factory=dict)
    billed: Mapping[str, Line] = field(default_factory=dict)
    served: Mapping[Service, Sequence[Line]] = field(default_factory=dict)


def pieces_of(due: Sequence[DueCharge], known: Known) -> list[Piece]:
    """Return the pieces of what is due, in their order on the document. Raises ``UsageInvalid``, ``AmountTooLarge``."""
    made: dict[str, Piece] = {}
    for one in sorted(due, key=lambda each: _ORDER[each.kind]):  # stable: within a kind as they came
        made[one.cause] = _piece(one, known, made)
    return [made[one.cause] for one in sorted(due, key=lambda each: (str(each.subscription_id), _ORDER[each.kind]))]


def _piece(due: DueCharge, known: Known, made: Mapping[str, Piece]) -> Piece:
    percents = tuple(one for one in known.versions[due.plan_version_id].discounts if isinstance(one, PercentDiscount))
    match due.kind:
        case DueKind.CHARGE:
            _refuse_conversion(due, known.currency)
            return pieces.of_charge(due, known.measured.get(due.cause), percents=percents, tax_codes=known.tax_codes)
        case DueKind.CREDIT:
            return _credit(due, known, made)
        case DueKind.SETUP:
            amount = _part(due, known.currency)
            return pieces.of_amount(due, amount, words=known.words, percents=percents, tax_codes=known.tax_codes)
        case DueKind.COMMITMENT_TRUE_UP:
            missing = _missing(due, known, made)
            return pieces.of_amount(due, missing, words=known.words, percents=percents, tax_codes=known.tax_codes)


def _refuse_conversion(due: DueCharge, currency: Currency) -> None:
    """Raise ``CostUnconvertible`` where a cost in one currency would have to be billed in another: nobody has told a rate."""
    if due.charge is not None and isinstance(due.charge.model, CostPlus) and currency.code != COST_CURRENCY:
        raise types.CostUnconvertible(f"Providers charge in {COST_CURRENCY}. Charge their cost by a plan in {COST_CURRENCY}.")


def _credit(due: DueCharge, known: Known, made: Mapping[str, Piece]) -> Piece:
    """Give back what was debited: by an earlier line less its part of the document's discount, or by one of this document."""
    cause = due.credits or ""
    if cause in made:
        return pieces.of_credit(due, pieces.debited(made[cause]), of=made[cause], words=known.words)
    line = known.billed.get(cause)
    if line is None:  # never billed, or its invoice is void: nothing was debited
        return pieces.of_credit(due, Fraction(0), of=None, words=known.words)
    return pieces.of_credit(due, pieces.debited(pieces.of_line(line)) - Fraction(line.discount), of=line, words=known.words)


def _part(due: DueCharge, currency: Currency) -> Decimal:
    return exact.rounded(Fraction(due.amount or 0) * Fraction(due.numerator, due.denominator), currency.minor_digits)


def _missing(due: DueCharge, known: Known, made: Mapping[str, Piece]) -> Decimal:
    """Return what a commitment lacks: what was charged for the same time, in this document and before, counts for it."""
    charged = _charged(services.of_due(due), known.served, made.values(), known.currency)
    return totals.true_up(due.amount or Decimal(0), charged, currency=known.currency, part=Part(due.numerator, due.denominator))


def _charged(wanted: Service, served: Mapping[Service, Sequence[Line]], made: Iterable[Piece], currency: Currency) -> list[Decimal]:
    before = [
        pieces.committed(pieces.of_line(line), minor_digits=currency.minor_digits)
        for line in served.get(wanted, ())
        if line.kind in _COMMITTED
    ]
    now = [
        pieces.committed(piece, minor_digits=currency.minor_digits)
        for piece in made
        if services.of_piece(piece) == wanted and piece.kind in _COMMITTED
    ]
    return [*before, *now]


def commitments_of(made: Iterable[Piece | Line]) -> list[tuple[UUID, UUID, Period]]:
    """Return what the commitments among pieces or lines are for."""
    found = (one if isinstance(one, Piece) else pieces.of_line(one) for one in made if one.kind is LineKind.COMMITMENT)
    return services.of_pieces(found)


def recommitted(made: Sequence[Piece], *, served: Mapping[Service, Sequence[Line]], currency: Currency) -> list[Piece]:
    """Return the pieces of a document whose usage was counted again, each commitment made good anew with what it comes to now.

    ``served``: the lines of other documents for what the commitments are for.
    """
    return [_recommitted(one, made, served, currency) if one.kind is LineKind.COMMITMENT else one for one in made]


def _recommitted(piece: Piece, made: Sequence[Piece], served: Mapping[Service, Sequence[Line]], currency: Currency) -> Piece:
    agreed, part = pieces.agreed(piece)
    charged = _charged(services.of_piece(piece), served, made, currency)
    return pieces.of_other_amount(piece, totals.true_up(agreed, charged, currency=currency, part=part))


def summed(
    made: Sequence[Piece],
    *,
    currency: Currency,
    discounts: Sequence[DocumentDiscount],
    treatment: TaxTreatment,
    rounding: TaxRounding,
    rates: Mapping[str, TaxRate],
    ids: Iterator[UUID],
) -> tuple[Totals, tuple[Line, ...]]:
    """Return what a document of these pieces comes to, and its lines with ids of ``ids``.

    Raises ``LinesTooMany``, ``TaxUnknown``, ``NumberOutOfRange``.
    """
    if len(made) > types.LINES_MAX:
        raise types.LinesTooMany(f"There would be {len(made)}, and {types.LINES_MAX} are the most.")
    items = [Item(piece.gross, piece.discounts, _taxes(piece, rates), piece.share) for piece in made]
    only = {place: of for place, one in enumerate(discounts) if (of := amounts_off.lines_of(made, one)) is not None}
    off = [AmountDiscount(one.amount, one.name) for one in discounts]
    whole = totals.total(items, currency=currency, discounts=off, only=only, treatment=treatment, rounding=rounding)
    lines = tuple(
        _line(piece, line, position=position, line_id=next(ids))
        for position, (piece, line) in enumerate(zip(made, whole.lines, strict=True), start=1)
    )
    return _totals(whole, rates), lines


def _taxes(piece: Piece, rates: Mapping[str, TaxRate]) -> tuple[Tax, ...]:
    unknown = [code for code in piece.tax_codes if code not in rates]
    if unknown:
        raise types.TaxUnknown(f"There is no tax rate {unknown[0]}.")
    return tuple(Tax(code, rates[code].percent, rates[code].inclusive) for code in piece.tax_codes)


def _line(piece: Piece, total: LineTotal, *, position: int, line_id: UUID) -> Line:
    service, part = piece.service, piece.part
    return Line(
        id=line_id,
        cause=piece.cause,
        kind=piece.kind,
        description=piece.description,
        position=position,
        subscription_id=piece.subscription_id,
        plan_version_id=piece.plan_version_id,
        charge_code=piece.charge_code,
        undoes=piece.undoes,
        service_start=None if service is None else service.start,
        service_end=None if service is None else service.end,
        part_start=None if part is None else part.start,
        part_end=None if part is None else part.end,
        quantity=piece.quantity,
        unit_price=piece.unit_price,
        unrounded=exact.shown(total.unrounded),
        amount=total.amount,
        discount=total.discount,
        tax=total.tax,
        tax_included=total.tax_included,
        tax_codes=piece.tax_codes,
        explained=piece.explained,
    )


def _totals(whole: DocumentTotals, rates: Mapping[str, TaxRate]) -> Totals:
    return Totals(
        subtotal=whole.subtotal,
        discount=whole.discount,
        tax=whole.tax,
        total=whole.total,
        taxes=tuple(
            types.TaxTotal(
                code=one.tax.code,
                name=rates[one.tax.code].name,
                percent=one.tax.percent,
                is_inclusive=one.tax.inclusive,
                base=one.taxable,
                amount=one.amount,
            )
            for one in whole.taxes
        ),
    )
