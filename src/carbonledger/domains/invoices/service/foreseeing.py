"""What the lines of a subscription that might be would come to, by the functions that bill. Nobody knows usage before, but who asks may say
what they expect of it; what nobody says anything about has no amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts.types import Locale
from carbonledger.domains.catalog.types import Charge, PlanVersion
from carbonledger.domains.catalog.types import charges as prices
from carbonledger.domains.catalog.types.charges import Carbon, CostPlus, Usage
from carbonledger.domains.invoices.core import drafting, services, totals, words
from carbonledger.domains.invoices.core.drafting import Known
from carbonledger.domains.invoices.core.pieces import Measured, Piece
from carbonledger.domains.invoices.types.totals import Item
from carbonledger.domains.subscriptions.types import DueCharge, DueKind, is_usage
from carbonledger.kernel import decimals, errors
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.errors import Problem
from carbonledger.kernel.period import Period
from carbonledger.kernel.quantity import Co2eG

EXPECTED_MAX: Final = 100
"""As many as a plan has charges."""
_WORDS: Final = words.WORDS[Locale.EN]  # nobody reads the descriptions
_G_PER_KG: Final = Decimal(1000)
_NONE: Final[Mapping[str, Usage]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The usage that is expected in each whole period: of all charges of a meter, or of one charge, by their codes.

    ``quantity`` is in the charge's unit: units, or an amount; of cost plus what providers charge in USD, of carbon kilograms of CO2e.
    ``event_count``: of percentages with a fee for each event.
    """

    meter: str | None = None
    charge: str | None = None
    quantity: Decimal
    event_count: int | None = None

    def is_of(self, charge: Charge) -> bool:
        """Say whether it is about a charge."""
        return charge.code == self.charge if self.charge is not None else self.meter is not None and charge.meter_code == self.meter


def usage_of(due: Sequence[DueCharge], expected: Sequence[Expected]) -> dict[str, Usage]:
    """Return the usage that is expected of charges of usage, by cause: for a part of a period that part of it, by its seconds.

    What is said of a charge counts before what is said of its meter. Raises ``errors.Invalid`` with all that is about nothing, said twice,
    or less than a price needs.
    """
    metered = [(one, one.charge) for one in due if one.charge is not None and one.kind is DueKind.CHARGE and is_usage(one.charge)]
    problems = list(_problems([charge for _, charge in metered], expected))
    found: dict[str, Usage] = {}
    for one, charge in metered:
        said = _said(charge, expected)
        if said is not None and (usage := _made(problems, charge, said, one, at=f"/usage/{expected.index(said)}")) is not None:
            found[one.cause] = usage
    errors.refuse(list(dict.fromkeys(problems)))
    return found


def _made(problems: list[Problem], charge: Charge, said: Expected, due: DueCharge, *, at: str) -> Usage | None:
    try:
        usage = _usage(charge, said, _seconds(due.stretches), _seconds([due.service]))
    except prices.UsageInvalid as fault:
        problems += prices.placed(fault.problems, at)
        return None
    problems += prices.usage_problems(charge.model, usage, at=at)
    return usage


def _problems(charges: Sequence[Charge], expected: Sequence[Expected]) -> Iterator[Problem]:
    for place, one in enumerate(expected):
        at = f"/usage/{place}"
        if (one.meter is None) is (one.charge is None):
            yield Problem(at, "usage_of_nothing", "Name a meter or a charge.")
        elif not any(one.is_of(charge) for charge in charges):
            yield Problem(at, "not_of_the_plan", "Name a meter or a charge of usage that the plan has.")
        elif any((one.meter, one.charge) == (other.meter, other.charge) for other in expected[:place]):
            yield Problem(at, "twice", "Say once what is expected of it.")


def _said(charge: Charge, expected: Sequence[Expected]) -> Expected | None:
    mine = [one for one in expected if one.is_of(charge)]
    return next((one for one in mine if one.charge is not None), mine[0] if mine else None)


def _usage(charge: Charge, expected: Expected, part: Decimal, whole: Decimal) -> Usage:
    quantity = decimals.quotient(expected.quantity, part, whole, places=prices.QUANTITY_PLACES, mode=Rounding.HALF_UP)
    count = expected.event_count
    if count is not None:
        count = int(decimals.quotient(Decimal(count), part, whole, places=0, mode=Rounding.HALF_UP))
    match charge.model:
        case CostPlus():
            return Usage(metered_cost=quantity)
        case Carbon():
            grams = decimals.multiply(quantity, _G_PER_KG)
            return Usage(co2e=Co2eG(grams, grams, grams))
        case _:
            return Usage(quantity=quantity, event_count=count)


def _seconds(stretches: Sequence[Period]) -> Decimal:
    return Decimal(sum(_since(one.end) - _since(one.start) for one in stretches if one.end is not None))


def _since(at: datetime) -> int:
    return int(at.timestamp())


def amounts(due: Sequence[DueCharge], versions: Mapping[UUID, PlanVersion], *, usage: Mapping[str, Usage] = _NONE) -> dict[str, Decimal]:
    """Return what each of ``due`` comes to, by cause: rounded, after the line's own discounts, before the document's and before tax.

    ``due`` has everything from the start, so that a credit finds what it gives back; ``versions`` are those that it names; ``usage`` is
    what is expected, by cause. What rests on other usage is left out: its own lines, and a commitment beside them. Raises
    ``NumberOutOfRange``, ``UsageInvalid``, ``AmountTooLarge``, ``CostUnconvertible``.
    """
    unknown = {services.of_due(one) for one in due if one.charge is not None and is_usage(one.charge) and one.cause not in usage}
    known = [one for one in due if not _rests_on_others(one, usage, unknown)]
    if not known:
        return {}
    currency = versions[known[0].plan_version_id].currency
    measured = {cause: Measured(usage=one) for cause, one in usage.items()}
    pieces = drafting.pieces_of(known, Known(words=_WORDS, currency=currency, versions=versions, measured=measured))
    billable = {one.cause: one.billable_at for one in known}
    found: dict[str, Decimal] = {}
    for at in sorted(set(billable.values())):
        found.update(_document([piece for piece in pieces if billable[piece.cause] == at], currency))
    return found


def _document(pieces: Sequence[Piece], currency: Currency) -> dict[str, Decimal]:
    summed = totals.total([Item(piece.gross, piece.discounts, share=piece.share) for piece in pieces], currency=currency)
    return {piece.cause: line.amount for piece, line in zip(pieces, summed.lines, strict=True)}


def _rests_on_others(due: DueCharge, usage: Mapping[str, Usage], unknown: set[services.Service]) -> bool:
    if due.kind is DueKind.COMMITMENT_TRUE_UP:
        return services.of_due(due) in unknown
    return due.charge is not None and is_usage(due.charge) and due.cause not in usage
