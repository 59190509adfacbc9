"""What a failed command prints: one sentence, each problem once, never a traceback unless it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from carbonledger.entrypoints.cli import console, exits
from carbonledger.kernel import errors


class Broken(errors.Unavailable):
    """The thing is broken."""


CASES = [
    (Broken("It broke; mend it."), "error: It broke; mend it.\n", exits.Code.UNAVAILABLE),
    (Broken(), "error: The thing is broken.\n", exits.Code.UNAVAILABLE),  # no detail: the public message
    (errors.invalid("/name", "empty", "Write a name."), "error: name: Write a name.\n", exits.Code.INVALID),
    (
        errors.Invalid("Not as given.", problems=(errors.Problem("/a/0", "x", "First."), errors.Problem("/b", "y", "Second."))),
        "error: Not as given.\n  a/0: First.\n  b: Second.\n",
        exits.Code.INVALID,
    ),
]


@pytest.mark.parametrize("error, printed, code", CASES)
def test_a_fault_is_one_sentence_and_its_problems(
    error: Exception, printed: str, code: exits.Code, capsys: pytest.CaptureFixture[str]
) -> None:
    assert console.fail(error, debug=False) is code
    assert capsys.readouterr() == ("", printed)


def test_a_defect_says_that_it_is_one_and_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.fail(KeyError("x"), debug=False) is exits.Code.DEFECT
    printed = capsys.readouterr().err
    assert printed.startswith("error: KeyError: 'x'\n")
    assert "CARBONLEDGER_LOG_LEVEL=debug" in printed


def test_a_traceback_comes_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    console.fail(Broken("It broke."), debug=True)

    printed = capsys.readouterr().err
    assert "Broken: It broke.\n" in printed
    assert printed.endswith("error: It broke.\n")


def test_a_table_on_a_pipe_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("name", "[value]"), [("a" * 150, "[b]" * 50)])

    assert f"{'a' * 150}  {'[b]' * 50}" in capsys.readouterr().out


def test_a_failure_that_nobody_reads_has_its_code_all_the_same() -> None:
    script = "import sys; from carbonledger.entrypoints.cli import console; sys.exit(console.fail(KeyError(), debug=False))"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([sys.executable, "-P", "-c", script], stderr=writing, stdout=subprocess.DEVNULL, check=False)
    finally:
        os.close(writing)

    assert done.returncode == exits.Code.DEFECT
