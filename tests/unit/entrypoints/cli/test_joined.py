"""Commands of other packages: listed without an import, imported when run, and one clear sentence when broken."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import typer.testing

from carbonledger.entrypoints.cli import joined

ENTRY_POINTS = """[carbonledger.commands]
weigh = joined_sample:weigh
digest = joined_sample:digest
broken = joined_sample_missing:verify
up = joined_sample:weigh
"""
MODULE = '''
import typer
digest = typer.Typer()

@digest.command()
def day(date: str) -> None:
    """One day."""
    print("digest of", date)

@digest.command()
def month(date: str) -> None:
    """One month."""

def weigh(file: str) -> None:
    """Check a receipt."""
    print("weighed", file)
'''


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[typer.Typer]:
    """Return an app with one command of its own, beside an installed package that joins four."""
    (tmp_path / "joined_sample.py").write_text(MODULE)
    info = tmp_path / "joined_sample-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: joined-sample\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    joined.entries.cache_clear()
    made = typer.Typer(cls=joined.JoinedGroup, no_args_is_help=True)
    made.command("up")(lambda: print("ours"))
    made.command("down")(lambda: print("down"))
    yield made
    joined.entries.cache_clear()
    sys.modules.pop("joined_sample", None)


def run(app: typer.Typer, *arguments: str) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, list(arguments))


def test_the_list_names_joined_commands_without_importing_them(app: typer.Typer) -> None:
    output = run(app, "--help").output

    assert "weigh" in output
    assert "From the package joined-sample." in output
    assert "joined_sample" not in sys.modules


def test_a_function_joins_as_a_command(app: typer.Typer) -> None:
    assert run(app, "weigh", "receipt.json").output == "weighed receipt.json\n"


def test_a_group_joins_with_its_commands(app: typer.Typer) -> None:
    assert run(app, "digest", "day", "2026-01-31").output == "digest of 2026-01-31\n"


def test_the_help_of_a_joined_command_is_its_own(app: typer.Typer) -> None:
    assert "Check a receipt." in run(app, "weigh", "--help").output


def test_our_own_command_wins_over_a_joined_one_of_its_name(app: typer.Typer) -> None:
    assert run(app, "up").output == "ours\n"


def test_a_command_of_our_own_costs_no_look_at_the_installed_packages(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: str) -> None:
        raise AssertionError

    monkeypatch.setattr(importlib.metadata, "entry_points", refuse)

    assert run(app, "down").output == "down\n"


def test_a_command_that_cannot_be_loaded_says_so_in_one_sentence(app: typer.Typer) -> None:
    fault = run(app, "broken").exception

    assert isinstance(fault, joined.CommandBroken)
    assert fault.detail == (
        "The command broken (joined_sample_missing:verify) can't be loaded: No module named 'joined_sample_missing'. "
        "Install its package again."
    )
