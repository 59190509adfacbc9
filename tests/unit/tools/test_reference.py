"""The pages that are made of the code: current, whole, and changed by nothing but the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carbonledger.infra import settings
from tools import reference


def test_the_checked_in_pages_are_what_the_code_makes() -> None:
    assert reference.run([]) == 0


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_page_that_was_changed_by_hand_is_found_and_made_anew(tmp_path: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    reference.run(["--fix"], root=tmp_path)
    (tmp_path / page).write_text("by hand\n")
    capsys.readouterr()

    assert reference.run([], root=tmp_path) == 1
    assert f"{page} differs from the code" in capsys.readouterr().out
    assert reference.run(["--fix"], root=tmp_path) == 0
    assert reference.run([], root=tmp_path) == 0


def test_the_example_names_every_variable_once_and_sets_none() -> None:
    lines = reference.example().splitlines()

    named = [match[1] for line in lines if (match := re.match(r"#([A-Z][A-Z0-9_]*)=", line))]

    assert named == [*settings.variables(), *reference.COMPOSE_ONLY]
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_every_command_has_a_sentence_and_every_option_a_meaning() -> None:
    page = reference.cli_page()

    assert "## carbonledger db restore" in page
    assert re.findall(r"\| (`--[\w-]+`|`[A-Z]+`) \|  \|", page) == []
    assert "--fd" not in page
