"""The note of which vault keys were exported: kept by key, and never trusted more than a note deserves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbonledger.entrypoints.cli import backups

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_each_key_remembers_its_last_export(tmp_path: Path) -> None:
    backups.note(tmp_path, fingerprints=("a", "b"), at=AT)
    backups.note(tmp_path, fingerprints=("b", "c"), at=AT.replace(hour=13))

    assert backups.read(tmp_path) == {
        "a": "2026-11-21T12:00:00+00:00",
        "b": "2026-11-21T13:00:00+00:00",
        "c": "2026-11-21T13:00:00+00:00",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["exported.json"]


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "null"])
def test_a_note_that_cannot_be_read_says_that_nothing_was_exported(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "exported.json").write_text(content)

    assert backups.read(tmp_path) == {}
