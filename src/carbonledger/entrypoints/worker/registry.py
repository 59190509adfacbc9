"""Loads the declarations of every domain: handlers, subscribers, schedules. Each entry point calls ``load`` when it starts.

A domain's module declares what it holds when it is imported here. A test fails when a module beside this one is missing from ``MODULES``.
"""

from __future__ import annotations

from carbonledger.entrypoints.worker import (
    activity,
    alerts,
    catalog,
    connections,
    connections_covering,
    idempotency,
    identity,
    invoices,
    receipts,
    receipts_credits,
    receipts_log,
    receipts_packs,
    receipts_periods,
    subscriptions,
    telemetry,
    vault,
)
from carbonledger.infra.queue import registry

MODULES = (
    activity,
    alerts,
    catalog,
    connections,
    connections_covering,
    idempotency,
    identity,
    invoices,
    receipts,
    receipts_credits,
    receipts_log,
    receipts_packs,
    receipts_periods,
    subscriptions,
    telemetry,
    vault,
)


def load() -> registry.Registry:
    """Check what the modules have declared, allow its use, and return it. Safe to call again."""
    registry.declared.seal()
    return registry.declared
