"""What reading a provider's answer gives: buckets, how far they can be trusted, and what has to be said about them.

A count that did not arrive is never 0: it is None, and ``outcome`` and ``quality`` say why.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from carbonledger.kernel import errors
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import TokenBuckets, UsageQuality


class UsageUnreadable(errors.Invalid):
    """A provider's usage holds counts that are none, or that contradict each other.

    ``problems`` name each by its pointer into the usage object, or into the response.
    """

    code = "usage_unreadable"


class Outcome(enum.Enum):
    """How the reading ended."""

    COUNTED = "counted"  # the provider's counts, all of them
    CUT = "cut"  # the answer ended early: what arrived is the least it can be
    NO_USAGE = "no_usage"  # a whole answer that says nothing about usage
    SHAPE_UNKNOWN = "shape_unknown"  # it says something, in no shape that we know
    NOT_BILLED = "not_billed"  # an error: there is nothing to count


class Note(enum.Enum):
    """What has to be said about a reading that was counted."""

    CACHE_OUTSIDE = "cache_outside"  # by the total, cached tokens are outside the input, against the custom of the shape
    CACHE_INSIDE = "cache_inside"  # the same, the other way round
    CACHE_TIME_UNTOLD = "cache_time_untold"  # some cache writes do not say for how long; they are in ``cache_creation_5m``
    REASONING_OUTSIDE = "reasoning_outside"  # reasoning was counted beside the output, and is added to it here
    REST_IN_OUTPUT = "rest_in_output"  # the total has more tokens than its parts; the rest is in ``output``
    TOTAL_TOO_SMALL = "total_too_small"  # the total has fewer tokens than its parts; the parts were followed
    PARTS_UNCLEAR = "parts_unclear"  # audio or image tokens that can't be told apart from cached ones, or exceed their bucket
    BILLED_UNITS = "billed_units"  # the counts that are charged; the model processed others
    OTHER_UNITS = "other_units"  # something that is not counted in tokens was used too
    OTHER_MODELS = "other_models"  # another model worked for the same answer; see ``others``
    UNCOUNTED_STEPS = "uncounted_steps"  # the answer lists steps of a kind we do not know; they are not added
    LABEL_DROPPED = "label_dropped"  # a model, id or service tier that can't be kept
    EVENT_UNREADABLE = "event_unreadable"  # a stream held data that is not JSON; it was passed over
    ERROR_IN_STREAM = "error_in_stream"  # the provider broke off with an error


@dataclass(frozen=True, slots=True)
class OtherUsage:
    """Tokens of another model that worked for the same answer, and are in no other count."""

    model: str
    tokens: TokenBuckets


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Usage of one answer.

    ``model``, ``response_id`` and ``service_tier`` are the provider's own words, None where it does not tell.
    ``reported`` is what the provider says it cost.
    """

    tokens: TokenBuckets
    quality: UsageQuality
    outcome: Outcome
    flavour: str | None = None
    operation: str | None = None
    model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    reported: Money | None = None
    others: tuple[OtherUsage, ...] = ()
    notes: frozenset[Note] = frozenset()

    @property
    def is_billed(self) -> bool:
        """Whether the provider may charge for it."""
        return self.outcome is not Outcome.NOT_BILLED
