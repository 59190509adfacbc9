"""The data folder: made private, held by one, and said who holds it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from carbonledger.entrypoints.cli import folder


def test_a_new_folder_is_not_open_to_others(tmp_path: Path) -> None:
    home = tmp_path / "a b" / "home"

    folder.make(home)

    # Root's database runs as another user, who passes through but can't list.
    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert list(home.iterdir()) == []


def test_a_second_one_is_told_who_runs_and_where(tmp_path: Path) -> None:
    with folder.claimed(tmp_path) as claim:
        claim.note(address="http://127.0.0.1:8400")

        with pytest.raises(folder.AlreadyRunning) as caught, folder.claimed(tmp_path):
            pass

    assert caught.value.detail == (
        f"Carbon Ledger already runs on {tmp_path} (process {os.getpid()} at http://127.0.0.1:8400). "
        "Stop that one first, or choose another data folder with CARBONLEDGER_HOME."
    )


def test_what_a_dead_holder_left_behind_keeps_nobody_away(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text('{"pid": 1, "address": "http://127.0.0.1:1"}')

    with folder.claimed(tmp_path):
        pass

    assert (tmp_path / "up.lock").read_text() == ""


def test_a_file_in_the_place_of_the_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()

    with pytest.raises(folder.FolderUnusable, match=r"can't be used \(.*file.*\); make it writable for you, or choose another"):
        folder.make(blocked / "home")
