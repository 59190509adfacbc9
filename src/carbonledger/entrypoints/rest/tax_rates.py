"""Tax rates: so many percent, on top of prices or inside them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.catalog import service, types
from carbonledger.domains.invoices.service import sellers
from carbonledger.domains.invoices.types.sellers import TaxRateOfSeller
from carbonledger.entrypoints.rest import price_models, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, errors, page
from carbonledger.kernel.errors import Problem

router = routing.Router(prefix="/v1/tax-rates", tag="Catalog")

_READ: Final = access.scope("catalog:read")
_WRITE: Final = access.scope("catalog:write")
_SENT: Final[dict[str, Any]] = {"code": "de-19", "name": "VAT 19 %", "percent": "19", "inclusive": False}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f21",
    **_SENT,
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:00:00Z",
    "archived_at": None,
}
_Name = Annotated[str, Field(max_length=1000, description="1 to 200 printable characters, as it stands on a bill.")]


class TaxRateIn(shapes.In):
    """A tax rate to make."""

    code: Annotated[str, Field(max_length=1000, description="Your own name for it, which charges give.")]
    name: _Name
    percent: price_models.DecimalText = Field(description="0 to 100, at most 4 digits after the point.")
    inclusive: bool = Field(default=False, description="Whether prices hold it already.")


class TaxRateChangeIn(shapes.In):
    """What to change. Another percentage is another rate."""

    name: _Name | None = None


class TaxRateOut(shapes.Out):
    """A tax rate."""

    id: UUID
    code: str
    name: str
    percent: str
    inclusive: bool
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


def to_api_tax_rate(rate: types.TaxRate) -> TaxRateOut:
    """Return a tax rate as callers see it."""
    return TaxRateOut(
        id=rate.id,
        code=rate.code,
        name=rate.name,
        percent=decimals.to_api_decimal(rate.percent),
        inclusive=rate.inclusive,
        created_at=rate.created_at,
        updated_at=rate.updated_at,
        archived_at=rate.archived_at,
    )


@router.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Make a tax rate",
    operation_id="createTaxRate",
    examples={"request": _SENT, "response": _EXAMPLE},
    errors=(types.TaxRateInvalid, types.TaxRateCodeTaken),
)
async def create_tax_rate(call: routing.CallDep, body: TaxRateIn) -> TaxRateOut:
    """Make a tax rate, which charges of plans name by its code."""
    problems: list[Problem] = []
    percent = price_models.Reader(problems, "").decimal("percent", body.percent)
    errors.refuse(problems)
    made = await service.create_tax_rate(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        code=body.code,
        name=body.name,
        percent=percent or Decimal(0),
        inclusive=body.inclusive,
    )
    call.created(f"/v1/tax-rates/{made.id}")
    return to_api_tax_rate(made)


@router.get(
    "",
    access=_READ,
    summary="List tax rates",
    operation_id="listTaxRates",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_tax_rates(
    call: routing.CallDep,
    *,
    archived: Annotated[bool, Query(description="Those that were deleted, instead of those in use.")] = False,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[TaxRateOut]:
    """List tax rates, newest first."""
    found = await service.list_tax_rates(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        archived=archived,
    )
    return shapes.ListOut[TaxRateOut](data=[to_api_tax_rate(rate) for rate in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{tax_rate_id}",
    access=_READ,
    summary="Show a tax rate",
    operation_id="getTaxRate",
    examples={"response": _EXAMPLE},
    errors=(types.TaxRateNotFound,),
)
async def get_tax_rate(call: routing.CallDep, tax_rate_id: UUID) -> TaxRateOut:
    """Return one tax rate, also one that was deleted: bills name it."""
    return to_api_tax_rate(await service.find_tax_rate(call.uow, organization_id=call.caller.organization_id, tax_rate_id=tax_rate_id))


@router.patch(
    "/{tax_rate_id}",
    access=_WRITE,
    summary="Rename a tax rate",
    operation_id="changeTaxRate",
    examples={"request": {"name": "MwSt. 19 %"}, "response": {**_EXAMPLE, "name": "MwSt. 19 %"}},
    errors=(types.TaxRateNotFound,),
)
async def change_tax_rate(call: routing.CallDep, tax_rate_id: UUID, body: TaxRateChangeIn) -> TaxRateOut:
    """Give a tax rate another name."""
    organization_id = call.caller.organization_id
    if body.name is None:
        return to_api_tax_rate(await service.find_tax_rate(call.uow, organization_id=organization_id, tax_rate_id=tax_rate_id))
    changed = await service.rename_tax_rate(
        call.uow, actor=call.actor, now=call.now, organization_id=organization_id, tax_rate_id=tax_rate_id, name=body.name
    )
    return to_api_tax_rate(changed)


@router.delete(
    "/{tax_rate_id}",
    access=_WRITE,
    status_code=204,
    summary="Delete a tax rate",
    operation_id="deleteTaxRate",
    errors=(types.TaxRateNotFound, types.TaxRateInUse, TaxRateOfSeller),
)
async def delete_tax_rate(call: routing.CallDep, tax_rate_id: UUID) -> None:
    """Delete a tax rate that neither a version of a plan nor the seller's settings name. Its code is free again.

    While one does, the answer is 409, and its member `plans` has up to 20 of their codes.
    """
    await sellers.drop_tax_rate(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, tax_rate_id=tax_rate_id
    )
