"""Reads the official vectors, which tests/vectors/proof/README.md names with their sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "vectors" / "proof"


def load(name: str) -> Any:  # noqa: ANN401 - each test knows what its vectors look like
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
