"""How a child of ``up`` notices that its parent is gone, even when the parent was killed.

Owns: both ends of the line. A child's standard input is the reading end of a pipe that only the parent can write to; when the parent ends,
however it ends, the kernel closes the other end and the read returns. The child then drains as on SIGTERM, and leaves by force if it does
not finish. Unlike PR_SET_PDEATHSIG this needs no Linux, can't be missed by a child that is still starting, and does not depend on which
thread of the parent started the child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

CHILD = "CARBONLEDGER_CHILD"
_DRAIN_S = 30.0


@contextlib.contextmanager
def held() -> Iterator[int]:
    """In the parent: hold the line; gives the descriptor that every child takes as its standard input."""
    reading, writing = os.pipe()  # neither end is inherited by accident
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def watch() -> bool:
    """In a child of ``up``: begin to watch the parent, and return True. Elsewhere: nothing."""
    is_child = bool(os.environ.pop(CHILD, None))
    if is_child:
        threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()
    return is_child


def _wait_for_the_end() -> None:
    while os.read(0, 1):
        pass  # the parent never writes; only the end of the file means something
    # Our output led to the parent: from now on a log line must not raise.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_DRAIN_S)
    os._exit(1)
