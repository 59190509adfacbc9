"""The factor sets as files, shipped with the package.

Owns where they lie: ``factors-<version>.json``, one file a version, never edited once shipped (a test holds its digest). It does not
own what they mean: that is ``core``.
"""

from __future__ import annotations

import importlib.resources

VERSIONS = ("1.0",)  # in the order of their dates


def factor_set(version: str) -> bytes:
    """Return the file of a shipped version."""
    if version not in VERSIONS:
        raise KeyError(version)
    return importlib.resources.files(__name__).joinpath(f"factors-{version}.json").read_bytes()
