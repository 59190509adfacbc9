"""The clock of a sandbox organization."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import organizations, test_clock
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access

router = routing.Router(prefix="/v1/test-clock", tag="Test clocks")

_JOB_ID = "01932d3c-9eaf-7b0c-81d2-e3f405162738"


class AdvanceIn(shapes.In):
    """Where the clock is to go."""

    to: AwareDatetime = Field(le=datetime(2200, 1, 1, tzinfo=UTC), description="Not before what it shows; at most ten years on.")


class ClockOut(shapes.Out):
    """What a sandbox's clock shows."""

    clock_at: datetime
    target: datetime | None = Field(description="Where it is going, while it moves.")


@router.get(
    "",
    access=access.scope("organization:read"),
    summary="Show the clock",
    operation_id="getTestClock",
    examples={"response": {"clock_at": "2026-01-31T00:00:00Z", "target": None}},
    errors=(types.SandboxOnly,),
)
async def show(call: routing.CallDep) -> ClockOut:
    """Return what the clock of a sandbox organization shows."""
    organization = await organizations.find(call.uow, organization_id=call.caller.organization_id)
    if organization.clock_at is None:
        raise types.SandboxOnly
    return ClockOut(clock_at=organization.clock_at, target=organization.clock_target)


@router.post(
    "/advance",
    access=access.scope("test_clock:write"),
    status_code=202,
    summary="Move the clock on",
    operation_id="advanceTestClock",
    examples={
        "request": {"to": "2026-03-01T00:00:00Z"},
        "response": {"job_id": _JOB_ID, "status_url": f"/v1/jobs/{_JOB_ID}"},
    },
    errors=(types.SandboxOnly, types.ClockBackwards, types.ClockMoving),
)
async def advance(call: routing.CallDep, body: AdvanceIn) -> shapes.Accepted:
    """Let time pass in a sandbox organization. The job ends when everything that is due until then has happened, in order."""
    job_id = await test_clock.advance(
        call.uow, actor=call.actor, at=call.at, organization_id=call.caller.organization_id, to=body.to.astimezone(UTC)
    )
    return call.accepted(job_id)
