"""From a provider's whole answer, or its usage object alone, to a reading.

Owns what kind of reading an answer gives, and what it calls itself. It does not own the arithmetic (``counting``), the text
(``documents``), or how the events of a stream make one usage (``streams``).

- A stream that has not ended is partial, whatever it has counted so far.
- An answer that is no success was not billed, and has no usage, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from carbonledger.domains.telemetry.core.bodies import counting, documents, flavours, streams
from carbonledger.domains.telemetry.core.bodies.looking import Looker
from carbonledger.domains.telemetry.core.bodies.reading import Note, OtherUsage, Outcome, Reading, UsageUnreadable
from carbonledger.kernel import currency, decimals
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import LABEL_CHARS_MAX, MODEL_CHARS_MAX, TokenBuckets, UsageInvalid, UsageQuality

ID_CHARS_MAX = 200
STEPS_MAX = 1_000  # of one answer; the longest recorded has three
USD = currency.by_code("USD")
NOTHING = TokenBuckets()
# What an answer or an event calls itself.
_MODELS = ("model", "modelVersion", "message.model", "response.model")
_IDS = ("id", "responseId", "message.id", "response.id", "x_groq.id", "generation_id")
_TIERS = ("service_tier", "response.service_tier", "serviceTier.type")
_USAGE_TIERS = ("service_tier", "serviceTier", "trafficType")
_OPERATIONS = (
    ("embeddings", "embeddings"),
    ("embed", "embeddings"),
    (":embedContent", "embeddings"),
    (":batchEmbedContents", "embeddings"),
    ("generateContent", "generate_content"),
    ("streamGenerateContent", "generate_content"),
    ("chat/completions", "chat"),
    ("/completions", "text_completion"),
    ("/responses", "chat"),
    ("/messages", "chat"),
    ("/chat", "chat"),
    ("/converse", "chat"),
    ("/converse-stream", "chat"),
)


def read_usage(provider: str, usage: Mapping[str, object], *, operation: str | None = None) -> Reading:
    """Return the reading of a usage object as ``provider`` sent it. ``operation`` "embeddings": there is no output to be counted.

    Raises ``UsageUnreadable``: counts that are none, or that can't be true together.
    """
    return _reading(provider, usage, operation=operation)


def read_response(*, provider: str, path: str, status: int, content_type: str, body: str) -> Reading:
    """Return the reading of an answer: ``path`` of the request, HTTP ``status``, and the body, plain or streamed.

    Raises ``UsageUnreadable``, with pointers into the usage object that the answer holds.
    """
    operation = operation_of(path)
    if not 200 <= status <= 299:  # noqa: PLR2004 - HTTP's successes
        return _without(Outcome.NOT_BILLED, operation=operation)
    read = documents.read(content_type=content_type, body=body)
    names = _names(read.found)
    notes = {Note.EVENT_UNREADABLE} if read.unreadable and read.found else set[Note]()
    failed = any(_error(one) for one in read.found)
    usage = streams.merged(read.found)
    if usage is None:
        return _no_usage(read, operation=operation, failed=failed, names=names, notes=notes)
    reading = _reading(provider, usage, operation=operation)
    if failed:
        notes.add(Note.ERROR_IN_STREAM)
    kept = names.kept() | {"service_tier": names.service_tier or reading.service_tier}
    reading = replace(reading, **kept, notes=reading.notes | notes | names.notes)  # type: ignore[arg-type]  # three labels
    if reading.outcome is Outcome.COUNTED and ((failed and read.is_stream) or not streams.has_ended(read)):
        return replace(reading, outcome=Outcome.CUT, quality=UsageQuality.PARTIAL)
    return reading


def operation_of(path: str) -> str | None:
    """Return the operation of a request's path, by OpenTelemetry's names; None if it is none that we know."""
    plain = path.partition("?")[0].partition("#")[0].rstrip("/")
    return next((operation for end, operation in _OPERATIONS if plain.endswith(end)), None)


@dataclass(frozen=True, slots=True)
class _Names:
    model: str | None
    response_id: str | None
    service_tier: str | None
    notes: frozenset[Note]

    def kept(self) -> dict[str, str | None]:
        return {"model": self.model, "response_id": self.response_id, "service_tier": self.service_tier}


def _names(found: Iterable[Mapping[str, object]]) -> _Names:
    """Return what the answer calls itself: the first model and id, and the last service tier, since the first may be what was asked for."""
    events = tuple(found)
    notes: set[Note] = set()
    model = _label((value for one in events for path in _MODELS if (value := documents.at(one, path))), MODEL_CHARS_MAX, notes)
    name = _label((value for one in events for path in _IDS if (value := documents.at(one, path))), ID_CHARS_MAX, notes)
    tier = _label((value for one in reversed(events) for path in _TIERS if (value := documents.at(one, path))), LABEL_CHARS_MAX, notes)
    return _Names(model, name, tier, frozenset(notes))


def _label(values: Iterable[object], chars_max: int, notes: set[Note]) -> str | None:
    """Return the first value if it can be kept as a label, noting one that can't."""
    value = next(iter(values), None)
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= chars_max and value.isprintable() and value == value.strip():
        return value
    notes.add(Note.LABEL_DROPPED)
    return None


def _error(document: Mapping[str, object]) -> bool:
    """Say whether the document is the provider's word that it broke off."""
    return document.get("type") == "error" or bool(document.get("error"))


def _no_usage(read: documents.Documents, *, operation: str | None, failed: bool, names: _Names, notes: set[Note]) -> Reading:
    if failed and not read.is_stream:
        return _without(Outcome.NOT_BILLED, operation=operation)
    if not read.found:
        outcome = Outcome.CUT if read.is_cut or read.is_stream else Outcome.SHAPE_UNKNOWN
    elif failed or (read.is_stream and not (read.is_done or any(streams.is_end(one) or streams.stops(one) for one in read.found))):
        outcome = Outcome.CUT
    else:
        outcome = Outcome.NO_USAGE
    more = {Note.ERROR_IN_STREAM} if failed else set[Note]()
    made = _without(outcome, operation=operation)
    return replace(made, notes=frozenset(notes | more | names.notes), **names.kept())  # type: ignore[arg-type]  # three labels


def _without(outcome: Outcome, *, operation: str | None, flavour: str | None = None) -> Reading:
    quality = UsageQuality.PARTIAL if outcome is Outcome.CUT else UsageQuality.ESTIMATED
    return Reading(tokens=NOTHING, quality=quality, outcome=outcome, operation=operation, flavour=flavour)


def _reading(provider: str, usage: Mapping[str, object], *, operation: str | None) -> Reading:
    if all(value is None for value in usage.values()):
        return _without(Outcome.NO_USAGE, operation=operation)
    flavour = flavours.of(usage)
    if flavour is None:
        return _without(Outcome.SHAPE_UNKNOWN, operation=operation)
    tokens, notes = counting.buckets(Looker(usage, flavour))
    if tokens is None:
        return _without(Outcome.NO_USAGE, operation=operation, flavour=flavour.name)
    if tokens.output is None and operation == "embeddings":
        tokens = replace(tokens, output=0)
    tokens, others = _with_steps(usage, flavour, tokens, notes)
    tier = _label((value for name in _USAGE_TIERS if (value := usage.get(name))), LABEL_CHARS_MAX, notes)
    return Reading(
        tokens=tokens,
        quality=UsageQuality.REPORTED,
        outcome=Outcome.COUNTED,
        flavour=flavour.name,
        operation=operation,
        service_tier=tier,
        reported=_reported(provider, usage),
        others=others,
        notes=frozenset(notes),
    )


def _with_steps(
    usage: Mapping[str, object], flavour: flavours.Flavour, tokens: TokenBuckets, notes: set[Note]
) -> tuple[TokenBuckets, tuple[OtherUsage, ...]]:
    """Add what Anthropic lists beside its counts: they hold the "message" steps of an answer, not a compaction or an advisor's work."""
    steps = usage.get("iterations")
    others: list[OtherUsage] = []
    for place, step in enumerate(steps[:STEPS_MAX] if isinstance(steps, list) else ()):
        kind = step.get("type") if isinstance(step, Mapping) else None
        if kind == "message":
            continue
        counted = counting.buckets(Looker(step, flavour, f"/iterations/{place}"))[0] if kind in ("compaction", "advisor_message") else None
        model = _label((step.get("model"),), MODEL_CHARS_MAX, notes) if counted is not None else None
        if counted is None or (model is None and kind != "compaction"):
            notes.add(Note.UNCOUNTED_STEPS)
        elif model is None:
            tokens = _added(tokens, counted)
        else:
            others.append(OtherUsage(model, counted))
            notes.add(Note.OTHER_MODELS)
    return tokens, tuple(others)


def _added(tokens: TokenBuckets, more: TokenBuckets) -> TokenBuckets:
    try:
        return tokens + more
    except UsageInvalid as error:
        raise UsageUnreadable(problems=tuple(replace(one, pointer="/iterations") for one in error.problems)) from None


def _reported(provider: str, usage: Mapping[str, object]) -> Money | None:
    """Return what OpenRouter says the answer cost, in USD, if it was parsed exactly.

    With the caller's own key that is its fee alone, which is no cost of the answer.
    """
    cost = usage.get("cost")
    if provider != "openrouter" or usage.get("is_byok") is True or type(cost) is not Decimal:
        return None
    try:
        amount = decimals.of(cost)
    except decimals.NumberOutOfRange:
        return None
    return Money(amount, USD) if amount >= 0 else None
