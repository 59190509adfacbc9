"""How the organization sells: its appearance on invoices, what it does about late usage, its series of numbers; and what went wrong."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.invoices.service import failing, retrying, sellers
from carbonledger.domains.invoices.types import failures, totals
from carbonledger.domains.invoices.types import sellers as types
from carbonledger.domains.invoices.types.sellers import Logo, NumberSeries, SellerSettings
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import errors, page

router = routing.Router(prefix="/v1/seller", tag="Invoices")
series = routing.Router(prefix="/v1/invoice-series", tag="Invoices")
trouble = routing.Router(prefix="/v1/billing-failures", tag="Invoices")
_READ: Final = access.scope("invoices:read")
_WRITE: Final = access.scope("invoices:write")
_LOGO_CHARS_MAX: Final = 280_000  # of base64, for as many bytes as a logo may have
_HOURS_MAX: Final = 24 * 30


class AddressIn(shapes.In):
    """A postal address; what is left out is not known."""

    line1: str | None = Field(default=None, max_length=1000)
    line2: str | None = Field(default=None, max_length=1000)
    city: str | None = Field(default=None, max_length=1000)
    postal_code: str | None = Field(default=None, max_length=100)
    region: str | None = Field(default=None, max_length=1000)
    country: str | None = Field(default=None, max_length=10, description="ISO 3166-1, two letters.")


class TaxIdIn(shapes.In):
    """A number under which a tax office knows the seller."""

    kind: str = Field(max_length=64, description="Such as eu_vat.")
    value: str = Field(max_length=200)


class LogoIn(shapes.In):
    """A picture."""

    media_type: Literal["image/png", "image/svg+xml"]
    content: str = Field(max_length=_LOGO_CHARS_MAX, description="Base64.")


class SellerIn(shapes.In):
    """What is to change; what is left out stays."""

    name: str | None = Field(default=None, max_length=1000, description="Null: the organization's own.")
    address: AddressIn | None = None
    tax_ids: list[TaxIdIn] | None = Field(default=None, max_length=account_types.TAX_IDS_MAX)
    email: str | None = Field(default=None, max_length=1000)
    color: str | None = Field(default=None, max_length=7, description="Of the document's accents, such as #1f7a6d.")
    logo: LogoIn | None = None
    locale: account_types.Locale | None = None
    footer: str | None = Field(default=None, max_length=2000, description="At the foot of every page: bank, register.")
    payment_terms_days: int | None = Field(default=None, ge=0, le=account_types.PAYMENT_TERMS_MAX_DAYS)
    grace_hours: int | None = Field(
        default=None, ge=0, le=_HOURS_MAX, description="How long a draft waits for late usage after its period's end."
    )
    late_usage: types.LateUsage | None = Field(default=None, description="What becomes of usage that comes after that.")
    tax_rate_codes: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=5, description="The tax of what names none itself."
    )
    tax_rounding: totals.TaxRounding | None = None
    series: str | None = Field(default=None, max_length=20, description="The series that invoices are numbered in from now on.")


class SellerOut(shapes.Out):
    """How the organization sells."""

    name: str | None
    address: dict[str, str]
    tax_ids: list[dict[str, str]]
    email: str | None
    color: str
    has_logo: bool
    locale: account_types.Locale
    footer: str | None
    payment_terms_days: int
    grace_hours: int
    late_usage: types.LateUsage
    tax_rate_codes: list[str]
    tax_rounding: totals.TaxRounding
    series: str


class SeriesIn(shapes.In):
    """A series of numbers to begin."""

    code: str = Field(max_length=100)
    prefix: str = Field(max_length=100, description="What stands before the number, such as INV-2026-.")
    padding: int = Field(default=5, ge=1, le=types.PADDING_MAX, description="Digits at the least.")


class SeriesOut(shapes.Out):
    """A series of numbers, from 1 on, without gaps."""

    code: str
    prefix: str
    padding: int
    issued: int = Field(description="How many are given.")
    next_number: str = Field(description="What the next invoice that is issued in it is called.")


class FailureOut(shapes.Out):
    """A step of billing that failed. It is tried again by itself with every run, and by hand here."""

    id: UUID
    account_id: UUID
    invoice_id: UUID | None
    step: failures.Step
    code: str
    detail: str
    attempts: int
    first_failed_at: dt.datetime
    last_failed_at: dt.datetime


_SELLER: Final[dict[str, Any]] = {
    "name": "Acme Cloud GmbH",
    "address": {"line1": "Torstr. 1", "postal_code": "10119", "city": "Berlin", "country": "DE"},
    "tax_ids": [{"kind": "eu_vat", "value": "DE123456789"}],
    "email": "billing@acme.example",
    "color": "#1f7a6d",
    "has_logo": False,
    "locale": "de",
    "footer": "IBAN DE89 3704 0044 0532 0130 00",
    "payment_terms_days": 14,
    "grace_hours": 6,
    "late_usage": "next_invoice",
    "tax_rate_codes": [],
    "tax_rounding": "document",
    "series": "main",
}
_SERIES: Final[dict[str, Any]] = {"code": "y2027", "prefix": "2027-", "padding": 5, "issued": 0, "next_number": "2027-00001"}
_FAILURE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d91",
    "account_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d92",
    "invoice_id": None,
    "step": "rate",
    "code": "tax_unknown",
    "detail": "There is no tax rate vat.",
    "attempts": 3,
    "first_failed_at": "2026-04-01T00:12:00Z",
    "last_failed_at": "2026-04-01T02:12:00Z",
}


def to_api_seller(found: SellerSettings) -> SellerOut:
    """Return the settings as the API shows them."""
    names = ("line1", "line2", "city", "postal_code", "region", "country")
    return SellerOut(
        name=found.name,
        address={name: value for name in names if (value := getattr(found.address, name)) is not None},
        tax_ids=[{"kind": one.kind, "value": one.value} for one in found.tax_ids],
        email=found.email,
        color=found.color,
        has_logo=found.logo is not None,
        locale=found.locale,
        footer=found.footer,
        payment_terms_days=found.payment_terms_days,
        grace_hours=found.grace // dt.timedelta(hours=1),
        late_usage=found.late_usage,
        tax_rate_codes=list(found.tax_rate_codes),
        tax_rounding=found.tax_rounding,
        series=found.series,
    )


_NULLABLE: Final = frozenset({"name", "email", "logo", "footer"})


def _values(body: SellerIn) -> dict[str, object]:
    """Return what is to change, by the names of the settings. Raises ``Invalid``."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    nothing = sorted(name for name, value in given.items() if value is None and name not in _NULLABLE)
    errors.refuse([errors.Problem(f"/{name}", "required", "Leave it out, or give a value.") for name in nothing])
    values: dict[str, object] = dict(given)
    if body.address is not None:
        values["address"] = account_types.Address(**body.address.model_dump())
    if body.tax_ids is not None:
        values["tax_ids"] = tuple(account_types.TaxId(one.kind, one.value) for one in body.tax_ids)
    if body.logo is not None:
        values["logo"] = _logo(body.logo)
    if body.grace_hours is not None:
        values["grace"] = dt.timedelta(hours=body.grace_hours)
    values.pop("grace_hours", None)
    if body.tax_rate_codes is not None:
        values["tax_rate_codes"] = tuple(body.tax_rate_codes)
    return values


def _logo(given: LogoIn) -> Logo:
    try:
        return Logo(media_type=given.media_type, content=base64.b64decode(given.content, validate=True))
    except (binascii.Error, ValueError) as error:
        raise errors.invalid("/logo/content", "base64", "This is not base64.") from error


def to_api_series(found: NumberSeries) -> SeriesOut:
    """Return a series as the API shows it."""
    return SeriesOut(
        code=found.code, prefix=found.prefix, padding=found.padding, issued=found.issued, next_number=found.number(found.issued + 1)
    )


@router.get("", access=_READ, summary="Show the seller", operation_id="getSeller", examples={"response": _SELLER})
async def get_seller(call: routing.CallDep) -> SellerOut:
    """Show how the organization sells."""
    return to_api_seller(await sellers.settings(call.uow, organization_id=call.caller.organization_id))


@router.patch(
    "",
    access=_WRITE,
    large=True,
    summary="Change the seller",
    operation_id="updateSeller",
    examples={"request": {"color": "#1f7a6d", "grace_hours": 6, "late_usage": "next_invoice"}, "response": _SELLER},
    errors=(types.SeriesNotFound,),
)
async def update_seller(call: routing.CallDep, body: SellerIn) -> SellerOut:
    """Change how the organization sells. Issued invoices keep what they say."""
    changed = await sellers.change(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, values=_values(body)
    )
    return to_api_seller(changed)


@series.get(
    "",
    access=_READ,
    summary="List series of numbers",
    operation_id="listInvoiceSeries",
    examples={"response": {"data": [_SERIES], "next_cursor": None}},
)
async def list_invoice_series(call: routing.CallDep) -> shapes.ListOut[SeriesOut]:
    """List the series that invoices are numbered in."""
    found = await sellers.every_series(call.uow, organization_id=call.caller.organization_id)
    return shapes.ListOut(data=[to_api_series(one) for one in found], next_cursor=None)


@series.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Begin a series of numbers",
    operation_id="createInvoiceSeries",
    examples={"request": {"code": "y2027", "prefix": "2027-"}, "response": _SERIES},
    errors=(types.SeriesTaken,),
)
async def create_invoice_series(call: routing.CallDep, body: SeriesIn) -> SeriesOut:
    """Begin a series. Invoices are numbered in it once the seller's settings name it."""
    made = await sellers.add_series(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        series=NumberSeries(code=body.code, prefix=body.prefix, padding=body.padding, issued=0),
    )
    call.created("/v1/invoice-series")
    return to_api_series(made)


@trouble.get(
    "",
    access=_READ,
    summary="List failed steps of billing",
    operation_id="listBillingFailures",
    examples={"response": {"data": [_FAILURE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_billing_failures(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[FailureOut]:
    """List what could not be billed, issued or printed, newest first. What is done since is not there any more."""
    found = await failing.listed(call.uow, organization_id=call.caller.organization_id, page=call.page(limit=limit, cursor=cursor, parts=1))
    return shapes.ListOut(data=[_failure(one) for one in found.data], next_cursor=found.next_cursor)


def _failure(one: failures.Failure) -> FailureOut:
    return FailureOut(
        id=one.id,
        account_id=one.account_id,
        invoice_id=one.invoice_id,
        step=one.step,
        code=one.code,
        detail=one.detail,
        attempts=one.attempts,
        first_failed_at=one.first_failed_at,
        last_failed_at=one.last_failed_at,
    )


@trouble.post(
    "/{failure_id}/retry",
    access=_WRITE,
    summary="Try a failed step again",
    operation_id="retryBillingFailure",
    examples={"response": _FAILURE},
    errors=(failures.FailureNotFound,),
)
async def retry_billing_failure(call: routing.CallDep, failure_id: UUID) -> FailureOut:
    """Do that step again, and nothing else. What still fails says why."""
    done = await retrying.retry(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        failure_id=failure_id,
    )
    return _failure(done)
