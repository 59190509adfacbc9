"""Words of previews: lines that are nobody's yet, and what they would come to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carbonledger.domains.accounts.types import TaxTreatment
from carbonledger.domains.catalog.types.charges import NO_TERMS, Model, Terms, Usage
from carbonledger.domains.catalog.types.plans import Discount
from carbonledger.domains.invoices.types.rating import WHOLE, Part, Rated
from carbonledger.domains.invoices.types.totals import DocumentTotals, Tax, TaxRounding
from carbonledger.kernel import errors
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.errors import Problem


class PreviewInvalid(errors.Invalid):
    """The lines can't be rated."""

    code = "preview_invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("Correct the members named in errors.", problems=tuple(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """A line to rate: its price, what was used, and what is taken off or put on."""

    model: Model
    usage: Usage
    terms: Terms = NO_TERMS
    part: Part = WHOLE
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document to work out. Every amount is in ``currency``; ``discounts`` are off the whole, in their order."""

    currency: Currency
    lines: tuple[DraftLine, ...]
    discounts: tuple[Discount, ...] = ()
    treatment: TaxTreatment = TaxTreatment.STANDARD
    rounding: TaxRounding = TaxRounding.DOCUMENT


@dataclass(frozen=True, slots=True)
class Preview:
    """What a document would come to: each line as it was rated, in the order of the draft, and the totals with the same lines."""

    rated: tuple[Rated, ...]
    totals: DocumentTotals
