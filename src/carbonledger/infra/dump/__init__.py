"""Taking a whole database out into one file, and putting it back.

Owns: the file's format, what it holds and never holds, and the checks before and after a restore. It holds the database alone: never a
vault or signing key, only the fingerprints of those that its sealed values need. Whoever has the file without the keys can open no secret.
"""

from __future__ import annotations

from carbonledger.infra.dump.archive import DumpDamaged, DumpExists, DumpMissing, Manifest, read_manifest
from carbonledger.infra.dump.programs import ProgramFailed, ProgramsUnsuitable
from carbonledger.infra.dump.restoring import DumpTooNew, InUse, KeysMissing, RestoreDiffers, TargetNotEmpty, restore
from carbonledger.infra.dump.taking import take

__all__ = [
    "DumpDamaged",
    "DumpExists",
    "DumpMissing",
    "DumpTooNew",
    "InUse",
    "KeysMissing",
    "Manifest",
    "ProgramFailed",
    "ProgramsUnsuitable",
    "RestoreDiffers",
    "TargetNotEmpty",
    "read_manifest",
    "restore",
    "take",
]
