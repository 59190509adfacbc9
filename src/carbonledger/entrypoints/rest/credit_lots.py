"""Credit lots: the operator's inventory of credits that were retired at their registry. Importing retires nothing and buys nothing."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.receipts.service import credits as service
from carbonledger.domains.receipts.types import credits as types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access, strict_json
from carbonledger.kernel import decimals, errors, page

router = routing.Router(prefix="/v1/credit-lots", tag="Credits and receipts")

_CSV: Final = "text/csv"
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d61",
    "registry": "acr",
    "project_id": "192",
    "project_name": "Forest of the north",
    "standard": "ACR",
    "kind": "removal",
    "vintage": 2024,
    "block": "ACR-US-192-2024-203-1-50",
    "block_start": 1,
    "block_end": 50,
    "quantity_t": "50",
    "remaining_t": "49.999987655",
    "retired_on": "2026-10-30",
    "retirement_reference": "R-17",
    "retirement_url": "https://registry.example/retirements/17",
    "beneficiary": "Customers of Example Ltd",
    "reason": "Compensation of AI usage",
    "corresponding_adjustment": None,
    "evidence_sha256": None,
    "imported_at": "2026-11-01T09:00:00Z",
}
_FILE: Final = (
    "registry,project_id,project_name,standard,method,vintage,serial_block,block_start,block_end,quantity_t,retired_at,"
    "retirement_reference,retirement_url,beneficiary,reason,corresponding_adjustment,evidence_sha256\n"
    "acr,192,Forest of the north,ACR,removal,2024,ACR-US-192-2024-203-1-50,1,50,50,2026-10-30,"
    "R-17,https://registry.example/retirements/17,Customers of Example Ltd,Compensation of AI usage,,\n"
)


class LotsBodyUnreadable(errors.Malformed):
    """The body is neither a CSV file nor {"csv": "..."}."""

    code = "credit_lots_unreadable"


class LotsFileIn(shapes.In):
    """A file of lots, for those who send JSON."""

    csv: str = Field(max_length=types.FILE_BYTES_MAX, description="The whole file, its header line first.")


class LotOut(shapes.Out):
    """A lot of retired credits."""

    id: UUID
    registry: str
    project_id: str
    project_name: str
    standard: str
    kind: types.CreditKind
    vintage: int
    block: str = Field(description="The serial block as the registry writes it.")
    block_start: int
    block_end: int = Field(description="The last unit, which is in the block.")
    quantity_t: str = Field(description="Tonnes of CO2e.")
    remaining_t: str = Field(description="What no receipt has.")
    retired_on: dt.date
    retirement_reference: str
    retirement_url: str
    beneficiary: str
    reason: str | None
    corresponding_adjustment: bool | None = Field(description="By article 6 of the Paris agreement; null: not said.")
    evidence_sha256: str | None
    imported_at: dt.datetime


class LotsImportedOut(shapes.Out):
    """What an import did."""

    imported: int
    known: int = Field(description="Lines that say exactly what a lot says that was there already.")
    data: list[LotOut] = Field(description="The lots that are new, in the order of the file.")


def to_api_lot(lot: types.Lot) -> LotOut:
    """Return a lot as callers see it."""
    credit = lot.credit
    return LotOut(
        id=lot.id,
        registry=credit.block.registry,
        project_id=credit.project_id,
        project_name=credit.project_name,
        standard=credit.standard,
        kind=credit.kind,
        vintage=credit.vintage,
        block=credit.block.text,
        block_start=credit.block.start,
        block_end=credit.block.end,
        quantity_t=to_api_tonnes(credit.quantity_mg),
        remaining_t=to_api_tonnes(lot.remaining_mg),
        retired_on=credit.retired_on,
        retirement_reference=credit.retirement_reference,
        retirement_url=credit.retirement_url,
        beneficiary=credit.beneficiary,
        reason=credit.reason,
        corresponding_adjustment=credit.corresponding_adjustment,
        evidence_sha256=credit.evidence_sha256,
        imported_at=lot.imported_at,
    )


def to_api_imported(imported: types.Imported) -> LotsImportedOut:
    """Return what an import did as callers see it."""
    return LotsImportedOut(imported=len(imported.added), known=imported.known, data=[to_api_lot(lot) for lot in imported.added])


def to_api_tonnes(milligrams: int) -> str:
    """Return milligrams as tonnes, exactly."""
    return decimals.to_api_decimal(decimals.shifted(Decimal(milligrams), -9))


@router.post(
    "",
    access=access.house("credits:write"),
    status_code=201,
    large=True,
    raw=(_CSV, "application/json"),
    body_model=LotsFileIn,
    summary="Import retired credits",
    operation_id="importCreditLots",
    examples={"request": {"csv": _FILE}, "response": {"imported": 1, "known": 0, "data": [{**_EXAMPLE, "remaining_t": "50"}]}},
    errors=(strict_json.JsonUnreadable, LotsBodyUnreadable, types.LotsInvalid),
)
async def import_credit_lots(call: routing.CallDep) -> LotsImportedOut:
    """Add lots of credits that were retired at their registry: a CSV file (`text/csv`), a lot a line, all of them or none.

    Units that are in a lot already are refused, and every bad line is named (`/lines/3/vintage`: the third line of the file). A line that
    says exactly what a lot says is that lot: the same file again adds nothing. Each lot that is added is a leaf of the public log.
    """
    imported = await service.import_lots(call.uow, actor=call.actor, now=call.now, at=call.at, content=_content(call))
    call.created("/v1/credit-lots")
    return to_api_imported(imported)


def _content(call: routing.Call) -> bytes:
    """Return the file that was sent, as it is or in JSON."""
    if call.exchange.headers.get("content-type", "").partition(";")[0].strip().lower() == _CSV:
        return call.body
    match strict_json.loads(call.body):
        case {"csv": str(text), **rest} if not rest:
            return text.encode()
    raise LotsBodyUnreadable('Send the file itself as text/csv, or {"csv": "the text of the file"}.')


@router.get(
    "",
    access=access.house("credits:read"),
    summary="List retired credits",
    operation_id="listCreditLots",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_credit_lots(
    call: routing.CallDep,
    *,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[LotOut]:
    """List the inventory, the last imported first, with what is left of each lot."""
    found = await service.list_lots(call.uow, page=call.page(limit=limit, cursor=cursor, parts=1))
    return shapes.ListOut[LotOut](data=[to_api_lot(lot) for lot in found.data], next_cursor=found.next_cursor)
