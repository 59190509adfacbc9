"""An archive is read if it is byte for byte as it would be written, and refused otherwise: whatever a hostile zip file tries."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger_proof import archive, errors
from tests.unit.proof import packs

FILES = {"manifest.json": b"{}", "a/b.csv": b"x" * 1000, "empty": b""}
WRITTEN = packs.zipped(FILES)


def read(data: bytes) -> archive.Plan:
    return archive.read(lambda offset, length: data[offset : offset + length], len(data))


def python_zip(*files: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """What Python's own writer makes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as made:
        for name, content in files:
            made.writestr(name, content)
        made.comment = comment
    return target.getvalue()


def test_what_is_written_is_read_and_python_reads_it_too() -> None:
    plan = read(WRITTEN)
    assert [(entry.name, entry.size) for entry in plan.entries] == [(name, len(content)) for name, content in FILES.items()]
    assert [WRITTEN[start : start + entry.size] for start, entry in zip(plan.starts, plan.entries, strict=True)] == list(FILES.values())
    with zipfile.ZipFile(io.BytesIO(WRITTEN)) as made:
        assert made.testzip() is None
        assert {info.filename: made.read(info) for info in made.infolist()} == FILES
        assert {info.date_time for info in made.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {stat.S_IFMT(info.external_attr >> 16) for info in made.infolist()} == {stat.S_IFREG}


def test_the_same_files_are_the_same_bytes() -> None:
    assert packs.zipped(FILES) == WRITTEN


def test_every_byte_that_is_not_a_files_counts() -> None:
    plan = read(WRITTEN)
    inside = {at for start, entry in zip(plan.starts, plan.entries, strict=True) for at in range(start, start + entry.size)}
    survivors = []
    for place in set(range(len(WRITTEN))) - inside:
        for bit in range(8):
            changed = bytearray(WRITTEN)
            changed[place] ^= 1 << bit
            with contextlib.suppress(errors.ArchiveInvalid):
                read(bytes(changed))
                survivors.append((place, bit))
    assert not survivors


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.integers(0, len(WRITTEN)).map(lambda end: WRITTEN[:end]))
def test_what_is_no_archive_is_refused_and_nothing_else_happens(data: bytes) -> None:
    if data != WRITTEN:
        with pytest.raises(errors.ArchiveInvalid):
            read(data)


BOMB = python_zip(("bomb", b"\0" * 10_000_000), compression=zipfile.ZIP_DEFLATED)
LINK = zipfile.ZipInfo("link")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BOMB, id="a bomb: compressed"),
        pytest.param(python_zip(("../../etc/passwd", b"x")), id="zip slip"),
        pytest.param(python_zip(("/etc/passwd", b"x")), id="an absolute name"),
        pytest.param(python_zip(("C:\\x", b"x")), id="a drive"),
        pytest.param(python_zip((LINK, b"/etc/passwd")), id="a link"),
        pytest.param(python_zip(("folder/", b"")), id="a folder"),
        pytest.param(python_zip(("a", b"x"), comment=b"hello"), id="a comment"),
        pytest.param(WRITTEN + b"\0", id="something behind the end"),
        pytest.param(b"#!/bin/sh\n" + WRITTEN, id="something before the beginning"),
        pytest.param(WRITTEN + WRITTEN, id="two archives in one file"),
        pytest.param(python_zip(("a", b"x")), id="another writer's dates and versions"),
    ],
)
def test_a_hostile_or_foreign_zip_file_is_refused(data: bytes) -> None:
    with pytest.raises(errors.ArchiveInvalid):
        read(data)


@pytest.mark.parametrize(
    "names",
    [
        ("../a",),
        ("a/../../b",),
        ("a//b",),
        ("/a",),
        ("a/",),
        (".hidden",),
        ("a\\b",),
        ("a:b",),
        ("a\0b",),
        ("ä",),
        ("-rf",),
        ("",),
        ("a" * 121,),
        ("a", "a"),
        ("a", "A"),  # one file where names have no case
        ("a", "a/b"),  # a file and a folder
    ],
)
def test_a_name_that_could_mean_two_things_is_neither_written_nor_read(names: tuple[str, ...]) -> None:
    with pytest.raises(errors.ArchiveInvalid):
        archive.plan(archive.Entry(name, 1, 0) for name in names)
    honest = [archive.Entry("qr"[place] * len(name.encode()), 1, zlib.crc32(b"x")) for place, name in enumerate(names)]
    if any(not name or len(name) > 120 for name in names):
        return
    plan = archive.plan(honest)
    data = b"".join(head + b"x" for head in plan.heads) + plan.tail
    for entry, name in zip(honest, names, strict=True):
        data = data.replace(entry.name.encode(), name.encode())
    with pytest.raises(errors.ArchiveInvalid):
        read(data)


def test_files_that_overlap_are_refused() -> None:
    """Two entries of the directory for one file's bytes, as bombs without recursion have them (David Fifield, 2019)."""
    plan = archive.plan([archive.Entry("a", 5, zlib.crc32(b"hello")), archive.Entry("b", 0, 0)])
    central = bytearray(plan.tail)
    second = central.index(b"PK\x01\x02", 4)
    struct.pack_into("<2I", central, second + 20, 5, 5)
    struct.pack_into("<I", central, second + 42, 0)
    with pytest.raises(errors.ArchiveInvalid):
        read(plan.heads[0] + b"hello" + plan.heads[1] + bytes(central))


@pytest.mark.parametrize("sizes", [(0xFFFFFFFE,), (0xFFFFFFFF,), (2**33, 3), (3, 2**33, 5, 2**40)])
def test_beyond_four_gigabytes_it_is_zip64_and_python_reads_that_directory(sizes: tuple[int, ...]) -> None:
    plan = archive.plan(archive.Entry(f"f{place}", size, 7) for place, size in enumerate(sizes))
    known = {start - len(head): head for start, head in zip(plan.starts, plan.heads, strict=True)} | {plan.size - len(plan.tail): plan.tail}

    def read_at(offset: int, length: int) -> bytes:
        """Read of a file that has holes where its contents are."""
        for begin, content in known.items():
            if begin <= offset < begin + len(content):
                return content[offset - begin : offset - begin + length]
        raise AssertionError(offset)

    assert archive.read(read_at, plan.size) == plan

    class Sparse(io.RawIOBase):
        place = 0

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.place = offset + (0, self.place, plan.size)[whence]
            return self.place

        def tell(self) -> int:
            return self.place

        def read(self, size: int = -1) -> bytes:
            length = plan.size - self.place if size < 0 else size
            found = read_at(self.place, length)
            self.place += len(found)
            return found

    found = zipfile._EndRecData(Sparse())  # type: ignore[attr-defined]  # how Python itself finds the directory
    assert found[zipfile._ECD_OFFSET] == plan.size - len(plan.tail)  # type: ignore[attr-defined]
    assert found[zipfile._ECD_ENTRIES_TOTAL] == len(sizes)  # type: ignore[attr-defined]


@pytest.mark.parametrize("field, value", [(8, 0xFFFF), (10, 0xFFFF), (12, 0xFFFFFFFE), (16, 0xFFFFFFFF), (16, 0xFFFFFFFE)])
def test_counts_and_places_that_lie_read_nothing_beyond_the_file(field: int, value: int) -> None:
    data = bytearray(WRITTEN)
    at = len(data) - 22 + field
    struct.pack_into("<H" if field < 12 else "<I", data, at, value)
    asked: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append(length)
        return bytes(data[offset : offset + length])

    with pytest.raises(errors.ArchiveInvalid):
        archive.read(read_at, len(data))
    assert max(asked) <= len(data)
