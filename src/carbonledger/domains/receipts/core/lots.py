"""Files of retired lots: CSV (RFC 4180) in UTF-8, a header line and one lot a line. Every bad line is named, with everything wrong in it.

Columns, in any order, all of them there:

    registry                  as in ``core.blocks``: verra, acr, car, gold-standard, isometric, or another
    project_id                1 to 64 characters
    project_name              1 to 200
    standard                  1 to 64, such as VCS
    method                    removal or reduction
    vintage                   year, 1990 to 2100, not after the retirement
    serial_block              the block as the registry writes it, 1 to 200
    block_start, block_end    its first and its last unit
    quantity_t                tonnes, exactly those of the units
    retired_at                day of the retirement, YYYY-MM-DD, not in the future
    retirement_reference      1 to 200
    retirement_url            where anybody sees the retirement, http or https
    beneficiary               1 to 200
    reason                    up to 200, may be empty
    corresponding_adjustment  yes, no, or empty where it is not said
    evidence_sha256           64 hex digits, or empty
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeVar

from carbonledger.domains.receipts.core import blocks
from carbonledger.domains.receipts.types.credits import (
    LINES_MAX,
    MG_PER_TONNE,
    QUANTITY_MAX_MG,
    Block,
    Credit,
    CreditKind,
    LotsInvalid,
)
from carbonledger.kernel.errors import Problem

T = TypeVar("T")

CELL_CHARS_MAX: Final = 100_000
COLUMNS: Final = (
    *("registry", "project_id", "project_name", "standard", "method", "vintage", "serial_block", "block_start", "block_end"),
    *("quantity_t", "retired_at", "retirement_reference", "retirement_url", "beneficiary", "reason"),
    *("corresponding_adjustment", "evidence_sha256"),
)
_VINTAGES: Final = (1990, 2100)
_UNIT: Final = re.compile(rf"[0-9]{{1,{blocks.UNIT_DIGITS_MAX}}}")
_TONNES: Final = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,9}))?")
_YEAR: Final = re.compile(r"[0-9]{4}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_URL: Final = re.compile(r"https?://[!-~]+")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_SAID: Final = {"yes": True, "no": False, "": None}


@dataclass(frozen=True, slots=True)
class Line:
    """A lot as a file says it; ``number`` is that of the line in the file, from 1."""

    number: int
    credit: Credit


class _Bad(Exception):
    """A cell is not as it should be."""


@dataclass(slots=True)
class _Cells:
    """The cells of one line, and what is wrong with them so far."""

    number: int
    cells: dict[str, str]
    problems: list[Problem] = field(default_factory=list)

    def read(self, column: str, reader: Callable[[str], T]) -> T | None:
        """Return what a cell says, or None after noting what is wrong with it."""
        try:
            return reader(self.cells[column])
        except _Bad as bad:
            self.note(column, "cell_invalid", str(bad))
            return None

    def note(self, column: str, code: str, words: str) -> None:
        self.problems.append(Problem(f"/lines/{self.number}/{column}", code, f"Line {self.number}, {column}: {words}"))


def read(content: bytes, *, today: date) -> tuple[Line, ...]:
    """Return the lots of a file, in its order; ``today`` is the last day that may be one of retirement.

    Raises ``LotsInvalid`` with everything that is wrong in any line, also where two lines share units.
    """
    lines: list[Line] = []
    problems: list[Problem] = []
    for cells in _rows(content):
        credit = _credit(cells, today=today)
        if credit is None:
            problems += cells.problems
        else:
            lines.append(Line(cells.number, credit))
    problems += _shared(lines)
    if problems:
        raise LotsInvalid(problems)
    return tuple(lines)


def new_ones(lines: Sequence[Line], known: Sequence[Credit]) -> tuple[Line, ...]:
    """Return the lines that are not in the inventory. One that says exactly what a lot there says is that lot.

    ``known`` are the lots that share units with any of the lines. Raises ``LotsInvalid`` for lines that share units and say otherwise.
    """
    places = {_key(credit.block): credit for credit in known}
    rest = [line for line in lines if places.get(_key(line.credit.block)) != line.credit]
    problems = [
        _problem(line, "lot_exists", f"units {max(line.credit.block.start, other.block.start)} and following are in a lot already.")
        for line in rest
        for other in known
        if line.credit.block.meets(other.block)
    ]
    if problems:
        raise LotsInvalid(problems)
    return tuple(rest)


def _key(block: Block) -> tuple[str, str, int, int]:
    return block.registry, block.prefix, block.start, block.end


def _shared(lines: Sequence[Line]) -> Iterator[Problem]:
    """Yield lines whose units are in another line too."""
    ordered = sorted(lines, key=lambda line: (*_key(line.credit.block), line.number))
    reaching: Line | None = None
    for line in ordered:
        if reaching is not None and reaching.credit.block.meets(line.credit.block):
            first, second = sorted((reaching, line), key=lambda one: one.number)
            yield _problem(second, "lots_overlap", f"it shares units with line {first.number}.")
        if reaching is None or not reaching.credit.block.meets(line.credit.block) or line.credit.block.end > reaching.credit.block.end:
            reaching = line


def _problem(line: Line, code: str, words: str) -> Problem:
    return Problem(f"/lines/{line.number}/serial_block", code, f"Line {line.number}, serial_block: {words}")


# --- the file


def _rows(content: bytes) -> Iterator[_Cells]:
    """Yield the lines below the header. Raises ``LotsInvalid`` for a file that is no table of ours."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"Byte {error.start} is not UTF-8. Save the file as CSV in UTF-8.") from error
    reader = csv.reader((f"{line}\n" for line in text.split("\n")), strict=True)
    try:
        rows = [(number, row) for number, row in _numbered(reader) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise _unreadable(f"Line {reader.line_num} is not CSV: {error}.") from error
    # The csv module has a limit of its own, which belongs to the whole process.
    for number, row in rows:
        if any(len(cell) > CELL_CHARS_MAX for cell in row):
            raise _unreadable(f"Line {number}: a cell has more than {CELL_CHARS_MAX} characters.")
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    _check_header(header)
    if not 1 < len(rows) <= LINES_MAX + 1:
        raise _unreadable(f"It has {len(rows) - 1} lots. Give 1 to {LINES_MAX}, more in several files.")
    for number, row in rows[1:]:
        if len(row) == len(header):
            yield _Cells(number, dict(zip(header, (cell.strip() for cell in row), strict=True)))
        else:
            words = f"Line {number}: it has {len(row)} cells, the header has {len(header)}."
            yield _Cells(number, {}, [Problem(f"/lines/{number}", "cells_differ", words)])


def _numbered(reader: csv._reader) -> Iterator[tuple[int, list[str]]]:  # type: ignore[name-defined]  # typeshed's own name of it
    """Yield rows with the number of the line on which each begins."""
    number = 1
    for row in reader:
        yield number, row
        number = reader.line_num + 1


def _check_header(header: Sequence[str]) -> None:
    problems = [
        *(Problem(f"/header/{name}", "column_missing", f"The column {name} is missing.") for name in COLUMNS if name not in header),
        *(
            Problem(f"/header/{name[:64]}", "column_unknown", f"There is no column {name[:64]!r}.")
            for name in header
            if name not in COLUMNS
        ),
        *(Problem(f"/header/{name}", "column_twice", f"The column {name} is there twice.") for name in COLUMNS if header.count(name) > 1),
    ]
    if problems:
        raise LotsInvalid(problems)


def _unreadable(words: str) -> LotsInvalid:
    return LotsInvalid([Problem("/file", "file_unreadable", words)])


# --- a line


def _credit(cells: _Cells, *, today: date) -> Credit | None:
    if not cells.cells:
        return None
    block = _block(cells)
    quantity_mg = cells.read("quantity_t", _milligrams)
    if block is not None and quantity_mg is not None:
        _check_quantity(cells, block, quantity_mg)
    retired_on = cells.read("retired_at", _day)
    vintage = cells.read("vintage", _vintage)
    if retired_on is not None:
        _check_retirement(cells, retired_on, vintage, today=today)
    said = {
        "project_id": cells.read("project_id", _text(64)),
        "project_name": cells.read("project_name", _text(200)),
        "standard": cells.read("standard", _text(64)),
        "kind": cells.read("method", _kind),
        "retirement_reference": cells.read("retirement_reference", _text(200)),
        "retirement_url": cells.read("retirement_url", _url),
        "beneficiary": cells.read("beneficiary", _text(200)),
        "reason": cells.read("reason", _text(200, may_be_empty=True)),
        "corresponding_adjustment": cells.read("corresponding_adjustment", _adjustment),
        "evidence_sha256": cells.read("evidence_sha256", _digest),
    }
    if cells.problems:
        return None
    return Credit(block=block, quantity_mg=quantity_mg, retired_on=retired_on, vintage=vintage, **said)  # type: ignore[arg-type]  # read


def _block(cells: _Cells) -> Block | None:
    registry = blocks.registry_of(cells.cells["registry"])
    start, end = cells.read("block_start", _unit), cells.read("block_end", _unit)
    if isinstance(registry, Problem):
        cells.note(registry.pointer, registry.code, registry.detail)
        return None
    text = cells.read("serial_block", _text(blocks.BLOCK_CHARS_MAX))
    if text is None or start is None or end is None:
        return None
    found = blocks.block_of(registry, text, start=start, end=end)
    if isinstance(found, Problem):
        cells.note(found.pointer, found.code, found.detail)
        return None
    return found


def _check_quantity(cells: _Cells, block: Block, quantity_mg: int) -> None:
    unit_mg = blocks.mg_per_unit(block.registry)
    if quantity_mg != block.units * unit_mg:
        whole, rest = divmod(block.units * unit_mg, MG_PER_TONNE)
        tonnes = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
        unit = "1 t" if unit_mg == MG_PER_TONNE else "1 kg"
        cells.note("quantity_t", "quantity_differs", f"the block has {block.units} units of {unit} each, so it has to be {tonnes}.")
    elif quantity_mg > QUANTITY_MAX_MG:
        cells.note("quantity_t", "quantity_too_large", "a lot has at most 9,007,199 t. Give the block in parts.")


def _check_retirement(cells: _Cells, retired_on: date, vintage: int | None, *, today: date) -> None:
    if retired_on > today:
        cells.note(
            "retired_at", "retired_in_future", f"{retired_on} has not come yet (it is {today} in UTC). Import it once it is retired."
        )
    if vintage is not None and vintage > retired_on.year:
        cells.note("vintage", "vintage_after_retirement", f"{vintage} is after the retirement in {retired_on.year}.")


# --- a cell


def _text(most: int, *, may_be_empty: bool = False) -> Callable[[str], str | None]:
    def reader(cell: str) -> str | None:
        if not cell and may_be_empty:
            return None
        if not 0 < len(cell) <= most or not cell.isprintable():
            raise _Bad(f"give 1 to {most} printable characters.")
        return cell

    return reader


def _unit(cell: str) -> int:
    if not _UNIT.fullmatch(cell):
        raise _Bad(f"give the number of a unit, up to {blocks.UNIT_DIGITS_MAX} digits and nothing else.")
    return int(cell)


def _milligrams(cell: str) -> int:
    match = _TONNES.fullmatch(cell)
    if match is None:
        raise _Bad("give tonnes as plain digits, such as 250 or 0.5, without separators of thousands.")
    found = int(match[1]) * MG_PER_TONNE + int((match[2] or "").ljust(9, "0"))
    if not found:
        raise _Bad("a lot of nothing is no lot.")
    return found


def _vintage(cell: str) -> int:
    if not _YEAR.fullmatch(cell) or not _VINTAGES[0] <= int(cell) <= _VINTAGES[1]:
        raise _Bad(f"give a year from {_VINTAGES[0]} to {_VINTAGES[1]}.")
    return int(cell)


def _day(cell: str) -> date:
    try:
        if _DAY.fullmatch(cell):
            return date.fromisoformat(cell)
    except ValueError as error:
        raise _Bad(f"there is no day {cell}.") from error
    raise _Bad("give a day as YYYY-MM-DD.")


def _kind(cell: str) -> CreditKind:
    try:
        return CreditKind(cell.lower())
    except ValueError as error:
        raise _Bad("give removal or reduction.") from error


def _url(cell: str) -> str:
    if not _URL.fullmatch(cell) or len(cell) > 1000:  # noqa: PLR2004 - as long as a receipt takes it
        raise _Bad("give the address of the retirement, http:// or https://, up to 1000 characters.")
    return cell


def _adjustment(cell: str) -> bool | None:
    if cell.lower() not in _SAID:
        raise _Bad("give yes or no, or leave it empty.")
    return _SAID[cell.lower()]


def _digest(cell: str) -> str | None:
    if cell and not _SHA256.fullmatch(cell):
        raise _Bad("give the SHA-256 of the evidence as 64 hex digits, or leave it empty.")
    return cell.lower() or None
