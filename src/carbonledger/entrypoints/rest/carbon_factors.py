"""Published factor sets: the numbers that turn usage into emissions, each with its source. A set never changes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import orjson
from fastapi import Path, Query
from pydantic import Field

from carbonledger.domains.emissions import service
from carbonledger.domains.emissions import types as emission_types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/carbon-factors", tag="Cost and carbon")

_FOR_EVER = "private, max-age=31536000, immutable"
_FOR_NOW = "private, max-age=300"


class FactorSetOut(shapes.Out):
    """A published factor set."""

    version: str
    digest: str = Field(description="SHA-256 of the canonical form (RFC 8785) of the document, in hex.")
    effective_from: date
    published_at: datetime = Field(description="When this installation first used it.")


class ListedFactorSetOut(FactorSetOut):
    """A published factor set among others."""

    is_current: bool = Field(description="Whether new estimates are made by it.")


class FactorDocumentOut(FactorSetOut):
    """A published factor set with all its numbers."""

    document: dict[str, Any] = Field(description="The set as its file has it: tiers, providers, grids, matching rules, sources.")


_EXAMPLE = {
    "version": "1.0",
    "digest": "9a5eb3e79bc9bf5a2ea7c83977fcb23970a9ee518cdaeaae600b7a9f59aeb702",
    "effective_from": "2026-11-01",
    "published_at": "2026-11-21T09:00:00Z",
}
_WHOLE = {**_EXAMPLE, "document": {"schema": "carbon-factors/1", "version": "1.0"}}


@router.get(
    "",
    access=access.scope("prices:read"),
    summary="List factor sets",
    operation_id="listCarbonFactors",
    examples={"response": {"data": [{**_EXAMPLE, "is_current": True}], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_carbon_factors(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[ListedFactorSetOut]:
    """List every factor set that was used here, the latest effective first."""
    found = await service.factor_sets(call.uow, page=call.page(limit=limit, cursor=cursor, parts=2))
    current = service.current().digest
    data = [ListedFactorSetOut(**_facts(one), is_current=one.digest == current) for one in found.data]
    return shapes.ListOut[ListedFactorSetOut](data=data, next_cursor=found.next_cursor)


@router.get(
    "/current",
    access=access.scope("prices:read"),
    summary="Get the current factor set",
    operation_id="getCurrentCarbonFactors",
    examples={"response": _WHOLE},
)
async def get_current_carbon_factors(call: routing.CallDep) -> FactorDocumentOut:
    """Return the factor set that new estimates are made by."""
    call.header("cache-control", _FOR_NOW)
    return to_api_factor_set(await service.factor_set(call.uow, version=service.current().version))


@router.get(
    "/{version}",
    access=access.scope("prices:read"),
    summary="Get a factor set",
    operation_id="getCarbonFactors",
    examples={"response": _WHOLE},
    errors=(emission_types.FactorSetNotFound,),
)
async def get_carbon_factors(
    call: routing.CallDep,
    version: Annotated[str, Path(max_length=40, pattern=r"^[0-9]+\.[0-9]+(\.[0-9]+)?$", description="Such as 1.0.")],
) -> FactorDocumentOut:
    """Return a factor set by its version. It never changes, so an answer may be kept."""
    found = await service.factor_set(call.uow, version=version)
    call.header("cache-control", _FOR_EVER)
    return to_api_factor_set(found)


def to_api_factor_set(found: emission_types.PublishedFile) -> FactorDocumentOut:
    """Return a set as callers see it."""
    return FactorDocumentOut(**_facts(found), document=orjson.loads(found.document))


def _facts(found: emission_types.PublishedSet) -> dict[str, Any]:
    return {
        "version": found.version,
        "digest": found.digest,
        "effective_from": found.effective_from,
        "published_at": found.published_at,
    }
