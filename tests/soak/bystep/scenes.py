"""A scene: what is done once without a kill and then, from the same state, again for every kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tests.soak.bystep.asking import Request
from tests.soak.bystep.provider import Told, Truth

FIRST: Final = datetime(2026, 11, 24, 20, 10, tzinfo=UTC)
"""When every scene but the later polls takes place."""
Counts = Mapping[str, tuple[int, int, int]]
"""Input, output and revision of what was sent, by key."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is done, by which process, from which state; ``sent`` and ``truth`` are what the ledger must then have."""

    name: str
    part: str
    kept: str
    told: Told
    request: Request | None = None
    truth: Truth | None = None
    sent: Counts = field(default_factory=dict)

    @property
    def is_replayed(self) -> bool:
        """Whether every answer to the request must be the same, to the byte."""
        return self.request is not None and "Idempotency-Key" in self.request.headers
