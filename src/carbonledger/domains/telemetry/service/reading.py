"""Reading usage that a provider tells in its own words; needs no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import bodies
from carbonledger.domains.telemetry.core.bodies import Note, Reading
from carbonledger.domains.telemetry.core.spans import names, nesting

SPAN_ATTRIBUTES: Final = names.READ_OF_SPAN  # what is read of a span; all its others may be left out
RESOURCE_ATTRIBUTES: Final = names.READ_OF_RESOURCE

__all__ = ["RESOURCE_ATTRIBUTES", "SPAN_ATTRIBUTES", "Note", "Reading", "spans", "usage"]


def usage(provider: str, told: Mapping[str, object]) -> Reading:
    """Return what the usage object of a provider's answer says. Raises ``UsageUnreadable`` where it contradicts itself."""
    return bodies.read_usage(provider, told)


def spans(found: Sequence[types.Span]) -> tuple[types.SpanOutcome, ...]:
    """Return what each span is, in their order: a draft, no usage, or a rejection. Content that spans carry is in none of them."""
    return nesting.read_spans(found)
