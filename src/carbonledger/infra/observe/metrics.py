"""Measurements for Prometheus: those of the edge, the limits and the database; other parts declare their own.

They are of this process alone. Labels have few values: routes are templates, statuses are classes, no organization is ever a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from carbonledger.infra import db

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped
REGISTRY: Final = prometheus_client.REGISTRY
"""The library's own: a measurement declared without a word about it is among the others."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

HTTP_REQUESTS: Final = Counter(
    "carbonledger_http_requests",
    "Requests answered, by route template, method and class of status.",
    ("route", "method", "status"),
)
HTTP_SECONDS: Final = Histogram(
    "carbonledger_http_request_seconds",
    "Seconds from the first byte of a request to the last of its answer, by route template and method.",
    ("route", "method"),
    buckets=_SECONDS,
)
HTTP_OPEN: Final = Gauge("carbonledger_http_requests_open", "Requests being answered now.")
LIMITS_ALONE: Final = Counter(
    "carbonledger_limits_counted_alone", "Hits counted in this process because Redis did not answer.", registry=REGISTRY
)
REQUESTS_LIMITED: Final = Counter("carbonledger_requests_limited", "Requests refused by a rate limit.", ("policy",))
STATEMENT_SECONDS: Final = Histogram(
    "carbonledger_database_statement_seconds",
    "Seconds that statements took, by operation.",
    ("operation",),
    buckets=_SECONDS,
)
POOL: Final = Gauge("carbonledger_database_connections", "Connections of the pool, by state.", ("state",))
POOL_SIZE: Final = Gauge("carbonledger_database_connections_max", "Connections that the pool may open.")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OPERATIONS: Final = frozenset({"select", "insert", "update", "delete", "with"})


class Requests:
    """Measures requests; keeps what Prometheus' own look-up by labels would cost at each."""

    def __init__(self) -> None:
        self.open = 0
        """Requests being answered now."""
        HTTP_OPEN.set_function(lambda: self.open)
        self._of: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def seen(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered. ``route`` is a template, never a path."""
        key = (route, method, status // 100)
        pair = self._of.get(key)
        if pair is None:
            named = method if method in _METHODS else "other"  # a method is the caller's word, and would make labels without end
            pair = (HTTP_REQUESTS.labels(route, named, f"{status // 100}xx"), HTTP_SECONDS.labels(route, named))
            if named == method:
                self._of[key] = pair
        pair[0].inc()
        pair[1].observe(seconds)


_statements: dict[str, Histogram] = {}


def statement(operation: str, seconds: float) -> None:
    """Measure a statement: the ``observe`` of ``db.connect``."""
    histogram = _statements.get(operation)
    if histogram is None:
        named = operation if operation in _OPERATIONS else "other"
        histogram = _statements[operation] = STATEMENT_SECONDS.labels(named)
    histogram.observe(seconds)


def rendered(database: db.Database) -> bytes:
    """Return all measurements of this process in Prometheus' text format."""
    pool = database.pool
    idle = database.connections.idle
    POOL.labels("idle").set(idle)
    POOL.labels("used").set(pool.get_size() - idle)
    POOL_SIZE.set(pool.get_max_size())
    return prometheus_client.generate_latest(REGISTRY)
