"""Usage in a provider's own words, sent in place of tokens: an event, and one more for each other model that worked for the same answer.

An answer may have been helped by another model (Anthropic's advisor): its tokens stand in no other count and have a price of their own. The
sender named one event, so the others take their keys from its key, and come again with it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import operator
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import reading
from carbonledger.domains.telemetry.service.reading import Note, Reading
from carbonledger.kernel.usage import TokenBuckets, UsageQuality

_BATCH = "batch"


class Several(NamedTuple):
    """What one item told: its own event, and those of other models."""

    own: types.Draft
    beside: tuple[types.Draft, ...]


def drafted(draft: types.Draft, told: Mapping[str, object]) -> types.Draft | Several:
    """Return the draft with what the usage object says; what the item says itself goes before it. Raises ``UsageUnreadable``."""
    found, usage = reading.usage(draft.usage.provider, told), draft.usage
    tier = usage.service_tier or found.service_tier
    own = dataclasses.replace(
        draft,
        usage=dataclasses.replace(usage, tokens=found.tokens, service_tier=tier, batch=usage.batch or tier == _BATCH),
        quality=_quality(found) if draft.quality is UsageQuality.REPORTED else draft.quality,
        reported=found.reported if draft.reported is None else draft.reported,
    )
    by_model: dict[str, list[TokenBuckets]] = {}
    for other in found.others:
        by_model.setdefault(other.model, []).append(other.tokens)
    others = tuple(
        dataclasses.replace(
            own,
            idempotency_key=key_beside(own.idempotency_key, model),
            usage=dataclasses.replace(own.usage, model=model, tokens=functools.reduce(operator.add, steps), requests=len(steps)),
            reported=None,  # the provider's figure is of the whole answer
        )
        for model, steps in by_model.items()
    )
    return Several(own, others) if others else own


def _quality(found: Reading) -> UsageQuality:
    """Return how far the counts can be trusted: steps of an answer that could not be added make them the least it can be."""
    return UsageQuality.PARTIAL if Note.UNCOUNTED_STEPS in found.notes else found.quality


def key_beside(key: str, model: str) -> str:
    """Return the key of what another model used for the event of a key."""
    made = f"{key} beside {model}"
    return made if len(made) <= types.KEY_CHARS_MAX else f"beside:sha256:{hashlib.sha256(made.encode()).hexdigest()}"


def spread(items: Sequence[types.Item | Several]) -> tuple[list[types.Item], list[int]]:
    """Return the items' own events in their places with those of other models behind them, and whose place each of these belongs to."""
    if Several not in set(map(type, items)):  # ten thousand plain ones are asked all at once
        return list(items), []  # type: ignore[arg-type]  # none is several
    owners = [place for place, item in enumerate(items) if isinstance(item, Several) for _ in item.beside]
    own = [item.own if isinstance(item, Several) else item for item in items]
    return [*own, *(one for item in items if isinstance(item, Several) for one in item.beside)], owners
