"""What another reading of a bucket means: whether it says something new, and whether it is final.

A bucket is provisional until it was read again, unchanged, at least 48 hours after its end. One that is read for the first time so late is
final at once. A final bucket that says something else after all stays final; it is revised like any other, and somebody is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from carbonledger.domains.connections.types import StoredBucket

SETTLED_AFTER: Final = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``is_changed``: it says something new. ``is_final``: it is no longer expected to change. ``was_final``: it was so before."""

    is_changed: bool
    is_final: bool
    was_final: bool

    @property
    def is_news(self) -> bool:
        """Whether the ledger has to hear of it."""
        return self.is_changed or self.is_final != self.was_final


def judge(known: StoredBucket | None, *, content_digest: bytes, ends_at: datetime, now: datetime) -> Verdict:
    """Judge what was read ``now`` of a bucket that ended, or ends, at ``ends_at``."""
    is_settled = now - ends_at >= SETTLED_AFTER
    if known is None:
        return Verdict(is_changed=True, is_final=is_settled, was_final=False)
    is_changed = known.content_digest != content_digest
    is_final = known.is_final or (is_settled and not is_changed)
    return Verdict(is_changed=is_changed, is_final=is_final, was_final=known.is_final)
