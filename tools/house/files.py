"""Which files of the repository are read: every text file that could be committed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SKIPPED_FOLDERS = frozenset({"__pycache__", "build", "dist", "node_modules", "static"})  # static: vendored browser code
HIDDEN_FOLDERS_READ = frozenset({".ci", ".github"})
TEXT_SUFFIXES = frozenset(
    {
        "",
        ".cfg",
        ".css",
        ".editorconfig",
        ".html",
        ".ini",
        ".j2",
        ".json",
        ".lock",
        ".md",
        ".py",
        ".sh",
        ".sql",
        ".toml",
        ".txt",
        ".typ",
        ".yaml",
        ".yml",
    }
)
TEXT_NAMES = frozenset({".dockerignore", ".editorconfig", ".env.example", ".gitignore"})
MAX_BYTES = 2_000_000  # anything larger is data, not text that somebody wrote


def repository_files(root: Path) -> Iterator[PurePosixPath]:
    """Paths of the text files below `root`, relative to it, in order."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if is_read(name))
        for name in sorted(files):
            path = Path(folder, name)
            if is_text(path):
                yield PurePosixPath(path.relative_to(root).as_posix())


def is_read(folder: str) -> bool:
    return folder in HIDDEN_FOLDERS_READ or not (folder.startswith(".") or folder in SKIPPED_FOLDERS or folder.endswith(".egg-info"))


def is_text(path: Path) -> bool:
    if path.name.startswith("."):
        return path.name in TEXT_NAMES
    return path.suffix in TEXT_SUFFIXES and path.is_file() and path.stat().st_size <= MAX_BYTES
