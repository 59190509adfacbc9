"""Every property test of the suite with many times its usual examples, which are new ones each time.

Also a plugin of the pytest that it starts: gives each test of hypothesis its multiple, so that one whose example is slow keeps the smaller
share that it asks for. Nothing is stopped by a deadline. Exit code 1 if a property fails, with the seed that finds the same example again.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from typing import Final

import hypothesis
import pytest

from tools.dev import main as dev

TIMES: Final = 100  # the usual number, at scale 1: 10,000 examples where a test does not say how many it takes
SCALE_LEAST, SCALE_MOST = 0.01, 100.0
_MODULE: Final = "tests.soak.properties"  # while it runs, its own name is __main__
_OPTION: Final = "--examples-times"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_OPTION, type=float, default=1.0, help="how many times its usual number of examples each property takes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    times: float = config.getoption(_OPTION)
    found = {id(item.obj): item for item in items if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj)}
    for item in found.values():
        _multiply(item, times)


def _multiply(item: pytest.Function, times: float) -> None:
    """Change how many examples a test takes: hypothesis keeps that with the function, or with the class of a state machine."""
    owner, name = (item.cls, "settings") if item.cls is not None else (item.obj, "_hypothesis_internal_use_settings")
    usual: hypothesis.settings = getattr(owner, name)
    setattr(owner, name, multiplied(usual, times))


def multiplied(usual: hypothesis.settings, times: float) -> hypothesis.settings:
    """Return settings of so many times the examples, never fewer than one, chosen by the run's seed alone."""
    return hypothesis.settings(
        usual, max_examples=max(round(usual.max_examples * times), 1), derandomize=False, database=None, deadline=None
    )


def main() -> int:
    """Run and say how it went."""
    parser = argparse.ArgumentParser(prog="python3 dev.py soak properties", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help=f"{TIMES} times the usual examples are 1; {SCALE_LEAST} to {SCALE_MOST:g}")
    parser.add_argument("--seed", type=int, default=None, help="of the examples; a new one if left out")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only the tests of these files or folders, as pytest names them")
    options = parser.parse_args()
    if not SCALE_LEAST <= options.scale <= SCALE_MOST:
        parser.error(f"--scale is {SCALE_LEAST} to {SCALE_MOST:g}")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    times = options.scale * TIMES
    print(f"properties: seed {seed}, {times:g} times the usual examples, {os.cpu_count()} cores", flush=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "pytest", *arguments(seed, times, options.paths)], check=False).returncode
    print(f"  took             {time.monotonic() - began:.0f} s in all")
    if code:
        print("replay:", " ".join(["python3 dev.py soak properties", f"--scale {options.scale:g} --seed {seed}", *options.paths]))
    return int(code != 0)


def arguments(seed: int, times: float, paths: list[str]) -> list[str]:
    """Return what pytest is told: the properties alone, by this seed, without the dump of a test that takes long."""
    chosen = ["-p", _MODULE, "-m", "hypothesis", f"--hypothesis-seed={seed}", f"{_OPTION}={times:g}", "-o", "faulthandler_timeout=0"]
    return ["-q", *dev.workers(paths), *dev.cache_options(), *chosen, *paths]


if __name__ == "__main__":
    raise SystemExit(main())
