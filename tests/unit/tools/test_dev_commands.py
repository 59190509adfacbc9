"""What dev.py says and starts: its commands, the number of test processes, the checks, and what old Pythons hear."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import dev
from tools.dev import checks, environment, locking, main, pip
from tools.dev.trouble import Trouble

MADE = environment.Environment(Path(sys.prefix))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one benchmark, whose environment is the one that runs these tests."""
    monkeypatch.setattr(main, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "ensure", lambda _: MADE)
    benchmarks = tmp_path / "benchmarks"
    benchmarks.mkdir()
    (benchmarks / "http.py").write_text('"""Requests a second.\n\nMore words."""\n')
    (benchmarks / "_parts.py").write_text('"""Not a benchmark."""\n')
    return tmp_path


class Became(Exception):
    """Stands for the program that dev.py became."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    started: list[list[str]] = []

    def execve(program: Path, arguments: Sequence[str], inherited: dict[str, str]) -> None:
        assert program == MADE.python
        assert "PYTHONPATH" not in inherited
        started.append(list(arguments[1:]))
        raise Became

    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(os, "chdir", lambda _: None)
    return started


@pytest.mark.usefixtures("repository")
def test_up_becomes_the_product_with_its_arguments(became: list[list[str]]) -> None:
    with pytest.raises(Became):
        main.main(["up", "--demo", "--port", "0"])
    # -P: a file called queue.py in the user's folder must not replace the standard library's.
    assert became == [["-P", "-m", "carbonledger.entrypoints.cli.main", "up", "--demo", "--port", "0"]]


@pytest.mark.usefixtures("repository")
def test_test_becomes_pytest_with_its_arguments(became: list[list[str]]) -> None:
    with pytest.raises(Became):
        main.main(["test", "-n", "3", "tests/unit"])
    assert became == [["-m", "pytest", "-n", "3", "tests/unit"]]


# arguments of `dev.py test`, whether it chooses the number of processes
WORKERS = [
    ([], True),
    (["tests/unit", "-k", "vault"], True),
    (["-n", "0"], False),
    (["-n2"], False),
    (["--pdb"], False),
    (["tests/unit/test_x.py::test_y"], False),  # one test needs no second process
    (["--collect-only"], False),
    (["-p", "no:xdist"], False),
    (["-p", "no:randomly", "--color=yes"], True),
]


@pytest.mark.parametrize("arguments,chosen", WORKERS)
def test_tests_use_all_cores_unless_told_otherwise(arguments: list[str], *, chosen: bool) -> None:
    assert (main.workers(arguments)[:1] == ["-n"]) is chosen


@pytest.mark.usefixtures("repository")
def test_a_benchmark_runs_by_its_name(became: list[list[str]]) -> None:
    with pytest.raises(Became):
        main.main(["bench", "http", "--seconds", "5"])
    assert became == [["-m", "benchmarks.http", "--seconds", "5"]]


@pytest.mark.usefixtures("repository")
def test_benchmarks_are_listed_with_their_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench"]) == 0
    assert re.fullmatch(r"python3 dev\.py bench http +Requests a second\.\n", capsys.readouterr().out)


@pytest.mark.usefixtures("repository")
def test_an_unknown_name_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench", "fax"]) == 1
    assert main.main(["soak", "fax"]) == 1
    assert main.main(["fly"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "dev.py bench: there is no 'fax'; there is http."
    assert said[1] == "dev.py soak: there is no 'fax'; there is nothing yet."
    assert said[2].startswith("dev.py has no command 'fly'; it has up, test, check,")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == main.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {command.name}" in said for command in main.COMMANDS)


@pytest.mark.usefixtures("repository")
def test_trouble_is_one_sentence_and_a_stop_is_not_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(lock: str) -> environment.Environment:
        raise Trouble(f"{lock} is on fire; put it out.")

    def stop(lock: str) -> environment.Environment:
        raise KeyboardInterrupt(lock)

    monkeypatch.setattr(environment, "ensure", fail)
    assert main.main(["up"]) == 1
    monkeypatch.setattr(environment, "ensure", stop)
    assert main.main(["up"]) == 130
    assert capsys.readouterr().err == "dev.py up: requirements.lock is on fire; put it out.\n\ndev.py up: stopped.\n"


def python_check(name: str, code: str, *, exists: bool = True) -> checks.Check:
    return checks.Check(name, "a check", lambda: ["-c", code], lambda: exists)


@pytest.mark.usefixtures("repository")
def test_every_check_runs_and_one_failure_fails_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good, missing = python_check("good", "print('fine')"), python_check("missing", "raise SystemExit(1)", exists=False)
    bad = python_check("bad", "import sys; print('line 7 is wrong'); sys.exit(1)")
    monkeypatch.setattr(checks, "CHECKS", (good, bad, missing))
    assert main.main(["check"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"^ok {4}good +\d+\.\d s  a check$", said, re.MULTILINE)
    assert re.search(r"^FAIL  bad +\d+\.\d s  a check\n {6}line 7 is wrong$", said, re.MULTILINE)
    assert "fine" not in said
    assert re.search(r"^Failed: bad \(\d+\.\d s\)\.$", said.splitlines()[-1])


@pytest.mark.usefixtures("repository")
def test_checks_can_be_chosen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(checks, "CHECKS", (python_check("good", ""), python_check("bad", "raise SystemExit(1)")))
    assert main.main(["check", "good"]) == 0
    assert "All 1 checks passed" in capsys.readouterr().out
    assert main.main(["check", "ugly"]) == 1
    assert capsys.readouterr().err == "dev.py check: there is no check 'ugly'; there is good, bad.\n"


def test_the_checks_of_the_house_are_all_there() -> None:
    assert [check.name for check in checks.CHECKS] == ["format", "lint", "types", "contracts", "house", "docs", "openapi"]


def test_mypy_is_given_only_places_with_python_in_them(repository: Path) -> None:
    (repository / "tests").mkdir()
    assert checks.mypy() == ["-m", "mypy", "benchmarks"]


def test_fix_mends_style(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = repository / "benchmarks/http.py"
    path.write_text("import   os\nx = {  'a':1 }\n")
    (repository / "ruff.toml").write_text('[lint]\nselect = ["F401"]\n')
    assert main.main(["fmt"]) == 0
    assert path.read_text() == 'x = {"a": 1}\n'
    assert capfd.readouterr().out == ""


def test_other_pythons_hear_which_one_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dev.refusal() == ""
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    assert dev.refusal() == (
        "Carbon Ledger needs Python 3.11 to 3.14, this is 3.10. Install one (https://www.python.org/downloads/) and run it with that."
    )
    newer = tmp_path / "python3.12"
    newer.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", ["dev.py", "up"])
    assert dev.refusal() == "Carbon Ledger needs Python 3.11 to 3.14, this is 3.10. Run: python3.12 dev.py up"
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    assert dev.refusal().startswith("Carbon Ledger needs Python 3.11 to 3.14, this is 3.15.")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert "on Windows use WSL" in dev.refusal()


def test_dev_py_runs_from_anywhere() -> None:
    program = Path(dev.__file__ or "")
    done = subprocess.run([sys.executable, program, "help"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.startswith("python3 dev.py COMMAND")


# environment variables, pip's index as uv is told
INDEXES = [
    ({}, []),
    ({"PIP_INDEX_URL": "https://index.example/simple"}, ["--default-index", "https://index.example/simple"]),
    ({"PIP_INDEX_URL": "https://index.example/simple", "UV_DEFAULT_INDEX": "https://other.example"}, []),  # uv knows by itself
]


@pytest.mark.parametrize("variables,options", INDEXES)
def test_uv_asks_the_index_that_pip_asks(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], options: list[str]) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if "PIP_INDEX_URL" not in variables:
        monkeypatch.setattr(pip, "setting", lambda name: "" if name == "index-url" else pytest.fail(name))
    assert locking.index_options() == options
