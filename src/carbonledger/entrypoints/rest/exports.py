"""Exports: streamed, however many events there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent import futures
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import StreamingResponse

from carbonledger.domains.identity.service import organizations
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import exporting
from carbonledger.domains.telemetry.types.exports import Format, Place, Writer
from carbonledger.entrypoints.rest import filters, measures, routing
from carbonledger.entrypoints.shared import access
from carbonledger.infra import db
from carbonledger.kernel import zone

router = routing.Router(prefix="/v1/exports", tag="Exports")

_MEDIA_TYPES: Final = {
    Format.CSV: "text/csv",
    Format.FOCUS: "text/csv",
    Format.JSON: "application/json",
    Format.JSONL: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_SUFFIXES: Final = {Format.FOCUS: "focus.csv"}


@router.get(
    "/telemetry",
    access=access.scope("telemetry:read"),
    summary="Export usage",
    operation_id="exportTelemetry",
    transaction=False,
    answers=tuple(dict.fromkeys(_MEDIA_TYPES.values())),
    errors=(types.PeriodInvalid, zone.ZoneUnknown),
)
async def export_telemetry(
    call: routing.CallDep,
    *,
    format_: Annotated[
        Format, Query(alias="format", description="csv, json, jsonl, parquet, or focus (FOCUS 1.2 columns, as CSV).")
    ] = Format.CSV,
    start: measures.From = None,
    end: measures.To = None,
    chosen: filters.Dep,
) -> StreamingResponse:
    """Write one row for each record of usage, the earliest first: all counts, cost, energy, CO2e and water, with versions and flags.
    Amounts are exact. `focus` has one row for each kind of token instead, and leaves duplicates out. The file is cut short if it fails
    midway, which a client sees as a broken transfer. Without `from` and `to` it is the last thirty days of the organization's clock.
    """
    over = measures.asked(call, start, end)
    organization_id = call.caller.organization_id
    database = call.services.database
    async with database.transaction(organization_id, read_only=True) as uow:
        organization = await organizations.find(uow, organization_id=organization_id)
    export = exporting.Export(
        organization_id=organization_id,
        organization_name=organization.name,
        period=over.period,
        is_focus=format_ is Format.FOCUS,
        filters=chosen,
    )
    name = f"usage-{over.period.start:%Y%m%d}-{over.end:%Y%m%d}.{_SUFFIXES.get(format_, format_.value)}"
    return StreamingResponse(
        stream(database, export, await asyncio.to_thread(exporting.writer, format_, parquet=call.services.parquet)),
        media_type=_MEDIA_TYPES[format_],
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def stream(database: db.Database, export: exporting.Export, writer: Writer) -> AsyncIterator[bytes]:
    """Yield the file in pieces. No transaction is open while a piece is on its way, so a client that is slow or gone holds nothing."""
    # In a thread of its own: in whichever is free, each thread in turn would keep what it once needed of memory, as much as the writer has.
    loop, thread = asyncio.get_running_loop(), futures.ThreadPoolExecutor(1, thread_name_prefix="export")
    try:
        yield writer.begin()
        place: Place | None = None
        while True:
            async with database.transaction(export.organization_id, read_only=True) as uow:
                chunk = await export.chunk(uow, after=place)
            piece = await loop.run_in_executor(thread, writer.rows, chunk.rows)
            if piece:
                yield piece
            place = chunk.next
            if place is None:
                break
        yield await loop.run_in_executor(thread, writer.end)
    finally:
        thread.shutdown(wait=False)
