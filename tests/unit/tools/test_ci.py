"""The CI script parses, and every command it gives is one that dev.py has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tools.dev import main

SCRIPT = Path(__file__).parents[3] / ".ci/run"


def test_the_script_parses() -> None:
    done = subprocess.run(["bash", "-n", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_its_commands_exist() -> None:
    told = set(re.findall(r"python3 dev\.py ([a-z]+)", SCRIPT.read_text()))
    assert {"check", "test"} <= told <= {command.name for command in main.COMMANDS}


def test_its_lanes_are_there() -> None:
    text = SCRIPT.read_text()
    [lanes] = re.findall(r"^printf '%s\\n' (.+) \| xargs", text, re.MULTILINE)
    assert set(lanes.split()) <= set(re.findall(r"^([a-z]+)\(\) \{$", text, re.MULTILINE))


def test_it_ends_with_the_summary_of_the_tests_and_their_outcome() -> None:
    assert SCRIPT.read_text().splitlines()[-2:] == ["summary test", "[ ${#FAILED[@]} = 0 ]"]
