"""The price book as files, shipped with the package.

Owns where they lie: ``prices.jsonl``, made by ``tools/price_book.py`` from a release of genai-prices and never edited by hand, and
``overrides.json``, our own corrections, each with its dates, source and reason. It does not own what they mean: that is ``core``.
"""

from __future__ import annotations

import importlib.resources


def prices() -> bytes:
    """Return the converted release."""
    return _read("prices.jsonl")


def overrides() -> bytes:
    """Return our corrections of it."""
    return _read("overrides.json")


def _read(name: str) -> bytes:
    return importlib.resources.files(__name__).joinpath(name).read_bytes()
