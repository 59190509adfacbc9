"""The events of a stream as one answer: its usage, and whether it ended.

- Of several usage objects the last value of each member that is not null wins: counts of a stream are cumulative, never increments.
- A stream has ended when it says so in its provider's way, or when usage came with the reason to stop, or after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from carbonledger.domains.telemetry.core.bodies import documents

MERGE_DEPTH_MAX = 8  # usage objects are nested three deep
# Where an answer or an event keeps its usage.
USAGES = ("usage", "usageMetadata", "message.usage", "response.usage", "delta.usage", "x_groq.usage", "metadata.usage", "meta")
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled", "message_stop", "message-end"))


def merged(events: Iterable[Mapping[str, object]]) -> Mapping[str, object] | None:
    """Return the usage of a stream, or None if no event has any: the last value of each member that is not null."""
    made: dict[str, object] | None = None
    for usage in (found for one in events for path in USAGES if isinstance(found := documents.at(one, path), Mapping)):
        made = _laid_over(made or {}, usage, 0)
    return made


def _laid_over(under: Mapping[str, object], over: Mapping[str, object], depth: int) -> dict[str, object]:
    made = dict(under)
    for name, value in over.items():
        below = made.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and depth < MERGE_DEPTH_MAX:
            made[name] = _laid_over(below, value, depth + 1)
        elif value is not None or name not in made:
            made[name] = value
    return made


def has_ended(read: documents.Documents) -> bool:
    """Say whether the answer is whole. Usage before the reason to stop is no proof: some providers count in every event."""
    if not read.is_stream or read.is_done or any(is_end(one) for one in read.found):
        return True
    first = next((place for place, one in enumerate(read.found) if stops(one)), len(read.found))
    return not read.is_cut and merged(read.found[first:]) is not None


def is_end(event: Mapping[str, object]) -> bool:
    """Say whether nothing comes after this event."""
    kind = event.get("type")
    return (isinstance(kind, str) and kind in _ENDS) or event.get("done") is True


def stops(event: Mapping[str, object]) -> bool:
    """Say whether the event gives the reason why the answer stops; usage may come with it, or after it."""
    choices = event.get("choices") or event.get("candidates")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and (choice.get("finish_reason") or choice.get("finishReason")):
            return True
    return bool(documents.at(event, "delta.stop_reason"))
