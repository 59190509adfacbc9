"""Commands of the product in processes of their own, without the second that each would take to load the same modules.

``python -m tests.warm`` loads them once, then forks for every request: the child gets the caller's arguments, environment, folder and
files, runs the command's main module as Python would, and ends as a process does. A test whose subject is the start itself runs
``python -m`` (``installation.up``).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carbonledger.entrypoints import cli
from carbonledger.entrypoints.shared import collector

MODULE = "carbonledger.entrypoints.cli.main"
ROOT = Path(__file__).parents[1]
DEADLINE_S = 120
"""A command that takes longer is killed."""


class Loaded:
    """The process that has loaded the modules; one for each test process, ended with it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )
        atexit.register(self._end)

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.communicate()

    def run(self, arguments: Sequence[str], *, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, from the folder ``/``."""
        with self._turn, tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            asked = {"arguments": list(arguments), "environment": dict(environment), "out": str(out), "err": str(err)}
            told, answers = self._process.stdin, self._process.stdout
            assert told is not None
            assert answers is not None
            told.write(json.dumps(asked) + "\n")
            told.flush()
            code = int(answers.readline())
            return subprocess.CompletedProcess([*arguments], code, out.read_text(), err.read_text())


@functools.cache
def loaded() -> Loaded:
    return Loaded()


def _load() -> None:
    collector.calm()
    for found in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        if found.name != MODULE:
            importlib.import_module(found.name)
    collector.settle()


def _serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked)
            runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(asked: dict[str, Any]) -> None:
    """Take the place that the request describes; what was open before is not the child's."""
    os.chdir("/")
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = [MODULE, *asked["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(DEADLINE_S)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, asked["out"], os.O_WRONLY | os.O_CREAT),
        (2, asked["err"], os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    _load()
    _serve()
