"""What the clients of the chaos run were told: every effect that was acknowledged, and what was asked and never answered.

The run is judged by this book (``judge``), so a line is written here before a request is sent and after its answer came, never in between.
Holds plain values only; it does not send, wait or look.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field

REFUSED = "refused-"
"""How the addresses begin that the mail server takes no letter for."""


class Kind(enum.Enum):
    """What a client can make. The value is also the word of the audit trail."""

    LLM_KEY = "llm_key"
    API_KEY = "api_key"
    INVITATION = "invitation"


class Ask(enum.Enum):
    """A request that is under way for a thing."""

    MAKE = "make"
    ROTATE = "rotate"
    END = "end"


@dataclass(slots=True)
class Thing:
    """Something a client made. ``label`` is the client's own word for it, of which there is one in the run."""

    kind: Kind
    organization: str
    label: str
    under_way: Ask | None = Ask.MAKE
    id: str = ""
    value: str = ""
    """The last secret that was acknowledged, of a key."""
    rotations: int = 0
    is_ended: bool = False
    """Deleted, revoked or withdrawn, and the client was told so."""

    @property
    def is_live(self) -> bool:
        """Whether it can be worked with: made, not ended, nothing under way."""
        return bool(self.id) and self.under_way is None and not self.is_ended


@dataclass(slots=True)
class Move:
    """A sandbox's clock that was to go to ``to``. ``job_id`` is empty until the request was answered."""

    organization: str
    to: str
    job_id: str = ""


@dataclass(slots=True)
class Resealing:
    """A change of the vault's key: which command runs were acknowledged, with their jobs, and how many ended without an answer."""

    job_ids: list[str] = field(default_factory=list)
    unanswered: int = 0


@dataclass(slots=True)
class Tally:
    """What was sent, and how long clients waited."""

    sent: int = 0
    answered: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    """By what was seen instead of an answer."""
    replayed: int = 0
    """Answers that the service gave again for an idempotency key."""
    longest_s: float = 0.0
    """The longest wait from a request's first sending to its answer, all retries included."""


@dataclass(slots=True)
class Book:
    """The whole run."""

    given: set[str] = field(default_factory=set)
    """Ids of the keys that the run itself began with."""
    things: list[Thing] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    resealing: Resealing = field(default_factory=Resealing)
    tally: Tally = field(default_factory=Tally)
    surprises: list[str] = field(default_factory=list)
    """What clients saw and never should have."""

    @property
    def acknowledged(self) -> int:
        """How many effects clients were told of."""
        of_things = sum(bool(thing.id) + thing.rotations + thing.is_ended for thing in self.things)
        return of_things + sum(bool(move.job_id) for move in self.moves) + len(self.resealing.job_ids)

    def begin(self, kind: Kind, organization: str, label: str) -> Thing:
        """Note that a client is about to ask for a thing."""
        thing = Thing(kind, organization, label)
        self.things.append(thing)
        return thing
