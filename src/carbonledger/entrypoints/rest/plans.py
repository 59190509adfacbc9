"""Plans: what is sold. Changing what one costs makes its next version; the ones before stay as they were."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query

from carbonledger.domains.catalog import service, types
from carbonledger.entrypoints.rest import plan_shapes, price_models, routing, shapes
from carbonledger.entrypoints.rest.plan_shapes import PlanChangeIn, PlanIn, PlanOut, VersionOut
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/plans", tag="Catalog")

_READ: Final = access.scope("catalog:read")
_WRITE: Final = access.scope("catalog:write")
_PLAN_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f01"
_SENT: Final[dict[str, Any]] = {
    "code": "team",
    "name": "Team",
    "currency": "USD",
    "interval": {"unit": "month", "count": 1},
    "charges": [
        {"code": "seat", "name": "Seat", "charge_model": "flat", "amount": "20.00", "timing": "advance", "per_seat": True},
        {"code": "ai", "name": "AI usage", "charge_model": "cost_plus", "markup_percent": "20"},
        {"code": "carbon", "name": "CO2e", "charge_model": "carbon", "price_per_kg": "0.05", "bound": "high"},
    ],
    "trial_days": 14,
}
_MODEL: Final = {**dict.fromkeys(sorted(price_models.ModelOut.model_fields)), "free_units": "0"}
_CHARGE: Final[dict[str, Any]] = {
    **_MODEL,
    "meter_code": None,
    "timing": "arrears",
    "per_seat": False,
    "prorated": True,
    "included": "0",
    "minimum": None,
    "maximum": None,
    "tax_rate_codes": [],
    "discount": None,
}
_VERSION: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f02",
    "plan_id": _PLAN_ID,
    "number": 1,
    "effective_at": "2026-11-01T09:00:00Z",
    "currency": "USD",
    "interval": {"unit": "month", "count": 1},
    "anchor": "anniversary",
    "charges": [
        {**_CHARGE, "code": "seat", "name": "Seat", "charge_model": "flat", "amount": "20", "timing": "advance", "per_seat": True},
        {**_CHARGE, "code": "ai", "name": "AI usage", "charge_model": "cost_plus", "markup_percent": "20", "by_token_kind": {}},
        {**_CHARGE, "code": "carbon", "name": "CO2e", "charge_model": "carbon", "price_per_kg": "0.05", "bound": "high"},
    ],
    "setup_fee": None,
    "trial_days": 14,
    "minimum_commitment": None,
    "discounts": [],
    "upgrade": "now",
    "downgrade": "renewal",
    "proration": "day",
    "migration": "stay",
    "sha256": "0f" * 32,
    "created_at": "2026-11-01T09:00:00Z",
}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": _PLAN_ID,
    "code": "team",
    "name": "Team",
    "description": None,
    "state": "active",
    "version": _VERSION,
    "latest_version": 1,
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:00:00Z",
    "archived_at": None,
}


@router.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Make a plan",
    operation_id="createPlan",
    examples={"request": _SENT, "response": _EXAMPLE},
    errors=(types.PlanInvalid, types.PlanCodeTaken),
)
async def create_plan(call: routing.CallDep, body: PlanIn) -> PlanOut:
    """Make a plan with its first version. Amounts are in its currency; what a charge's model needs stands beside its name."""
    made = await service.create_plan(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        draft=plan_shapes.from_api_plan(body),
    )
    call.created(f"/v1/plans/{made.id}")
    return plan_shapes.to_api_plan(made)


@router.get(
    "",
    access=_READ,
    summary="List plans",
    operation_id="listPlans",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_plans(
    call: routing.CallDep,
    *,
    state: Annotated[types.PlanState | None, Query(description="Only those in this state.")] = None,
    search: Annotated[str | None, Query(max_length=200, description="A part of the name or the code.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[PlanOut]:
    """List plans, newest first, each with the version that is in force now."""
    found = await service.list_plans(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        now=call.now,
        state=state,
        search=search,
    )
    return shapes.ListOut[PlanOut](data=plan_shapes.to_api_plans(found.data), next_cursor=found.next_cursor)


@router.get(
    "/{plan_id}",
    access=_READ,
    summary="Show a plan",
    operation_id="getPlan",
    examples={"response": _EXAMPLE},
    errors=(types.PlanNotFound,),
)
async def get_plan(call: routing.CallDep, plan_id: UUID) -> PlanOut:
    """Return one plan with the version that is in force now."""
    found = await service.find_plan(call.uow, organization_id=call.caller.organization_id, plan_id=plan_id, now=call.now)
    return plan_shapes.to_api_plan(found)


@router.patch(
    "/{plan_id}",
    access=_WRITE,
    summary="Change a plan",
    operation_id="changePlan",
    examples={
        "request": {"trial_days": 30, "migration": "renewal"},
        "response": {
            **_EXAMPLE,
            "latest_version": 2,
            "version": {**_VERSION, "number": 2, "trial_days": 30, "migration": "renewal", "effective_at": "2026-12-01T00:00:00Z"},
        },
    },
    errors=(types.PlanNotFound, types.PlanInvalid),
)
async def change_plan(call: routing.CallDep, plan_id: UUID, body: PlanChangeIn) -> PlanOut:
    """Change a plan. A name, a description and the state are changed at once; all else makes the next version of the plan.

    `charges` replaces all charges. Subscriptions on older versions stay there, or migrate when it becomes effective or with their next
    period, as `migration` says. What costs the same as before makes no version.
    """
    named, draft = plan_shapes.from_api_change(body)
    changed = await service.change_plan(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        plan_id=plan_id,
        values=named,
        draft=draft,
    )
    return plan_shapes.to_api_plan(changed)


@router.delete(
    "/{plan_id}",
    access=_WRITE,
    status_code=204,
    summary="Delete a plan",
    operation_id="deletePlan",
    errors=(types.PlanNotFound, types.PlanInUse),
)
async def delete_plan(call: routing.CallDep, plan_id: UUID) -> None:
    """Delete a plan that nothing ever used.

    One that something uses, or did, is kept: 409, whose member `uses` says what. Archive it instead.
    """
    await service.delete_plan(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, plan_id=plan_id)


@router.get(
    "/{plan_id}/versions",
    access=_READ,
    summary="List a plan's versions",
    operation_id="listPlanVersions",
    examples={"response": {"data": [_VERSION], "next_cursor": None}},
    errors=(types.PlanNotFound, page.CursorUnreadable),
)
async def list_plan_versions(
    call: routing.CallDep,
    plan_id: UUID,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[VersionOut]:
    """List the versions of a plan, newest first."""
    organization_id = call.caller.organization_id
    await service.find_plan(call.uow, organization_id=organization_id, plan_id=plan_id, now=call.now)
    found = await service.list_versions(
        call.uow, organization_id=organization_id, plan_id=plan_id, page=call.page(limit=limit, cursor=cursor, parts=1)
    )
    data = [plan_shapes.to_api_version(version) for version in found.data]
    return shapes.ListOut[VersionOut](data=data, next_cursor=found.next_cursor)


@router.get(
    "/{plan_id}/versions/{number}",
    access=_READ,
    summary="Show a version of a plan",
    operation_id="getPlanVersion",
    examples={"response": _VERSION},
    errors=(types.PlanVersionNotFound,),
)
async def get_plan_version(
    call: routing.CallDep, plan_id: UUID, number: Annotated[int, Path(ge=1, le=1_000_000, description="Counts from 1.")]
) -> VersionOut:
    """Return one version of a plan."""
    found = await service.find_version(call.uow, organization_id=call.caller.organization_id, plan_id=plan_id, number=number)
    return plan_shapes.to_api_version(found)
