"""Spans for tests: one call of a model, with what a case says of it laid over."""

from __future__ import annotations

from datetime import UTC, datetime

from carbonledger.domains.telemetry.types import Span, SpanKind, SpanStatus

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TRACE = "5b8efff798038103d269b633813fc60c"
CALL: dict[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.response.model": "gpt-4.1-2025-04-14",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
}


def attributes(*without: str, **more: object) -> dict[str, object]:
    """What a call says, less some names, and more; ``__`` stands for the dot of a name."""
    return {name: value for name, value in CALL.items() if name not in without} | {
        name.replace("__", "."): value for name, value in more.items()
    }


def span(
    number: int = 1,
    *,
    parent: int | None = None,
    trace_id: str = TRACE,
    says: dict[str, object] | None = None,
    resource: dict[str, object] | None = None,
    kind: SpanKind = SpanKind.CLIENT,
    status: SpanStatus = SpanStatus.UNSET,
    started_at: datetime | None = NOON,
) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        name="chat gpt-4.1",
        kind=kind,
        started_at=started_at,
        ended_at=NOON,
        attributes=CALL if says is None else says,
        resource=resource or {},
        status=status,
    )
