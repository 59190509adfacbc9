"""How much memory this machine, or the container that we are in, has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Where Linux tells a container's limit: control groups of version 2, then of version 1 (kernel documentation, admin-guide).
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usable_bytes() -> int:
    """Return the smaller of the machine's memory and the container's limit."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such limit here, or the word "max"
            found.append(int(path.read_bytes()))
    return min(found)
