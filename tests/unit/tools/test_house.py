"""How house rules are allowed in place, which files are read, and what the command says and returns."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tools.house import __main__ as command
from tools.house import files, locks
from tools.house.rule import judge
from tools.house.rules import RULES
from tools.house.source import Source

KNOWN = frozenset(rule.name for rule in RULES)
SIN = "print(key)"
LOCK = "orjson==3.13.0 \\\n    --hash=sha256:00\n"

# the lines of a module, the findings (line, rule) that are left
ALLOWANCES = [
    ([SIN], [(2, "print")]),
    ([f"{SIN}  # house: allow print - the demo has no log"], []),
    (["# house: allow print - the demo has no log", SIN], []),
    (["# house: allow print - the demo", "# has no log", SIN], []),  # the reason may go on
    (["# house: allow print - the demo has no log", "x = 1", SIN], [(2, "allowance"), (4, "print")]),  # too far away
    ([f"{SIN}  # house: allow print"], [(2, "allowance")]),  # without a reason
    ([f"{SIN}  # house: allow clock - the demo has no log"], [(2, "allowance"), (2, "print")]),  # another rule
    ([f"{SIN}  # house: allow printing - x"], [(2, "allowance"), (2, "print")]),  # no such rule
    (["x = 1  # house: allow print - the demo has no log"], [(2, "allowance")]),  # stale
    ([f'{SIN}; x = "# house: allow print - in a string"'], [(2, "print")]),
]


@pytest.mark.parametrize("lines,left", ALLOWANCES)
def test_only_a_comment_with_rule_and_reason_allows(lines: list[str], left: list[tuple[int, str]]) -> None:
    text = "\n".join(['"""A module."""', *lines])
    findings = judge(Source(PurePosixPath("src/carbonledger/infra/x.py"), text), RULES, known=KNOWN)
    assert [(finding.line, finding.rule) for finding in findings] == left


def test_text_files_allow_on_the_line() -> None:
    path = "/" + "work/x"
    text = f"{path} <!-- house: allow machine-words - an example of a path -->\n{path}\n"
    findings = judge(Source(PurePosixPath("docs/x.md"), text), RULES, known=KNOWN)
    assert [(finding.line, finding.rule) for finding in findings] == [(2, "machine-words")]


def repository(folder: Path) -> Path:
    """A repository that keeps every rule."""
    texts = {
        "pyproject.toml": '[project]\ndependencies = ["orjson>=3"]\n[dependency-groups]\ndev = ["pytest>=9"]\n',
        "requirements.lock": LOCK,
        "requirements-dev.lock": LOCK + LOCK.replace("orjson==3.13.0", "pytest==9.2.0"),
        "src/carbonledger/infra/clock.py": '"""The one clock."""\n',
        ".venv/lib/print.py": SIN,
        "src/carbonledger/entrypoints/web/static/htmx.py": SIN,
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_clean_repository_passes_and_says_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--root", str(repository(tmp_path))]) == 0
    assert capsys.readouterr().out == "0 findings in 4 files. src: p90 file 1 lines, p90 function 0 lines.\n"


def test_one_sin_fails_the_command_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository(tmp_path) / "src/carbonledger/infra/clock.py").write_text(f'"""The one clock."""\n{SIN}\n')
    assert command.main(["--root", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("src/carbonledger/infra/clock.py:2: print: ")


def test_a_file_that_does_not_parse_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository(tmp_path) / "src/carbonledger/infra/clock.py").write_text("def (:\n")
    assert command.main(["--root", str(tmp_path)]) == 1
    assert "clock.py:1: syntax: " in capsys.readouterr().out


def test_only_the_named_paths_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository(tmp_path) / "src/carbonledger/infra/bad.py").write_text(SIN)
    assert command.main(["--root", str(tmp_path), str(tmp_path / "src/carbonledger/infra/clock.py")]) == 0
    assert command.main(["--root", str(tmp_path), str(tmp_path / "src/carbonledger/infra")]) == 1
    assert "bad.py" in capsys.readouterr().out


def test_every_rule_is_listed_with_its_harm(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--rules"]) == 0
    listed = capsys.readouterr().out
    assert all(rule.name in listed and rule.harm().split(".")[0].split()[0] in listed for rule in RULES)


# runtime lock, development lock, what is said
LOCKS = [
    (LOCK, LOCK, "pytest is in pyproject.toml but not locked"),
    ("", LOCK, "orjson is in pyproject.toml but not locked"),
    ("orjson==3.13.0\n", LOCK, "orjson==3.13.0 has no hash"),
    (LOCK, LOCK.replace("3.13.0", "3.12.0"), "orjson is {'3.13.0'} in requirements.lock and {'3.12.0'} here"),
    (LOCK, "", "orjson is {'3.13.0'} in requirements.lock and None here"),
]


@pytest.mark.parametrize("runtime,development,said", LOCKS)
def test_lock_files_must_be_whole_and_agree(tmp_path: Path, runtime: str, development: str, said: str) -> None:
    repository(tmp_path)
    (tmp_path / "requirements.lock").write_text(runtime)
    (tmp_path / "requirements-dev.lock").write_text(development)
    assert any(finding.message.startswith(said) for finding in locks.findings(tmp_path))


def test_hidden_vendored_and_binary_files_are_not_read(tmp_path: Path) -> None:
    for name in (".env", ".env.example", ".ci/run", "a.png", "build/x.py", "docs/a.md", "src/__pycache__/x.py", "dev.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert [str(path) for path in files.repository_files(tmp_path)] == [".env.example", "dev.py", ".ci/run", "docs/a.md"]
