"""The garbage collector of our processes, made to run seldom."""

from __future__ import annotations

import gc

# A batch of events, or of invoices, is a hundred thousand objects that live for a moment and refer to nothing in a circle: with Python's
# own thresholds a quarter of a bill run, and half of ingest, goes into looking through them again and again, and through all that the
# process has loaded.
_YOUNG, _MIDDLE, _OLD = 250_000, 10, 10


def calm() -> None:
    """Have the garbage collector run less often. Called before a process loads what it needs: all of that stays, and looking through it
    again and again is a fifth of a start.
    """
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def settle() -> None:
    """Keep the garbage collector from what stays as long as the process. Call it when all is loaded."""
    gc.collect()
    gc.freeze()
    calm()
