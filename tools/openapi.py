"""`python -m tools.openapi [--fix]`: the checked-in OpenAPI document is the one that the code makes.

The document is part of the interface: a change of it is seen in review, never by a client first.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/reference/openapi.json"
PRODUCT = ("-m", "carbonledger.entrypoints.cli.main", "openapi")
LINES_MAX = 60


def main(arguments: Sequence[str], *, document: Path = DOCUMENT, product: Sequence[str] = PRODUCT) -> int:
    made = subprocess.run([sys.executable, *product], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        print(f"`python {' '.join(product)}` failed:\n{made.stderr.strip()}")
        return 1
    kept = document.read_text(encoding="utf-8") if document.exists() else ""
    if "--fix" in arguments and kept != made.stdout:
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(made.stdout, encoding="utf-8")
        print(f"{document.name} is written anew.")
        return 0
    changes = list(difflib.unified_diff(kept.splitlines(), made.stdout.splitlines(), document.name, "the code", lineterm="", n=2))
    if changes or kept != made.stdout:
        print("\n".join(changes[:LINES_MAX]))
        print(f"{document.name} differs from the code in {len(changes)} lines; if that is meant: python3 dev.py check --fix")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
