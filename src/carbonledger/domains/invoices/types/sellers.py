"""Words of the seller: how an organization appears on its invoices, how they are numbered, and what it does about late usage. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.invoices.types.totals import TaxRounding
from carbonledger.kernel import errors

DEFAULT_SERIES: Final = "main"
GRACE_MAX: Final = timedelta(days=30)
LOGO_MAX_BYTES: Final = 200_000
FOOTER_MAX_CHARS: Final = 500
PADDING_MAX: Final = 12


class LateUsage(enum.Enum):
    """What becomes of usage that arrives when its invoice is issued. Stored by these words."""

    NEXT_INVOICE = "next_invoice"
    CORRECTION = "correction"
    IGNORE_AND_REPORT = "ignore_and_report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture. ``media_type`` is ``image/png`` or ``image/svg+xml``."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerSettings:
    """How an organization sells. ``name`` None: the organization's own. ``color``: ``#rrggbb``, for the document's accents.

    ``payment_terms_days`` (0 to 365) is for accounts made from now on. ``grace`` (0 to 30 days): how long after a period's end a draft
    waits for late usage; what ``late_usage`` comes after it, decides. ``tax_rate_codes``: the tax of what names none itself. ``series``:
    the series that invoices are numbered in.
    """

    name: str | None = None
    address: accounts.Address = accounts.NOWHERE
    tax_ids: tuple[accounts.TaxId, ...] = ()
    email: str | None = None
    color: str = "#1f7a6d"
    logo: Logo | None = None
    locale: accounts.Locale = accounts.Locale.EN
    footer: str | None = None
    payment_terms_days: int = 30
    grace: timedelta = timedelta(0)
    late_usage: LateUsage = LateUsage.NEXT_INVOICE
    tax_rate_codes: tuple[str, ...] = ()
    tax_rounding: TaxRounding = TaxRounding.DOCUMENT
    series: str = DEFAULT_SERIES


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSeries:
    """A series of legal numbers of one seller: ``prefix`` and at least ``padding`` digits, from 1 on, without gaps.

    ``issued``: how many are given. The form of a number that was given never changes: a new form is a new series.
    """

    code: str
    prefix: str
    padding: int
    issued: int

    def number(self, sequence: int) -> str:
        """Return the number that stands on the ``sequence``-th invoice (from 1)."""
        return f"{self.prefix}{sequence:0{self.padding}d}"


class SellersFault(errors.Fault):
    """Something about the seller does not fit."""

    kind = errors.Kind.CONFLICT
    code = "sellers"


class SeriesNotFound(SellersFault):
    """There is no such series of numbers."""

    kind = errors.Kind.NOT_FOUND
    code = "invoice_series_not_found"


class TaxRateOfSeller(SellersFault):
    """The seller's settings name this tax rate."""

    code = "tax_rate_of_seller"


class SeriesTaken(SellersFault):
    """Another series has this code or this prefix."""

    code = "invoice_series_taken"
