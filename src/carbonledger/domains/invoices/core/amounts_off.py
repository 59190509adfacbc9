"""Amounts that a plan takes off: each belongs to a service period of a subscription, once, for the part of it that is charged. Pure.

    what the period has:  the amount times the part of the period that the plan is charged for
    what was taken:       the discounts of its earlier lines, less what credits of them did not give back, since it had never been paid
    what is left:         off the lines of that period on this document, never more than they are

So a plan that is changed in the middle has its part of the amount off, as its flat price is a part of one, and who changes back pays what
they would have; a period whose first invoice is smaller than the amount has the rest off its usage. All in minor units, so that what is
taken off adds up.

Usage that comes late has off what is left then, and never so much that less than nothing is paid for the period. Where usage turns out to
be less, no more is given back than was paid: the rest was off, and is left again. So the customer has paid in the end what they would have,
had everything come in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.types import AmountDiscount, PlanVersion
from carbonledger.domains.invoices.core import exact, pieces, services
from carbonledger.domains.invoices.core.pieces import Piece
from carbonledger.domains.invoices.core.services import Service
from carbonledger.domains.invoices.types.invoices import Line, LineKind
from carbonledger.domains.invoices.types.totals import DocumentDiscount
from carbonledger.kernel import decimals
from carbonledger.kernel.currency import Currency

_CHARGED: Final = frozenset({LineKind.CHARGE, LineKind.SETUP, LineKind.COMMITMENT, LineKind.LATE})
"""Lines of a period that have its amounts off."""
_KEPT: Final = "kept"
"""What of it a late line does not give back: a name that is stored with lines, and that statements read."""
_WHOLE: Final = Fraction(1)


@dataclass(frozen=True, slots=True)
class _Debited:
    """A line that may be given back: what it came to before the document's discount, what that took, and its part of the period."""

    amount: Fraction
    discount: Decimal
    share: Fraction


def has_any(version: PlanVersion) -> bool:
    """Say whether a plan version takes an amount off its documents."""
    return any(isinstance(one, AmountDiscount) for one in version.discounts)


def discounts_of(
    made: Sequence[Piece], *, earlier: Mapping[Service, Sequence[Line]], versions: Mapping[UUID, PlanVersion], currency: Currency
) -> tuple[DocumentDiscount, ...]:
    """Return the amounts off a document of these pieces, by the time for which they are, those of one plan in its order.

    ``earlier``: the lines that were billed before for what the pieces are for, but those of void invoices. ``versions``: by id.
    """
    wanted = dict.fromkeys(services.of_piece(piece) for piece in made if piece.kind in _CHARGED)
    found: list[DocumentDiscount] = []
    for service in sorted((one for one in wanted if one[2] is not None), key=_by_time):
        version = None if service[1] is None else versions.get(service[1])
        if version is not None and has_any(version):
            mine = [piece for piece in made if services.of_piece(piece) == service]
            found += _left(service, version, mine, earlier.get(service, ()), currency.minor_digits)
    return tuple(found)


def lines_of(made: Sequence[Piece], discount: DocumentDiscount) -> frozenset[int] | None:
    """Return the places of the pieces that a discount is off; None: it is off all of them."""
    if discount.service is None:
        return None
    wanted = (discount.subscription_id, discount.plan_version_id, discount.service)
    return frozenset(place for place, one in enumerate(made) if one.kind in _CHARGED and services.of_piece(one) == wanted)


def _by_time(service: Service) -> tuple[object, str, str]:
    subscription_id, version_id, period = service
    return (None if period is None else period.start), str(subscription_id), str(version_id)


def not_given_back(late: Sequence[Piece], *, earlier: Sequence[Line], currency: Currency) -> dict[str, Decimal]:
    """Return which part of late pieces below zero, of one service period, was never paid, by their causes: amounts were off it.

    ``earlier``: the lines that were billed before for the period, but those of void invoices.
    """
    missing = -_paid(late, earlier, currency.minor_digits)
    found: dict[str, Decimal] = {}
    for piece in late:
        part = min(missing, -exact.rounded(piece.gross, currency.minor_digits))
        if part > 0:
            found[piece.cause] = part
            missing -= part
    return found


def keeping(late: Piece, amount: Decimal) -> Piece:
    """Return late usage of less that gives back less, by an amount that was never paid."""
    gross = late.gross + Fraction(amount)
    said = {**late.explained.rated, _KEPT: decimals.to_api_decimal(amount), "gross": str(gross)}
    return replace(late, gross=gross, explained=replace(late.explained, rated=MappingProxyType(said)))


def _paid(made: Sequence[Piece], before: Sequence[Line], digits: int) -> Decimal:
    """Return what a period comes to with these pieces, what was off it before taken off."""
    billed = sum((line.amount - line.discount for line in before), Decimal(0))
    return billed + sum((exact.rounded(pieces.debited(one), digits) for one in made), Decimal(0))


def _left(
    service: Service, version: PlanVersion, made: Sequence[Piece], earlier: Sequence[Line], digits: int
) -> Iterator[DocumentDiscount]:
    subscription_id, version_id, period = service
    causes = {piece.cause for piece in made}
    before = [line for line in earlier if line.cause not in causes]  # what was gathered goes from document to document
    debited = {line.cause: _Debited(pieces.debited(pieces.of_line(line)), line.discount, pieces.of_line(line).share) for line in before}
    debited |= {piece.cause: _Debited(pieces.debited(piece), Decimal(0), piece.share) for piece in made}
    every = [*(pieces.of_line(line) for line in before), *made]
    share = _share(every, debited)
    taken = sum((line.discount for line in before), Decimal(0)) - sum((_kept(one, debited, digits) for one in every), Decimal(0))
    is_late = any(piece.kind is LineKind.LATE for piece in made)
    # A draft's usage is counted again, and then takes what is left: so what it comes to now bounds only what is late, which stays.
    most = _paid(made, before, digits) + taken if is_late else None
    whole, had = Fraction(0), Decimal(0)
    for one in version.discounts:
        if isinstance(one, AmountDiscount):
            whole += Fraction(one.amount) * share
            has = exact.rounded(whole, digits) if most is None else min(exact.rounded(whole, digits), most)
            amount = min(has - had, has - taken)
            had = has
            if amount > 0:
                yield DocumentDiscount(
                    amount=amount, name=one.name, subscription_id=subscription_id, plan_version_id=version_id, service=period
                )


def _share(every: Sequence[Piece], debited: Mapping[str, _Debited]) -> Fraction:
    """Return for which part of its period a plan is charged: the largest of its charges', credits taken off."""
    shares: dict[str | None, Fraction] = {}
    for one in every:
        if one.kind is LineKind.CHARGE:
            shares[one.charge_code] = shares.get(one.charge_code, Fraction(0)) + one.share
        elif one.kind is LineKind.CREDIT and (of := debited.get(one.undoes or "")) is not None:
            shares[one.charge_code] = shares.get(one.charge_code, Fraction(0)) - of.share * pieces.given_back(one)
    return min(max(shares.values(), default=Fraction(0)), _WHOLE)


def _kept(one: Piece, debited: Mapping[str, _Debited], digits: int) -> Decimal:
    """Return what a credit, or late usage of less, does not give back, since a document of what it undoes had it off."""
    if one.kind is LineKind.LATE:
        return Decimal(one.explained.rated.get(_KEPT, 0))
    of = debited.get(one.undoes or "")
    if one.kind is not LineKind.CREDIT or of is None or not of.discount:
        return Decimal(0)
    whole = of.amount * pieces.given_back(one)
    return decimals.subtract(exact.rounded(whole, digits), exact.rounded(-one.gross, digits))
