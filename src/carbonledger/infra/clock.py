"""The only place that reads the time.

Edges ask it once per request or job and pass ``now`` on. An organization's business time (real, or a sandbox's own) is
derived from it by ``domains.identity``; limits, sessions, idempotency and logs always use the real one.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)
