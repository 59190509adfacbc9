"""Whether the service lives (``/health``), whether it can work (``/health/ready``), and its measurements (``/metrics``)."""

from __future__ import annotations

import asyncio
import functools
import hmac
from typing import Literal

from pydantic import Field
from starlette.responses import Response

import carbonledger
from carbonledger.domains.connections import service as connections
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.infra import health, limits, queue
from carbonledger.infra.observe import metrics
from carbonledger.infra.queue import metrics as queue_metrics
from carbonledger.kernel import errors

router = routing.Router(prefix="", tag="Health")

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


class NotReady(errors.Unavailable):
    """The service can't do its work now."""

    code = "not_ready"


class MetricsForbidden(errors.Forbidden):
    """Measurements are for this machine, or for who has the token."""

    code = "metrics_forbidden"


class AliveOut(shapes.Out):
    """The process runs."""

    status: Literal["alive"] = "alive"
    version: str = Field(description="Version of the service.")


class PartOut(shapes.Out):
    """What one part says of itself."""

    status: Literal["ok", "degraded"]
    detail: str | None = None
    numbers: dict[str, float] = Field(
        default_factory=dict, description="What is worth seeing: `waiting` jobs, `oldest_s`, `last_poll_age_s`."
    )


class ReadyOut(shapes.Out):
    """Every part works."""

    status: Literal["ready"] = "ready"
    version: str
    parts: dict[str, PartOut]


@router.get(
    "/health",
    access=access.public(limit="none"),
    transaction=False,
    summary="Whether the process lives",
    operation_id="getHealth",
    examples={"response": {"status": "alive", "version": "0.1.0"}},
)
async def get_health(call: routing.CallDep) -> AliveOut:  # noqa: ARG001 - every endpoint takes its call
    """Answer at once, from memory: for the supervisor that restarts a process that hangs."""
    return AliveOut(version=carbonledger.__version__)


@router.get(
    "/health/ready",
    access=access.public(limit="none"),
    transaction=False,
    summary="Whether the service can work",
    operation_id="getReadiness",
    examples={
        "response": {
            "status": "ready",
            "version": "0.1.0",
            "parts": {
                "database": {"status": "ok", "detail": None, "numbers": {}},
                "schema": {"status": "ok", "detail": None, "numbers": {}},
                "queue": {"status": "ok", "detail": None, "numbers": {"waiting": 3, "oldest_s": 0.2}},
                "polls": {"status": "ok", "detail": None, "numbers": {"connections": 2, "last_poll_age_s": 840.0}},
            },
        }
    },
    errors=(NotReady,),
)
async def get_readiness(call: routing.CallDep) -> ReadyOut:
    """Ask the database, its schema, the queue and, where it is configured, Redis: for the load balancer that sends requests here."""
    database = call.services.database
    asked = {
        "database": functools.partial(health.database, database),
        "schema": functools.partial(health.schema, database),
        "queue": functools.partial(health.jobs, database),
        "polls": functools.partial(_polls, call),
    }
    if isinstance(call.services.limiter, limits.SharedLimiter):
        asked["redis"] = functools.partial(health.shared_limits, call.services.limiter)
    checks = await asyncio.gather(*(health.checked(part, ask) for part, ask in asked.items()))
    unwell = tuple(errors.Problem(f"/parts/{check.part}", check.code, check.detail) for check in checks if not check.is_well)
    if unwell:
        raise NotReady(f"Not well: {', '.join(problem.pointer.rpartition('/')[2] for problem in unwell)}.", problems=unwell)
    return ReadyOut(version=carbonledger.__version__, parts={check.part: to_api_part(check) for check in checks})


async def _polls(call: routing.Call) -> health.Check:
    """Tell how many connections are polled, and how long ago one was last read to its end. A provider that is away is not our illness."""
    async with call.services.database.transaction(None, read_only=True) as uow:
        found = await connections.polls(uow)
    numbers = {"connections": float(found.connections)}
    if found.last_polled_at is not None:
        numbers["last_poll_age_s"] = max(round((call.at - found.last_polled_at).total_seconds(), 3), 0.0)
    return health.Check("polls", is_well=True, numbers=numbers)


def to_api_part(check: health.Check) -> PartOut:
    """Return what a part said as operators see it."""
    return PartOut(status="ok" if check.code == "ok" else "degraded", detail=check.detail or None, numbers=check.numbers)


@router.get(
    "/metrics",
    access=access.public(limit="none"),
    transaction=False,
    answers=("text/plain",),
    summary="Measurements for Prometheus",
    operation_id="getMetrics",
    errors=(MetricsForbidden, errors.Unauthenticated),
)
async def get_metrics(call: routing.CallDep) -> Response:
    """Give this process's measurements in Prometheus' text format, to this machine or to whoever has CARBONLEDGER_METRICS_TOKEN."""
    _check_metrics_access(call)
    async with call.services.database.transaction(read_only=True) as uow:
        waiting, oldest_s = await queue.depth(uow.conn)
    queue_metrics.DEPTH.set(waiting)
    queue_metrics.OLDEST_S.set(oldest_s)
    return Response(metrics.rendered(call.services.database), media_type=metrics.CONTENT_TYPE)


def _check_metrics_access(call: routing.Call) -> None:
    token = call.services.settings.metrics_token
    if token is not None:
        expected = f"Bearer {token.get_secret_value()}"
        if not hmac.compare_digest(call.exchange.headers.get("authorization", "").encode(), expected.encode()):
            raise errors.Unauthenticated("Send CARBONLEDGER_METRICS_TOKEN as bearer.")
        return
    # A proxy on this machine speaks from loopback for everybody; that it forwards shows.
    forwarded = any(name in call.exchange.headers for name in ("x-forwarded-for", "forwarded"))
    if call.exchange.address not in _LOOPBACK or forwarded:
        raise MetricsForbidden("Ask from the machine itself, or set CARBONLEDGER_METRICS_TOKEN and send it as bearer.")
