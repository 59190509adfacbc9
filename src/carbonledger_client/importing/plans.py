"""How a file is read: its format, the mapping and the zone, and from these the records and the function that makes items of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, BinaryIO

from carbonledger_client import errors, rows
from carbonledger_client.formats import anthropic, litellm, mapped, native, openai, openrouter, shape
from carbonledger_client.reading import documents, table

KNOWN = {known.FORMAT.name: known.FORMAT for known in (litellm, openai, anthropic, openrouter)}
Record = Any  # cells of a table, or an object


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the user asked for. ``kind`` is csv, jsonl or a known format."""

    kind: str
    wanted: mapped.Wanted = mapped.NOTHING
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    delimiter: str = ","

    @property
    def digest(self) -> str:
        """What tells this recipe from another: two of one digest make the same items of the same file."""
        told = [self.kind, self.wanted.columns, self.wanted.fixed, self.zone_name, self.delimiter]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """A file being read: records or their rejections in order, and how a record becomes an item.

    ``header`` is a table's. ``repeats``: records may share a key and are told apart by their order. ``notes`` fills while reading.
    """

    records: Iterator[Record | rows.Rejected]
    read: Callable[[Record], rows.Item]
    header: list[str] | None = None
    repeats: bool = False
    notes: list[str] = field(default_factory=list)


def made(recipe: Recipe, content: BinaryIO) -> Plan:
    """Look at the beginning of a file and plan its reading. Raises ``Misused`` for a mapping or a file that does not fit the recipe."""
    if recipe.kind == "csv":
        return _of_table(recipe, content)
    if recipe.kind == "jsonl":
        return _of_lines(recipe, content)
    return _of_known(recipe, KNOWN[recipe.kind], content)


def _of_table(recipe: Recipe, content: BinaryIO) -> Plan:
    mapped.require_whole(recipe.wanted)
    header, records = table.opened(content, delimiter=recipe.delimiter)
    return Plan(records, mapped.reader(recipe.wanted, mapped.columns_of(header, recipe.wanted), recipe.zone), header)


def _of_lines(recipe: Recipe, content: BinaryIO) -> Plan:
    if recipe.wanted.columns:
        mapped.require_whole(recipe.wanted)
        return Plan(documents.lines(content), mapped.reader(recipe.wanted, mapped.paths_of(recipe.wanted), recipe.zone))
    read = native.reader(recipe.zone)
    return Plan(documents.lines(content), _overlaid(read, recipe, mapped.paths_of(recipe.wanted)))


def _of_known(recipe: Recipe, known: shape.Format, content: BinaryIO) -> Plan:
    if documents.looks_like_json(content):
        notes: list[str] = []
        records = _expanded(documents.anything(content), known, notes)
        return Plan(records, _overlaid(known.read, recipe, mapped.paths_of(recipe.wanted)), notes=notes)
    header, cells = table.opened(content, delimiter=recipe.delimiter)
    if not any(needed <= frozenset(header) for needed in known.tables):
        needed = " or ".join(", ".join(sorted(columns)) for columns in known.tables)
        raise errors.Misused(
            f"This is no {known.name} export that is known: it needs the columns {needed}, and has {', '.join(header)}. "
            "Any other table can be imported with `import csv` and --map."
        )

    def read(record: list[str]) -> rows.Item:
        return known.read(dict(zip(header, record, strict=True)))

    return Plan(cells, _overlaid(read, recipe, mapped.columns_of(header, recipe.wanted)), header, known.repeats)


def _overlaid(read: Callable[[Record], rows.Item], recipe: Recipe, pick: mapped.Pick) -> Callable[[Record], rows.Item]:
    if not recipe.wanted.columns and not recipe.wanted.fixed:
        return read
    put = mapped.overlay(recipe.wanted, pick)

    def both(record: Record) -> rows.Item:
        item = read(record)
        put(item, record)
        return item

    return both


def _expanded(
    found: Iterator[dict[str, Any] | rows.Rejected], known: shape.Format, notes: list[str]
) -> Iterator[rows.Fields | rows.Rejected]:
    more = False
    for document in found:
        if isinstance(document, rows.Rejected):
            yield document
            continue
        more = document.get("has_more") is True
        try:
            yield from known.expand(document)
        except rows.Rejected as problem:
            yield problem
    if more:
        notes.append("The last page says that more pages follow: fetch them and import them too.")
