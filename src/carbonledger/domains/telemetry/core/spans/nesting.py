"""Spans that tell the same call: a framework's around a client's, or two instrumentations of one client.

What holds whether a trace arrives whole or in pieces: spans around calls are known by their operation, not by their children; and spans
of one call share the key of its answer's id, so that the ledger takes the second for the first.

What needs them in one piece, for answers without an id: of a call span around another, with nothing but plain spans between them, the
inner one is counted; or the outer one, if it alone has counts. Exporters send a span when it ends, so inner and outer mostly come together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from carbonledger.domains.telemetry.core.spans import calls
from carbonledger.domains.telemetry.core.spans.calls import Call
from carbonledger.domains.telemetry.types import NotUsage, Rejection, Skip, Span, SpanOutcome

ABOVE_MAX = 64  # spans that are looked through above one; traces of people's programs are below 30 deep

_Place = tuple[str, str]
_Told = Call | Rejection


def read_spans(spans: Sequence[Span]) -> tuple[SpanOutcome, ...]:
    """Return the outcome of each span, in their order: a draft, no usage, or a rejection."""
    read = [calls.read(span) for span in spans]
    by_place = {_place(span): span for span in spans}
    told = {_place(span): one for span, one in zip(spans, read, strict=True) if not isinstance(one, NotUsage)}
    repeated = _repeated(told, by_place)
    kept: dict[str, Call] = {}
    for place, call in told.items():
        if isinstance(call, Call) and place not in repeated:
            before = kept.get(call.draft.idempotency_key)
            if before is None or (call.has_counts and not before.has_counts):
                kept[call.draft.idempotency_key] = call
    counted = {id(call) for call in kept.values()}
    return tuple(
        _outcome(one, is_counted=id(one) in counted, is_repeated=_place(span) in repeated) for span, one in zip(spans, read, strict=True)
    )


def _outcome(read: _Told | NotUsage, *, is_counted: bool, is_repeated: bool) -> SpanOutcome:
    if isinstance(read, Call):
        return read.draft if is_counted else NotUsage(Skip.REPEATED)
    return NotUsage(Skip.REPEATED) if isinstance(read, Rejection) and is_repeated else read


def _place(span: Span) -> _Place:
    return span.trace_id, span.span_id


def _repeated(told: Mapping[_Place, _Told], spans: Mapping[_Place, Span]) -> set[_Place]:
    """Return the spans that another one tells: those around a call, and those inside it that have no counts while it has.

    A rejected span around a call with counts is one of them: a framework's, say, that does not name the provider.
    """
    found = {place: call for place, call in told.items() if isinstance(call, Call)}
    above = {place: _above(call, told, spans) for place, call in found.items()}
    repeated = {one for place, call in found.items() if call.has_counts for one in above[place]}
    for place, call in found.items():
        around = [one for one in above[place] if one in found]
        if call.has_counts:
            continue
        if any(found[one].has_counts and one not in repeated for one in around):
            repeated.add(place)
        else:
            repeated.update(one for one in around if not found[one].has_counts)
    return repeated


def _above(call: Call, told: Mapping[_Place, _Told], spans: Mapping[_Place, Span]) -> tuple[_Place, ...]:
    """Return the spans around this one that tell the same call, the nearest first; none if its parents lead back to itself."""
    span: Span | None = call.span
    above: list[_Place] = []
    for _ in range(ABOVE_MAX):
        if span is None or span.parent_span_id is None:
            break
        place = (span.trace_id, span.parent_span_id)
        span = spans.get(place)
        if span is call.span or place in above:
            return ()
        if span is None or calls.is_wrapper(span) or not _is_same(call, told.get(place)):
            break
        if place in told:
            above.append(place)
    return tuple(above)


def _is_same(inner: Call, outer: _Told | None) -> bool:
    """Say whether a span around a call may tell the same: both make embeddings or neither does, and no two ids of answers."""
    if not isinstance(outer, Call):
        return True
    ids = {one.response_id for one in (inner, outer)} - {None}
    return (inner.operation == "embeddings") == (outer.operation == "embeddings") and len(ids) <= 1
