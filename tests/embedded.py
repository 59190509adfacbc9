"""The embedded PostgreSQL of a test, brought to its end, so that its folder can be removed."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from carbonledger.infra.postgres import folder, lease, processes
from tests import until

STOP_DEADLINE_S = until.DEADLINE_S


def end(data_dir: Path) -> None:
    """Stop the server of a data folder, if there is one, and return when its last process has gone."""
    place = folder.Folder(data_dir)
    if not place.server_lock.exists():
        return
    told = lease.supervisor_state(place)
    if told is not None and told.pid:
        with contextlib.suppress(ProcessLookupError):  # it was about to leave by itself
            os.kill(told.pid, signal.SIGTERM)
    until.holds_now(lambda: lease.supervisor_state(place) is None and _nothing_left(place), deadline_s=STOP_DEADLINE_S)


def _nothing_left(place: folder.Folder) -> bool:
    """Whether the last process of the server has gone, also of one whose supervisor was killed."""
    guard = processes.take_guard(place.server_lock)
    if guard is not None:
        guard.close()
    return guard is not None
