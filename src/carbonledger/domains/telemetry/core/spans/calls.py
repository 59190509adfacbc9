"""One span: whether it is a call of a model, and the draft that it makes.

- Counts by OpenTelemetry's convention hold cached and written tokens in the input, and reasoning in the output. Some instrumentations
  leave cached tokens out: where there are more of them than input, or a total says so, they are taken to be outside, which is noted.
- A call without counts is a draft of unknown tokens; if it ended with an error too, nothing was billed and it is none.
- Of its attributes a draft keeps those of a closed list; the rest is never read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core.bodies import Note, UsageUnreadable, counting, flavours, looking
from carbonledger.domains.telemetry.core.spans import names
from carbonledger.domains.telemetry.types import Draft, NotUsage, Rejection, Skip, Span, SpanKind, SpanStatus
from carbonledger.kernel.usage import LABEL_CHARS_MAX, MODEL_CHARS_MAX, TokenBuckets, Usage, UsageInvalid, UsageQuality

TEXT_CHARS_MAX = 200  # of what is kept: names and ids, which are short
NOTHING = TokenBuckets()
_HEX = frozenset("0123456789abcdef")
_SPAN = flavours.Flavour(
    name="span", marks=frozenset(), counts={name: flavours.places(name) for name in names.COUNTS}, cache_is_inside=True
)


@dataclass(frozen=True, slots=True)
class Call:
    """A span that is a call of a model, and the draft that it makes if no other span tells the same call."""

    span: Span
    draft: Draft
    operation: str | None
    response_id: str | None
    has_counts: bool


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.rejection = Rejection(code, detail)
        super().__init__(detail)


def operation_of(span: Span) -> str | None:
    """Return what the span says that it does, in lower case and without a prefix; None if it does not say."""
    said = _text(span.attributes, names.OPERATIONS)
    return None if said is None else said.lower().removeprefix("gen_ai.")


def is_wrapper(span: Span) -> bool:
    """Say whether the span stands around calls."""
    return operation_of(span) in names.WRAPPERS


def read(span: Span) -> Call | NotUsage | Rejection:
    """Return the call that the span tells, or why it tells none."""
    said = operation_of(span)
    if said in names.WRAPPERS:
        return NotUsage(Skip.WRAPPER)
    counts = {name: found for name, keys in names.COUNTS.items() if (found := _first(span.attributes, keys)) is not None}
    may_be_call = said in names.CALLS or any(isinstance(span.attributes.get(key), Rejection) for key in names.OPERATIONS)
    if not may_be_call and not counts.keys() & {"input", "output", "total"}:
        return NotUsage(Skip.NO_USAGE)
    if (rejection := _unreadable(span)) is not None:
        return rejection
    try:
        return _call(span, said, counts)
    except _Refused as refused:
        return refused.rejection


def _unreadable(span: Span) -> Rejection | None:
    """Return why an attribute that is read can't be: what it was meant to say of the call is then unknown, and not nothing.

    What is only kept beside the event decides nothing and is left out.
    """
    every = (pair for told in (span.attributes, span.resource) for pair in told.items())
    return next((value for name, value in every if isinstance(value, Rejection) and name not in names.ONLY_KEPT), None)


def _call(span: Span, said: str | None, counts: Mapping[str, tuple[str, object]]) -> Call | NotUsage:
    if said is not None and said not in names.CALLS:
        raise _Refused("operation_unknown", f"gen_ai.operation.name is none of: {', '.join(sorted(set(names.CALLS.values())))}.")
    if said is None and span.kind is not SpanKind.CLIENT:
        raise _Refused("operation_missing", "It has counts, but not whether it is a call or a sum of calls: set gen_ai.operation.name.")
    if not counts and span.status is SpanStatus.ERROR:
        return NotUsage(Skip.FAILED)
    operation = None if said is None else names.CALLS[said]
    tokens, notes = _tokens(counts, operation)
    known = tokens.total_input is not None
    response_id = _label(span.attributes, names.RESPONSE_IDS, TEXT_CHARS_MAX)
    draft = Draft(
        idempotency_key=_key(span, response_id),
        usage=_usage(span, tokens),
        operation=operation,
        quality=_quality(span, has_counts=known),
        project_id=_id(span, names.PROJECT),
        agent_id=_id(span, names.AGENT),
        account=_account(span),
        properties=_properties(span, counts, notes),
    )
    return Call(span, draft, operation, response_id, known)


def _quality(span: Span, *, has_counts: bool) -> UsageQuality:
    if not has_counts:
        return UsageQuality.ESTIMATED
    return UsageQuality.PARTIAL if span.status is SpanStatus.ERROR else UsageQuality.REPORTED


def _tokens(counts: Mapping[str, tuple[str, object]], operation: str | None) -> tuple[TokenBuckets, set[Note]]:
    values: dict[str, object] = {name: value for name, (_, value) in counts.items()}
    total = values.pop("total", None)
    parts = [values.get(name) or 0 for name in ("input", "output", "cached", "written")]
    # A total that is no more than input + output says nothing: many instrumentations add it up themselves
    if "output" not in values or total == sum(part for part in parts if isinstance(part, int)):
        values["total"] = total
    try:
        tokens, notes = counting.buckets(looking.Looker(values, _SPAN))
    except UsageUnreadable as fault:
        problem = fault.problems[0]
        attribute = counts.get(problem.pointer.removeprefix("/"), ("the counts", None))[0]
        raise _Refused(problem.code, f"{attribute}: {problem.detail}") from None
    if tokens is None:
        return NOTHING, notes
    return (replace(tokens, output=0) if tokens.output is None and operation == "embeddings" else tokens), notes


def _usage(span: Span, tokens: TokenBuckets) -> Usage:
    if span.started_at is None:
        raise _Refused("time_missing", "The span has no start.")
    model = _label(span.attributes, names.MODELS, MODEL_CHARS_MAX)
    if model is None:
        raise _Refused("model_missing", "Set gen_ai.response.model or gen_ai.request.model.")
    tier = _label(span.attributes, names.SERVICE_TIERS, LABEL_CHARS_MAX)
    try:
        return Usage(provider=_provider(span), model=model, occurred_at=span.started_at, tokens=tokens, requests=1, service_tier=tier)
    except UsageInvalid as fault:
        raise _Refused(fault.problems[0].code, fault.problems[0].detail) from None


def _provider(span: Span) -> str:
    """Return the provider by its name; by the address where that is missing, a framework's, or OpenAI's, whose client calls others too."""
    said = (_text(span.attributes, names.PROVIDERS) or "").strip().lower().replace(" ", "_")
    name = names.PROVIDER_IDS.get(said, said)
    is_framework = said.replace("-", "_") in names.FRAMEWORKS
    if not name or name == "openai" or is_framework:
        by_address = names.provider_at(_text(span.attributes, (names.ADDRESS,)) or "")
        if by_address is not None:
            return by_address
    if not name or is_framework:
        raise _Refused("provider_missing", "Set gen_ai.provider.name to the provider that was called.")
    return name


def _key(span: Span, response_id: str | None) -> str:
    """Return the key of the call: within a trace the provider's own id of the answer, and without one the span's."""
    for name, chars in ((span.trace_id, 32), (span.span_id, 16)):
        if len(name) != chars or not _HEX.issuperset(name) or not name.strip("0"):
            raise _Refused("span_id_invalid", "Trace and span ids are 32 and 16 digits of lower-case hex, not all zero.")
    if response_id is None:
        return f"span:{span.trace_id}:{span.span_id}"
    key = f"call:{span.trace_id}:{response_id}"
    if len(key) <= types.KEY_CHARS_MAX:
        return key
    return f"call:{span.trace_id}:sha256:{hashlib.sha256(response_id.encode()).hexdigest()}"


def _properties(span: Span, counts: Mapping[str, tuple[str, object]], notes: set[Note]) -> dict[str, object]:
    """Return what is kept beside the event: names and ids of a closed list, and how its counts were read."""
    kept: dict[str, object] = {"trace_id": span.trace_id, "span_id": span.span_id}
    for attributes, keys in ((span.resource, names.KEPT_OF_RESOURCE), (span.attributes, names.KEPT_OF_SPAN)):
        kept |= {key: text for key in keys if (text := _label(attributes, (key,), TEXT_CHARS_MAX)) is not None}
    if counts:
        kept["usage_names"] = next(iter(counts.values()))[0]
    if "cached" in counts or "written" in counts:
        kept["cache_counts"] = "exclusive" if Note.CACHE_OUTSIDE in notes else "inclusive"
    if Note.REASONING_OUTSIDE in notes:
        kept["reasoning_counts"] = "exclusive"
    return kept


def _own(span: Span, name: str) -> object:
    return span.attributes.get(name, span.resource.get(name))


def _id(span: Span, name: str) -> UUID | None:
    value = _own(span, name)
    if value is None:
        return None
    try:
        return UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise _Refused("id_invalid", f"{name} is no UUID.") from None


def _account(span: Span) -> str | None:
    value = _own(span, names.ACCOUNT)
    if value is None:
        return None
    if not isinstance(value, str) or not _is_label(value, TEXT_CHARS_MAX):
        raise _Refused("account_invalid", f"{names.ACCOUNT} is 1 to {TEXT_CHARS_MAX} printable characters, none blank at an end.")
    return value


def _first(attributes: Mapping[str, object], keys: Iterable[str]) -> tuple[str, object] | None:
    return next(((key, attributes[key]) for key in keys if key in attributes), None)


def _text(attributes: Mapping[str, object], keys: Iterable[str]) -> str | None:
    return next((value for key in keys if isinstance(value := attributes.get(key), str) and value), None)


def _label(attributes: Mapping[str, object], keys: Iterable[str], chars_max: int) -> str | None:
    return next((value for key in keys if isinstance(value := attributes.get(key), str) and _is_label(value, chars_max)), None)


def _is_label(text: str, chars_max: int) -> bool:
    return 0 < len(text) <= chars_max and text.isprintable() and text == text.strip()
