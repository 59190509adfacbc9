"""Memory is the machine's, or less where a container has a limit."""

from __future__ import annotations

import psutil

from carbonledger.infra.postgres import memory


def test_there_is_no_more_than_the_machine_has() -> None:
    assert 0 < memory.usable_bytes() <= psutil.virtual_memory().total
