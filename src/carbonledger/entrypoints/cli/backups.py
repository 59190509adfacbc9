"""What is known of the backups of the vault's keys: which key was exported, and when.

Owns: a small file beside the keys. It is a note of this machine for ``doctor`` and nobody else: nothing is decided by it, and losing it
only brings the warning back.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

_NAME = "exported.json"


def read(secrets_dir: Path) -> dict[str, str]:
    """Return when each key, by fingerprint, was last exported."""
    try:
        noted = json.loads((secrets_dir / _NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {}  # a note that can't be read says nothing; the keys count as never exported
    return {str(key): str(value) for key, value in noted.items()} if isinstance(noted, dict) else {}


def note(secrets_dir: Path, *, fingerprints: tuple[str, ...], at: datetime) -> None:
    """Write down that these keys were exported."""
    noted = read(secrets_dir) | dict.fromkeys(fingerprints, at.isoformat())
    fresh = secrets_dir / f"{_NAME}.new"
    fresh.write_text(json.dumps(noted, indent=1), encoding="utf-8")
    os.replace(fresh, secrets_dir / _NAME)  # noqa: PTH105 - the word says that the old one goes
