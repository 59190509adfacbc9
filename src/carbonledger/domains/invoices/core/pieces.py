"""From what is due to a line before it is summed: rated once, by the function that previews rate with. Pure.

    due charge + usage -> rated -> piece (gross, discounts, taxes, and what explains it) -> a document (``documents``)

A piece keeps everything it was made of in plain JSON, so that it can be rated again with other usage (``again``), and so that anybody can
work it out by hand. Names in there are kept with invoices for ever: none gets another meaning.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.catalog.types import AmountDiscount, Charge, Discount, PercentDiscount, documents
from carbonledger.domains.catalog.types.charges import Carbon, Flat, Model, Standard, Terms, Usage
from carbonledger.domains.invoices.core import exact, rating, totals
from carbonledger.domains.invoices.core.words import Words
from carbonledger.domains.invoices.types import days
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Explained, Line, LineKind
from carbonledger.domains.invoices.types.rating import Part, Rated
from carbonledger.domains.subscriptions.types import DueCharge, DueKind
from carbonledger.kernel import decimals, instant
from carbonledger.kernel.period import Period

_KINDS: Final[Mapping[DueKind, LineKind]] = MappingProxyType(
    {
        DueKind.CHARGE: LineKind.CHARGE,
        DueKind.CREDIT: LineKind.CREDIT,
        DueKind.SETUP: LineKind.SETUP,
        DueKind.COMMITMENT_TRUE_UP: LineKind.COMMITMENT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was used, and what shows it: see ``Explained``. ``account``: by what name the usage is the customer's."""

    usage: Usage
    meter_id: UUID | None = None
    meter_code: str | None = None
    events: int | None = None
    digest: str | None = None
    prices: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    at: datetime | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A line before it is summed. ``gross`` is exact, before ``discounts``; the other fields are those of ``Line``.

    ``share``: the part of the period that is charged, which has that part of an amount off.
    """

    cause: str
    kind: LineKind
    description: str
    subscription_id: UUID | None = None
    plan_version_id: UUID | None = None
    charge_code: str | None = None
    undoes: str | None = None
    service: Period | None = None
    part: Period | None = None
    quantity: Decimal
    unit_price: Decimal | None
    gross: Fraction
    discounts: tuple[Discount, ...] = ()
    share: Fraction = Fraction(1)
    tax_codes: tuple[str, ...] = ()
    explained: Explained = types.UNEXPLAINED


def of_charge(due: DueCharge, measured: Measured | None, *, percents: Sequence[PercentDiscount], tax_codes: tuple[str, ...]) -> Piece:
    """Return the piece of a charge. ``measured``: of usage; None for a flat amount, which is for the seats or once.

    ``percents``: the discounts of its plan in percent, which are off each of its lines. Raises ``UsageInvalid``, ``AmountTooLarge``.
    """
    charge = due.charge
    if charge is None:
        raise ValueError(f"{due.cause} has no charge to rate")
    found = measured or Measured(usage=Usage(quantity=Decimal(due.quantity if charge.per_seat else 1)))
    part = Part(due.numerator, due.denominator)
    rated, words = _rated_flat(charge, due, part) if measured is None else _rated(charge, due, part, found)
    discounts = (*(() if charge.discount is None else (charge.discount,)), *percents)
    return Piece(
        cause=due.cause,
        kind=LineKind.CHARGE,
        description=charge.name,
        subscription_id=due.subscription_id,
        plan_version_id=due.plan_version_id,
        charge_code=charge.code,
        service=due.service,
        part=due.part,
        quantity=rated.quantity,
        unit_price=unit_price(charge.model, rated),
        gross=rated.amount,
        discounts=discounts,
        share=part.share,
        tax_codes=charge.tax_rate_codes or tax_codes,
        explained=_explained(found, _kept(charge, due, words, discounts, found)),
    )


def _rated(charge: Charge, due: DueCharge, part: Part, measured: Measured) -> tuple[Rated, Mapping[str, Any]]:
    rated = rating.rate(charge.model, measured.usage, terms_of(charge, seats=due.quantity), part)
    return rated, _said(rated)


def _rated_flat(charge: Charge, due: DueCharge, part: Part) -> tuple[Rated, Mapping[str, Any]]:
    """Rate what nobody measures: the same for all who have as many seats for the same part."""
    known, key = _of(charge).flat, (due.quantity, part)
    if key not in known:
        if len(known) >= _KEPT_MAX:
            known.clear()
        known[key] = _rated(charge, due, part, Measured(usage=Usage(quantity=Decimal(due.quantity if charge.per_seat else 1))))
    return known[key]


def is_usage(charge: Charge) -> bool:
    """Say whether a charge prices what was used, rather than a flat amount."""
    return not isinstance(charge.model, Flat)


def terms_of(charge: Charge, *, seats: int) -> Terms:
    """Return what bounds a charge; an allowance for each seat is that often there."""
    known = _of(charge).terms
    if seats not in known:
        if len(known) >= _KEPT_MAX:
            known.clear()
        included = decimals.multiply(charge.included, decimals.of(seats)) if charge.per_seat and charge.included else charge.included
        known[seats] = Terms(free_units=charge.free_units, included=included, minimum=charge.minimum, maximum=charge.maximum)
    return known[seats]


def unit_price(model: Model, rated: Rated) -> Decimal | None:
    """Return the price of one unit, where there is just one."""
    match model:
        case Standard():
            return model.unit_price
        case Carbon():
            return model.price_per_kg
        case Flat():
            return model.amount
        case _ if len(rated.tiers) == 1 and not rated.tiers[0].flat_price:
            return rated.tiers[0].unit_price
        case _:
            return None


def of_credit(due: DueCharge, debited: Fraction, *, of: Piece | Line | None, words: Words) -> Piece:
    """Return the piece that gives a part of what was debited back. ``debited``: all that the line ``of`` the cause came to, exactly."""
    if due.credits is None or due.debited is None:
        raise ValueError(f"{due.cause} credits nothing")
    gross = -debited * Fraction(due.numerator, due.debited)
    name = due.charge.name if due.charge is not None else (due.credits if of is None else of.description)
    part = [due.numerator, due.debited]
    kept = {"credits": due.credits, "debited": str(debited), "part": part, "gross": str(gross), "discounts": [], **days.kept(due)}
    return Piece(
        cause=due.cause,
        kind=LineKind.CREDIT,
        description=words.credit_for.format(name=name)[: types.DESCRIPTION_MAX_CHARS],
        subscription_id=due.subscription_id,
        plan_version_id=due.plan_version_id,
        charge_code=None if due.charge is None else due.charge.code,
        undoes=due.credits,
        service=due.service,
        part=due.part,
        quantity=Decimal(1),
        unit_price=None,
        gross=gross,
        tax_codes=() if of is None else of.tax_codes,
        explained=Explained(rated=MappingProxyType(kept)),
    )


def of_amount(due: DueCharge, amount: Decimal, *, words: Words, percents: Sequence[PercentDiscount], tax_codes: tuple[str, ...]) -> Piece:
    """Return the piece of a setup fee or of what a commitment lacks, of which ``amount`` is charged."""
    is_setup = due.kind is DueKind.SETUP
    discounts = tuple(percents) if is_setup else ()  # what was agreed as the least is what it comes to
    kept = {
        "agreed": None if due.amount is None else decimals.to_api_decimal(due.amount),
        "part": [due.numerator, due.denominator],
        "gross": str(Fraction(amount)),
        "discounts": [discount_to_json(one) for one in discounts],
        **days.kept(due),
    }
    return Piece(
        cause=due.cause,
        kind=_KINDS[due.kind],
        description=words.setup if is_setup else words.commitment,
        subscription_id=due.subscription_id,
        plan_version_id=due.plan_version_id,
        service=due.service,
        part=due.part,
        quantity=Decimal(1),
        unit_price=None,
        gross=Fraction(amount),
        discounts=discounts,
        tax_codes=tax_codes,
        explained=Explained(rated=MappingProxyType(kept)),
    )


def agreed(piece: Piece) -> tuple[Decimal, Part]:
    """Return the commitment that a piece makes good, and the part of it that was looked at."""
    kept = piece.explained.rated
    return Decimal(kept["agreed"] or 0), Part(*kept["part"])


def of_other_amount(piece: Piece, amount: Decimal) -> Piece:
    """Return the piece of a commitment with another amount that it lacks."""
    kept = {**piece.explained.rated, "gross": str(Fraction(amount))}
    return replace(piece, gross=Fraction(amount), explained=replace(piece.explained, rated=MappingProxyType(kept)))


def of_line(line: Line) -> Piece:
    """Return the piece that a line was made of."""
    kept = line.explained.rated
    return Piece(
        cause=line.cause,
        kind=line.kind,
        description=line.description,
        subscription_id=line.subscription_id,
        plan_version_id=line.plan_version_id,
        charge_code=line.charge_code,
        undoes=line.undoes,
        service=_period(line.service_start, line.service_end),
        part=_period(line.part_start, line.part_end),
        quantity=line.quantity,
        unit_price=line.unit_price,
        gross=Fraction(kept["gross"]) if "gross" in kept else Fraction(line.unrounded),
        discounts=tuple(discount_from_json(one) for one in kept.get("discounts", ())),
        share=Fraction(*kept["part"]) if "charge" in kept else Fraction(1),
        tax_codes=line.tax_codes,
        explained=line.explained,
    )


def again(piece: Piece, measured: Measured) -> Piece:
    """Return a piece of usage rated again, with other usage and nothing else. Raises ``UsageInvalid``, ``AmountTooLarge``."""
    kept = piece.explained.rated
    charge = documents.charge_from_document(kept["charge"])
    rated = rating.rate(charge.model, measured.usage, terms_of(charge, seats=kept["seats"]), Part(*kept["part"]))
    said = {**kept, **_said(rated)}
    return replace(
        piece,
        quantity=rated.quantity,
        unit_price=unit_price(charge.model, rated),
        gross=rated.amount,
        explained=_explained(measured, said),
    )


def debited(piece: Piece) -> Fraction:
    """Return what a piece comes to after its discounts, exactly."""
    return totals.left(piece.gross, piece.discounts, piece.share)


def given_back(credit: Piece) -> Fraction:
    """Return which part of what was debited a credit gives back."""
    return Fraction(*credit.explained.rated["part"])


def committed(piece: Piece, *, minor_digits: int) -> Decimal:
    """Return what a piece counts for a commitment: rounded, after its charge's own discount and before its plan's."""
    own = piece.discounts
    if piece.kind is LineKind.CHARGE and "charge" in piece.explained.rated:
        own = own[: 0 if piece.explained.rated["charge"]["discount"] is None else 1]
    return exact.rounded(totals.left(piece.gross, own, piece.share), minor_digits)


def stretches(explained: Explained) -> tuple[Period, ...]:
    """Return the times in which the usage of a line is measured."""
    kept = explained.rated.get("stretches", ())
    return tuple(Period(instant.from_api_instant(start), instant.from_api_instant(end)) for start, end in kept)


def account_of(explained: Explained) -> str | None:
    """Return by what name the usage of a line was the customer's. It stays when the account takes another, or is erased."""
    name: str | None = explained.rated.get("account")
    return name


def details(explained: Explained) -> Charge | None:
    """Return the charge that a line was rated by, as it stood then."""
    kept = explained.rated.get("charge")
    return None if kept is None else documents.charge_from_document(kept)


def discount_to_json(discount: Discount) -> dict[str, Any]:
    """Return a discount as it is kept."""
    if isinstance(discount, PercentDiscount):
        return {"percent": decimals.to_api_decimal(discount.percent), "name": discount.name}
    return {"amount": decimals.to_api_decimal(discount.amount), "name": discount.name}


def discount_from_json(kept: Mapping[str, Any]) -> Discount:
    """Return a discount that was kept."""
    if "percent" in kept:
        return PercentDiscount(Decimal(kept["percent"]), kept["name"])
    return AmountDiscount(Decimal(kept["amount"]), kept["name"])


def _kept(charge: Charge, due: DueCharge, rated: Mapping[str, Any], discounts: Sequence[Discount], measured: Measured) -> dict[str, Any]:
    kept = {
        "charge": _of(charge).document,
        "part": [due.numerator, due.denominator],
        "seats": due.quantity,
        "discounts": [discount_to_json(one) for one in discounts],
        **days.kept(due),
        **rated,
    }
    if is_usage(charge):
        kept["account"] = measured.account
        kept["stretches"] = [[_spelled(one.start), _spelled(one.end)] for one in due.stretches if one.end is not None]
    return kept


@dataclass(frozen=True, slots=True)
class _Made:
    """What is made of a charge once: its document, its terms by seats, and what it comes to without usage by seats and part."""

    charge: Charge
    document: Mapping[str, object]
    terms: dict[int, Terms] = field(default_factory=dict)
    flat: dict[tuple[int, Part], tuple[Rated, Mapping[str, Any]]] = field(default_factory=dict)


_made: dict[int, _Made] = {}
_KEPT_MAX: Final = 1000


def _of(charge: Charge) -> _Made:
    """Return what is made of a charge once: a bill run asks for the same ones thousands of times."""
    found = _made.get(id(charge))
    if found is not None and found.charge is charge:
        return found
    if len(_made) >= _KEPT_MAX:
        _made.clear()
    made = _Made(charge, documents.charge_to_document(charge))
    _made[id(charge)] = made
    return made


@functools.lru_cache(maxsize=4096)
def _spelled(at: datetime) -> str:
    return instant.to_api_instant(at)


def _said(rated: Rated) -> dict[str, Any]:
    return {
        "gross": str(rated.amount),
        "rated": {
            "quantity": decimals.to_api_decimal(rated.quantity),
            "billable": decimals.to_api_decimal(rated.billable),
            "priced": decimals.to_api_decimal(exact.shown(rated.priced)),
            "bounded": None if rated.bounded is None else rated.bounded.value,
            "amount": decimals.to_api_decimal(exact.shown(rated.amount)),
        },
        "tiers": [
            {
                "above": decimals.to_api_decimal(one.above),
                "up_to": None if one.up_to is None else decimals.to_api_decimal(one.up_to),
                "quantity": decimals.to_api_decimal(one.quantity),
                "unit_price": None if one.unit_price is None else decimals.to_api_decimal(one.unit_price),
                "rate_percent": None if one.rate_percent is None else decimals.to_api_decimal(one.rate_percent),
                "flat_price": decimals.to_api_decimal(one.flat_price),
                "amount": decimals.to_api_decimal(one.amount),
            }
            for one in rated.tiers
        ],
    }


def _explained(measured: Measured, kept: Mapping[str, Any]) -> Explained:
    return Explained(
        rated=MappingProxyType(dict(kept)),
        meter_id=measured.meter_id,
        meter_code=measured.meter_code,
        events=measured.events,
        digest=measured.digest,
        prices=measured.prices,
        factors=measured.factors,
        metered_at=measured.at,
    )


def _period(start: datetime | None, end: datetime | None) -> Period | None:
    return None if start is None or end is None else Period(start, end)
