"""Audit packs over HTTP: listed, ordered, and streamed as the same bytes each time, however large they are."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.receipts.service import packs as service
from carbonledger.domains.receipts.types import packs as types
from carbonledger.domains.receipts.types import periods as period_types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.infra.objects import Objects
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/exports/audit-packs", tag="Exports")

ZIP: Final = "application/zip"
_READ: Final = access.scope("audit_packs:read")
_MONTH: Final = "2026-10"
_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d73"
_PACK: Final[dict[str, Any]] = {
    "id": _ID,
    "month": _MONTH,
    "number": 1,
    "state": "made",
    "ordered_at": "2026-11-03T04:37:00Z",
    "made_at": "2026-11-03T04:37:09Z",
    "size_bytes": 5_310_921,
    "sha256": "0f" * 32,
    "files": 21,
}


class AuditPackOut(shapes.Out):
    """An audit pack of a closed month."""

    id: UUID
    month: str = Field(description="Such as 2026-10.")
    number: int = Field(description="Packs of a month are counted from 1 on; a later one is of the month as it stood later.")
    state: types.State = Field(description="ordered: it is being made.")
    ordered_at: dt.datetime
    made_at: dt.datetime | None
    size_bytes: int | None
    sha256: str | None = Field(description="SHA-256 of the file, in hex.")
    files: int | None = Field(description="How many files are in it.")


class AuditPackIn(shapes.In):
    """What is ordered."""

    month: str = Field(pattern=r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$", description="A month that is closed, such as 2026-10.", max_length=7)


def to_api(pack: types.Listed) -> AuditPackOut:
    """Return a pack as the API shows it."""
    return AuditPackOut(
        id=pack.id,
        month=f"{pack.month:%Y-%m}",
        number=pack.number,
        state=pack.state,
        ordered_at=pack.ordered_at,
        made_at=pack.made_at,
        size_bytes=pack.size,
        sha256=None if pack.sha256 is None else pack.sha256.hex(),
        files=pack.files,
    )


def upgrade_url(call: routing.Call) -> str:
    """Return where a plan with audit packs is to be had."""
    return f"{call.services.settings.address}/settings/plan"


def answer(files: Objects, pack: types.Pack) -> StreamingResponse:
    """Return a pack as a file. No transaction is open while it is on its way."""
    contents = service.made(pack)
    headers = {
        "content-disposition": f'attachment; filename="{pack.file_name}"',
        "content-length": str(contents.size),
        "etag": f'"{contents.sha256.hex()}"',
    }
    return StreamingResponse(service.content(files, contents), media_type=ZIP, headers=headers)


@router.get(
    "",
    access=_READ,
    summary="List audit packs",
    operation_id="listAuditPacks",
    examples={"response": {"data": [_PACK], "next_cursor": None}},
    errors=(page.CursorUnreadable, identity_types.UpgradeRequired),
)
async def list_audit_packs(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[AuditPackOut]:
    """List audit packs, the last ordered first. One of each closed month is made on the third of the month after."""
    found = await service.list_packs(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        upgrade_url=upgrade_url(call),
    )
    return shapes.ListOut(data=[to_api(one) for one in found.data], next_cursor=found.next_cursor)


@router.post(
    "",
    access=access.scope("audit_packs:write"),
    status_code=202,
    summary="Order an audit pack",
    operation_id="orderAuditPack",
    examples={"request": {"month": _MONTH}, "response": {"job_id": _ID, "status_url": f"/v1/jobs/{_ID}"}},
    errors=(identity_types.UpgradeRequired, period_types.PeriodNotFound, types.PeriodNotClosed),
)
async def order_audit_pack(call: routing.CallDep, body: AuditPackIn) -> shapes.Accepted:
    """Order the pack of a closed month as it stands now. While one of the month is being made, its job is answered."""
    _, job_id = await service.order(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        month=dt.date.fromisoformat(f"{body.month}-01"),
        upgrade_url=upgrade_url(call),
    )
    return call.accepted(job_id)


@router.get(
    "/{year}/{month}",
    access=_READ,
    summary="Download an audit pack",
    operation_id="getAuditPack",
    answers=(ZIP,),
    examples={"parameters": {"year": 2026, "month": 10}},
    errors=(types.PackNotFound, types.PackUnmade, identity_types.UpgradeRequired),
    transaction=False,
)
async def get_audit_pack(
    call: routing.CallDep,
    year: Annotated[int, Path(ge=2000, le=9999)],
    month: Annotated[int, Path(ge=1, le=12)],
    number: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="An earlier pack of the month; by default the newest.")] = None,
) -> StreamingResponse:
    """Give the newest audit pack of a month as a zip file, the same bytes each time. `carbonledger verify` checks it, and `recompute.py`
    in it computes the figures again. Whoever leaves a plan keeps the packs that were made.
    """
    organization_id, services = call.caller.organization_id, call.services
    async with services.database.transaction(organization_id, read_only=True) as uow:
        found = await service.find(
            uow, organization_id=organization_id, month=dt.date(year, month, 1), number=number, upgrade_url=upgrade_url(call)
        )
    return answer(services.objects.of_organization(organization_id), found)
