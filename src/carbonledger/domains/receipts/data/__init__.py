"""What an audit pack brings along: the program that computes its totals again. Owns where it lies, not what is in a pack (``core``)."""

from __future__ import annotations

import importlib.resources

RECOMPUTE = "recompute.py"


def program() -> bytes:
    """Return the program, byte for byte as it is given away."""
    return importlib.resources.files(__name__).joinpath(RECOMPUTE).read_bytes()
