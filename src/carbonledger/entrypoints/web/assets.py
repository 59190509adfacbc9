"""The files that pages load, under names that change with their content, so that a browser may keep each for ever.

Owns: reading them once, their names, their compressed form. ``/static/app.css`` is there too, for what links it by its plain name, and is
asked for again each time.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOLDERS: Final = ("static", "static/vendor")
_DIGEST_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: plain and, where that is smaller, compressed. ``name`` is the one that changes with the content."""

    name: str
    content: bytes
    packed: bytes
    media_type: str
    etag: str


def url(name: str) -> str:
    """Return the address of a file by its plain name. Raises ``KeyError`` for one that is not there."""
    return f"/static/{_by_name()[name].name}"


def find(name: str) -> tuple[Asset, bool] | None:
    """Return a file by either name, and whether that name is the changing one; None if there is none."""
    if name in _by_name():
        return _by_name()[name], False
    found = _by_changing_name().get(name)
    return None if found is None else (found, True)


@functools.cache
def _by_name() -> dict[str, Asset]:
    return {entry.name: _read(entry) for entry in _entries()}


@functools.cache
def _by_changing_name() -> dict[str, Asset]:
    return {asset.name: asset for asset in _by_name().values()}


def _entries() -> Iterator[Traversable]:
    for folder in _FOLDERS:
        for entry in resources.files(__package__).joinpath(*folder.split("/")).iterdir():
            if entry.name.rpartition(".")[2] in TYPES:
                yield entry


def _read(entry: Traversable) -> Asset:
    content = entry.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    stem, _, ending = entry.name.rpartition(".")
    packed = gzip.compress(content, mtime=0)
    return Asset(f"{stem}.{digest[:_DIGEST_CHARS]}.{ending}", content, packed, TYPES[ending], f'"{digest[:20]}"')
