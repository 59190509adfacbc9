"""The areas of the REST API, in the order of its reference. A new area adds its router here."""

from __future__ import annotations

from typing import Final

from carbonledger.entrypoints.rest import (
    activity,
    agents,
    api_keys,
    audit_packs,
    auth,
    carbon_factors,
    clerk,
    connection_costs,
    connections,
    credit_lots,
    estimates,
    exports,
    health,
    invitations,
    llm_keys,
    members,
    methodology,
    organizations,
    otlp,
    periods,
    prices,
    projects,
    public_log,
    receipts,
    routing,
    telemetry,
    telemetry_events,
    telemetry_ingest,
    test_clock,
    usage,
    users,
)

ROUTERS: Final[tuple[routing.Router, ...]] = (
    health.router,
    auth.router,
    users.router,
    clerk.router,
    organizations.router,
    members.router,
    invitations.router,
    api_keys.router,
    test_clock.router,
    llm_keys.router,
    connections.router,
    connection_costs.router,
    projects.router,
    agents.router,
    telemetry_ingest.router,
    otlp.router,
    telemetry.router,
    telemetry_events.router,
    usage.router,
    exports.router,
    audit_packs.router,
    periods.router,
    activity.router,
    estimates.router,
    prices.router,
    carbon_factors.router,
    methodology.router,
    public_log.router,
    public_log.well_known,
    credit_lots.router,
    receipts.router,
    receipts.public,
)


def routes() -> list[routing.Route]:
    """Return every operation, area by area."""
    return [route for router in ROUTERS for route in router.routes]
