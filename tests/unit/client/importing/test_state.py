"""The state of an interrupted import: bound to its subject, replaced in one step, and never more than a help."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbonledger_client.importing import state
from carbonledger_client.importing.tally import Refusal

ABOUT = {"digest": "d", "recipe": "r", "url": "http://127.0.0.1:8400", "api_key": "cl_live_secret"}
SUBJECT = state.subject(**ABOUT)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    saved = state.State(SUBJECT, 10_000, 9_998, 1, 0, (Refusal(7, "model_refused", "No."),))
    place = tmp_path / "deep" / "state.json"

    state.save(place, saved)

    assert state.load(place, SUBJECT) == state.Loaded(saved)
    assert [entry.name for entry in place.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize("change", [{"digest": "e"}, {"recipe": "s"}, {"url": "http://127.0.0.1:8401"}, {"api_key": "cl_live_other"}])
def test_another_file_mapping_server_or_key_is_another_subject(tmp_path: Path, change: dict[str, str]) -> None:
    other = state.subject(**{**ABOUT, **change})
    state.save(tmp_path / "s", state.State(SUBJECT, 10_000))

    found, word, is_ours = state.load(tmp_path / "s", other)

    assert (found, is_ours) == (state.State(other), True)
    assert word is not None
    assert "another import" in word


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"subject": 3}', b"\xff\xfe", b'{"row": 5}', b"when,in,out\n2026-01-01,1,1\n"])
def test_what_is_no_state_is_passed_over_with_a_word_and_is_not_ours_to_replace(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    found, word, is_ours = state.load(tmp_path / "s", SUBJECT)
    assert (found.row, found.subject, is_ours) == (0, SUBJECT, False)
    assert word is not None
    assert "passed over" in word


def test_no_state_is_a_fresh_one_without_a_word(tmp_path: Path) -> None:
    assert state.load(tmp_path / "s", SUBJECT) == state.Loaded(state.State(SUBJECT))
    state.clear(tmp_path / "s")


def test_the_file_stands_in_the_folder_of_states_and_holds_no_key(tmp_path: Path) -> None:
    home = Path("/home/ada")
    assert state.path(None, SUBJECT, {}, home).parent == home / ".local/state/carbonledger/imports"
    assert state.path(None, SUBJECT, {"XDG_STATE_HOME": "/var/state"}, home).parent == Path("/var/state/carbonledger/imports")
    assert state.path(None, SUBJECT, {"XDG_STATE_HOME": "relative"}, home).parent == home / ".local/state/carbonledger/imports"
    assert state.path(tmp_path / "mine", SUBJECT, {}, home) == tmp_path / "mine"
    state.save(tmp_path / "mine", state.State(SUBJECT))
    assert b"secret" not in (tmp_path / "mine").read_bytes()
