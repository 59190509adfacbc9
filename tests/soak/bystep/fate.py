"""Steps of a run, counted as they pass, and the one at which something is killed.

A step is a message that asks somebody for something: the database, the provider, the API. It is known by what it says and by how many said
the same before it, so that what happens beside it (a heartbeat, another connection) does not move it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_SHOWN_CHARS: Final = 160


class Place(enum.Enum):
    """Where in a step: before anybody has heard it, done but not answered, answered.

    The provider's answer is cut in its middle (``within``); of a request to the API half is sent (``before``), or all (``within``).
    """

    BEFORE = "before"
    WITHIN = "within"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Step:
    """The ``nth`` (from 1) that says ``what``."""

    what: str
    nth: int

    def __str__(self) -> str:
        return f"{self.what[:_SHOWN_CHARS]} (no. {self.nth})"


@dataclass(slots=True)
class Fate:
    """What is to be killed where, if anything; ``kill`` is told the backend that serves the step, if one does."""

    at: tuple[Step, Place] | None = None
    kill: Callable[[int | None], None] | None = None
    is_asker: bool = False
    """Whether it kills who asks, to whom then nothing can be answered."""
    has_struck: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    """What is called otherwise in every run, such as an id, and what it is called here."""
    passed: list[Step] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def begins(self, what: str) -> Step:
        """Count a step."""
        for id_, name in self.names.items():
            what = what.replace(id_, name)
        self._counts[what] += 1
        step = Step(what, self._counts[what])
        self.passed.append(step)
        return step

    def strikes(self, step: Step, place: Place, *, backend: int | None = None) -> bool:
        """Kill if this is the place, and say so."""
        if self.has_struck or self.kill is None or self.at != (step, place):
            return False
        self.has_struck = True
        self.kill(backend)
        return True
