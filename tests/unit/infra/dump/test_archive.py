"""The file of a dump: whatever happens to its bytes, it is read as it was written or refused."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from carbonledger.infra.dump import archive

CONTENT = b"PGDMP" + bytes(range(256)) * 40
CHANGES = 400


def write(path: Path) -> archive.Manifest:
    with archive.writing(path, replace=False) as writer:
        sha256, size_bytes = writer.database(io.BytesIO(CONTENT))
        manifest = archive.Manifest(
            made_at="2026-11-21T12:00:00+00:00",
            version="0.1.0",
            revision="0005",
            server="18.4",
            keys=("4d2c7d88127cd1c7",),
            tables={"organizations": 3},
            protection=("table organizations security=true forced=true",),
            sha256=sha256,
            size_bytes=size_bytes,
        )
        writer.manifest(manifest)
    return manifest


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = write(tmp_path / "dump")

    read = archive.read_manifest(tmp_path / "dump")
    archive.verify(tmp_path / "dump", read)
    with archive.reading(tmp_path / "dump") as source:
        content = source.read()

    assert read == written
    assert content == CONTENT
    # SHA-256 of the 10,245 bytes of CONTENT, by sha256sum
    assert read.sha256 == "a81c948d2e67ceb43193869f39f63324bac4a5ff1669057aa765bb1ad3f22426"


def test_any_changed_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    written = write(path)
    whole = path.read_bytes()
    rng = random.Random(20261121)
    for _ in range(CHANGES):
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            read = archive.read_manifest(path)
            archive.verify(path, read)
        except archive.DumpDamaged:
            continue  # noticed
        assert read == written  # a byte that says nothing, such as a date of the zip


def test_a_write_that_fails_leaves_no_half_file_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half-way"), archive.writing(tmp_path / "dump", replace=False) as writer:
        writer.database(io.BytesIO(CONTENT))
        raise RuntimeError("half-way")

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(archive.DumpUnwritable, match=r"dump can't be written \(No such file or directory\)"):  # noqa: SIM117
        with archive.writing(tmp_path / "missing" / "dump", replace=False):
            pass
