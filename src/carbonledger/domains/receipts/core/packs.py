"""When an audit pack is due, what it is of, and in which order its files stand. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from carbonledger.domains.receipts.core import periods
from carbonledger.domains.receipts.types.packs import TRANSITIONS, PackFault, Standing, State, StoredFile
from carbonledger.kernel import zone as zones
from carbonledger_proof import manifest

DAY: Final = 3
"""Of the month after, by the organization's calendar: when a month's pack is made."""


def move(state: State, to: State) -> State:
    """Return the state that follows. Raises ``PackFault`` where it may not."""
    if to not in TRANSITIONS[state]:
        raise PackFault(f"A pack that is {state.value} does not become {to.value}.")
    return to


def basis(root: bytes, receipts: Iterable[str]) -> bytes:
    """Return a digest of what of a closed month can still change: which receipts it has, each as its id and its state, by id."""
    return hashlib.sha256(json.dumps([root.hex(), *sorted(receipts)]).encode()).digest()


def due_at(month: date, zone: str, *, closed_at: datetime) -> datetime:
    """Return when the pack of a month is due: on the third of the month after, or when it was closed, if that was later."""
    third = periods.next_month(month) + timedelta(days=DAY - 1)
    return max(zones.midnight(third, zones.named(zone)), closed_at)


def due(standing: Standing) -> datetime | None:
    """Return since when a pack of a month is due; None: there is one as the month stands now, or one is being made."""
    if standing.is_ordered or standing.newest == standing.basis:
        return None
    return due_at(standing.month, standing.zone, closed_at=standing.closed_at)


def in_order(files: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
    """Return the files of an archive: the manifest, then the others by name."""
    return tuple(sorted(files, key=lambda file: (file.name != manifest.FILE_NAME, file.name)))
