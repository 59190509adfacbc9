"""The outbox, which is also the audit trail: a fact and its event are written in one transaction, and so are the jobs that carry it on.

``events`` is append-only and holds no delivery state; delivery is one queue job for each subscriber. An *alert* is an event with a
severity and an audience. The package's face; callers write ``outbox.emit(uow, …)``. It does not send anything to anybody.
"""

from __future__ import annotations

from carbonledger.infra.outbox.emission import emit, emit_many
from carbonledger.infra.outbox.trail import event, events, notifications
from carbonledger.infra.outbox.types import OPERATORS, Event, EventMissing, EventRefused, Filters

__all__ = ["OPERATORS", "Event", "EventMissing", "EventRefused", "Filters", "emit", "emit_many", "event", "events", "notifications"]
