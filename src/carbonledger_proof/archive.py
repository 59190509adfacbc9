"""The one form of zip file that an audit pack has: written so that the same files are the same bytes, and read so that nothing else passes.

Files lie one behind the other from the first byte on, uncompressed, in the order that is given, all of one date, without comments or
extra fields (those of zip64 apart, where a size needs them). So the whole of it follows from names, sizes and checksums (``plan``), and
reading is parsing the directory, making the plan anew and comparing every byte that is not a file's. What that refuses needs no rule of its
own: compressed bombs, files that overlap or hide between others, two directories that differ, links, names twice.

The form is APPNOTE.TXT of PKWARE, 6.3.10: sections 4.3.7 (local header), 4.3.12 (central header), 4.3.14 to 4.3.16 (ends), 4.5.3 (zip64).
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from carbonledger_proof import errors

ENTRIES_MAX = 20_000
NAME_MAX = 120
SIZE_MAX = 2**50  # a pack of a thousand million events is some 2^39
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,5}", re.ASCII)
_DATE = 0x0021  # 1980-01-01, the first there is
_STORED, _NO_FLAGS = 0, 0
_MADE_BY = 3 << 8 | 45  # Unix, which the attributes are of
_PLAIN, _ZIP64 = 20, 45  # version needed to extract
_MODE = 0o100644 << 16  # a plain file, nothing else
_FULL32 = 0xFFFFFFFF
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_EXTRA = struct.Struct("<2H")
_TAIL64 = _END64.size + _LOCATOR.size

Read = Callable[[int, int], bytes]  # offset and length to so many bytes of the file, fewer only at its end


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its name, its size in bytes, and its CRC-32."""

    name: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything is: what stands before each file, where its content begins, what stands behind the last, and the whole size."""

    entries: tuple[Entry, ...]
    heads: tuple[bytes, ...]
    starts: tuple[int, ...]
    tail: bytes
    size: int


def plan(entries: Iterable[Entry]) -> Plan:
    """Return the plan of an archive of these files in this order. Raises ``ArchiveInvalid`` for names or sizes that can't be."""
    found = tuple(entries)
    _check(found)
    heads, starts, offset = [], [], 0
    central = bytearray()
    for entry in found:
        head = _local(entry)
        central += _directory(entry, offset)
        heads.append(head)
        starts.append(offset + len(head))
        offset += len(head) + entry.size
    tail = bytes(central) + _end(len(found), len(central), offset)
    return Plan(found, tuple(heads), tuple(starts), tail, offset + len(tail))


def _check(entries: Sequence[Entry]) -> None:
    if len(entries) > ENTRIES_MAX:
        _refuse(f"It has more than {ENTRIES_MAX} files.")
    total = 0
    for entry in entries:
        if len(entry.name) > NAME_MAX or not _NAME.fullmatch(entry.name):
            _refuse(f"{entry.name[:64]!r} is no name that a file in it has.")
        if not 0 <= entry.size <= SIZE_MAX or not 0 <= entry.crc32 <= _FULL32:
            _refuse(f"{entry.name} can't be of {entry.size} bytes.")
        total += entry.size
    if total > SIZE_MAX:
        _refuse(f"It is larger than {SIZE_MAX} bytes.")
    # Without regard to case, as some file systems are; with a slash behind, a folder and a file of one name stand side by side.
    names = sorted(f"{entry.name.lower()}/" for entry in entries)
    for left, right in itertools.pairwise(names):
        if right.startswith(left):
            _refuse(f"Two files would be {left[:-1]!r}.")


def _sizes(*numbers: int) -> tuple[list[int], bytes]:
    """Return what stands for numbers in fields of 32 bits, and the extra field with those that don't fit."""
    large = [number for number in numbers if number >= _FULL32]
    extra = _EXTRA.pack(1, 8 * len(large)) + struct.pack(f"<{len(large)}Q", *large) if large else b""
    return [min(number, _FULL32) for number in numbers], extra


def _local(entry: Entry) -> bytes:
    # Here both sizes have to stand, or neither; they are the same, as nothing is compressed.
    (size, _), extra = _sizes(entry.size, entry.size)
    needed = _ZIP64 if extra else _PLAIN
    name = entry.name.encode()
    fields = (b"PK\x03\x04", needed, _NO_FLAGS, _STORED, 0, _DATE, entry.crc32, size, size, len(name), len(extra))
    return _LOCAL.pack(*fields) + name + extra


def _directory(entry: Entry, offset: int) -> bytes:
    (size, _, place), extra = _sizes(entry.size, entry.size, offset)
    needed = _ZIP64 if extra else _PLAIN
    name = entry.name.encode()
    about = (b"PK\x01\x02", _MADE_BY, needed, _NO_FLAGS, _STORED, 0, _DATE, entry.crc32, size, size)
    return _CENTRAL.pack(*about, len(name), len(extra), 0, 0, 0, _MODE, place) + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    behind = b""
    if offset >= _FULL32:
        record = _END64.pack(b"PK\x06\x06", _END64.size - 12, _MADE_BY, _ZIP64, 0, 0, count, count, size, offset)
        behind = record + _LOCATOR.pack(b"PK\x06\x07", 0, offset + size, 1)
    return behind + _END.pack(b"PK\x05\x06", 0, 0, count, count, size, min(offset, _FULL32), 0)


def read(read_at: Read, size: int) -> Plan:
    """Return the plan that an archive of ``size`` bytes follows byte for byte. Raises ``ArchiveInvalid`` for any other.

    The contents are not read: their checksums are only claimed.
    """
    count, length, offset, behind = _ends(read_at, size)
    if count > ENTRIES_MAX or length > ENTRIES_MAX * (_CENTRAL.size + NAME_MAX + 28) or offset + length + behind != size:
        _refuse("Its directory is not where it has to be, or too large.")
    central = _exactly(read_at, offset, length)
    made = plan(_entries(central, count))
    if made.size != size or made.tail != central + _exactly(read_at, offset + length, behind):
        _refuse("It is not written as an audit pack is: something is between its files, hidden, or rewritten.")
    for entry, head, start in zip(made.entries, made.heads, made.starts, strict=True):
        if _exactly(read_at, start - len(head), len(head)) != head:
            _refuse(f"{entry.name} is not where the directory says, or not as it says.")
    return made


def _ends(read_at: Read, size: int) -> tuple[int, int, int, int]:
    """Return how many files there are, size and place of the directory, and how much stands behind it."""
    if size < _END.size:
        _refuse("It is no zip file.")
    sign, _, _, _, count, length, offset, _ = _END.unpack(_exactly(read_at, size - _END.size, _END.size))
    if sign != b"PK\x05\x06":
        _refuse("It is no zip file, was cut off, or something stands behind its end.")
    if offset != _FULL32:
        return count, length, offset, _END.size
    if size < _END.size + _TAIL64:
        _refuse("It was cut off.")
    fields = _END64.unpack(_exactly(read_at, size - _END.size - _TAIL64, _END64.size))
    return fields[7], fields[8], fields[9], _END.size + _TAIL64


def _entries(central: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(central):
            _refuse("Its directory was cut off.")
        fields = _CENTRAL.unpack_from(central, at)
        crc32, size, name_length, extra_length = fields[7], fields[9], fields[10], fields[11]
        begin = at + _CENTRAL.size
        at = begin + name_length + extra_length
        if fields[0] != b"PK\x01\x02" or at > len(central):
            _refuse("Its directory can't be read.")
        if size == _FULL32 and extra_length >= _EXTRA.size + 8:
            (size,) = struct.unpack_from("<Q", central, begin + name_length + _EXTRA.size)
        # Any byte becomes a character; which characters a name has is looked at with the plan.
        yield Entry(central[begin : begin + name_length].decode("latin-1"), size, crc32)
    if at != len(central):
        _refuse("Its directory has more than its files.")


def _exactly(read_at: Read, offset: int, length: int) -> bytes:
    found = read_at(offset, length)
    if len(found) != length:
        _refuse("It was cut off.")
    return found


def _refuse(problem: str) -> NoReturn:
    raise errors.ArchiveInvalid(problem)
