"""What an import counts: rows by what became of them, tokens by bucket and by model, and the first rejections with their reasons.

Owns: the summary's numbers. ``read`` is the sum of accepted, duplicate, revised, rejected, skipped and, without a server, of ``valid``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from carbonledger_client import items, models, rows

MODELS_MAX = 1000  # of a summary: a column mapped to model by mistake must not fill memory
_ORDER = (*items.BUCKETS, *sorted(items.COUNTS.difference(items.BUCKETS)))
OTHERS = ("(others)", "(others)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken: its number in the file, from 1 and without the head, and why."""

    row: int
    code: str
    detail: str


@dataclass(slots=True)
class Tally:
    """The counts so far."""

    shown_max: int
    read: int = 0
    valid: int = 0
    accepted: int = 0
    duplicate: int = 0
    revised: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    by_model: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    raw_usage: int = 0

    def reject(self, refusal: Refusal) -> None:
        """Count a rejection, and keep it while there is room."""
        self.rejected[refusal.code] += 1
        if len(self.refusals) < self.shown_max:
            self.refusals.append(refusal)

    def add(self, item: rows.Item) -> None:
        """Add the tokens of an item that was taken, or would be."""
        tokens = item.get("tokens")
        if not tokens:
            self.raw_usage += "usage" in item  # the server reads it
            return
        key = item["provider"], item["model"]
        of_model = self.by_model.get(key)
        if of_model is None:
            of_model = self.by_model.setdefault(key if len(self.by_model) < MODELS_MAX else OTHERS, Counter())
        of_model["rows"] += 1
        for name, number in tokens.items():
            if number:
                self.tokens[name] += number
                of_model[name] += number

    def settle(self, outcome: models.Outcome) -> None:
        """Add what the server did with a batch; its rejections are counted by ``reject``."""
        self.accepted += outcome.accepted
        self.duplicate += outcome.duplicate
        self.revised += outcome.revised

    def document(self) -> dict[str, Any]:
        """Return the counts as the JSON of ``--json``."""
        return {
            "rows": self.read,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "revised": self.revised,
            "rejected": self.rejected.total(),
            "skipped": self.skipped.total(),
            "rejected_by_code": dict(self.rejected),
            "skipped_by_reason": dict(self.skipped),
            "rejections": [{"row": refusal.row, "code": refusal.code, "detail": refusal.detail} for refusal in self.refusals],
            "tokens": {name: self.tokens[name] for name in _ORDER if name in self.tokens},
            "by_model": [{"provider": provider, "model": model, **counts} for (provider, model), counts in self.by_model.items()],
            "rows_with_raw_usage": self.raw_usage,
        }
