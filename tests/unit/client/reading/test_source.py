"""The imported file: one digest whatever the packing, and a file that changes or ends early is noticed."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path

import pytest

from carbonledger_client import errors
from carbonledger_client.reading import source

TEXT = b"when,in\n" + b"2026-01-01,1\n" * 10_000


def test_the_digest_is_of_the_content_however_it_comes(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(TEXT)
    (tmp_path / "packed").write_bytes(gzip.compress(TEXT))
    (tmp_path / "parts").write_bytes(gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]))  # gzip members may follow each other
    ways = [(str(tmp_path / name), io.BytesIO()) for name in ("plain", "packed", "parts")]
    ways += [("-", io.BytesIO(TEXT)), ("-", io.BytesIO(gzip.compress(TEXT)))]

    for path, stdin in ways:
        with source.opened(path, stdin) as found:
            assert found.digest == hashlib.sha256(TEXT).hexdigest()
            for _ in range(2):
                with found.reading() as content:
                    assert content.read() == TEXT
            assert found.read_bytes() == found.size_bytes


def test_a_packed_file_that_ends_early_is_refused_before_anything_is_read_of_it(tmp_path: Path) -> None:
    (tmp_path / "packed.gz").write_bytes(gzip.compress(TEXT)[:-20])
    with pytest.raises(errors.Misused, match="to its end"), source.opened(str(tmp_path / "packed.gz"), io.BytesIO()):
        pass


def test_a_file_that_grew_meanwhile_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(TEXT)
    with source.opened(str(tmp_path / "log"), io.BytesIO()) as found:
        found.require_unchanged()
        with (tmp_path / "log").open("ab") as log:
            log.write(b"2026-01-02,1\n")
        with pytest.raises(errors.Misused, match="changed"):
            found.require_unchanged()


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_what_is_no_file_is_refused_in_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.Misused, match="can't be read"), source.opened(str(tmp_path / name), io.BytesIO()):
        pass


def test_the_file_itself_is_known_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(TEXT)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with source.opened(str(tmp_path / "a"), io.BytesIO()) as found:
        assert [found.is_at(tmp_path / name) for name in ("b", "c")] == [True, False]
