"""Puts the repository itself into the environment: a path file, its metadata and the `carbonledger` command. Nothing is built.

What an editable installation would do, without a build backend from the network: `importlib.metadata` finds the version and the
entry points, and `<environment>/bin/carbonledger` runs the product.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

PRODUCT = "carbonledger.entrypoints.cli.main"


def fingerprint(root: Path) -> str:
    """Changes when the link must be made anew: another place, version or entry point."""
    return hashlib.sha256(f"{root}\n{sorted(metadata(root).items())}".encode()).hexdigest()


def metadata(root: Path) -> dict[str, str]:
    """Text of each metadata file by its name."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    entry_points = [f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in names.items()) for group, names in groups.items()]
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    return {"METADATA": head, "entry_points.txt": "\n".join(entry_points), "INSTALLER": "dev.py\n"}


def link(root: Path, python: Path, site: Path) -> None:
    (site / "carbonledger.pth").write_text(f"{root / 'src'}\n", encoding=sys.getfilesystemencoding())
    for stale in site.glob("carbonledger-*.dist-info"):
        shutil.rmtree(stale)
    texts = metadata(root)
    version = texts["METADATA"].split("Version: ")[-1].strip()
    folder = site / f"carbonledger-{version}.dist-info"
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "RECORD").write_text("".join(f"{folder.name}/{name},,\n" for name in (*texts, "RECORD")))
    command = python.with_name("carbonledger")
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -P -m {PRODUCT} "$@"\n')
    command.chmod(0o755)
