"""The checks of `dev.py check`: what each runs, all at once, and what is said of them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.dev import environment
from tools.dev.trouble import Trouble

ROOT = environment.ROOT
PYTHON_PLACES = ("src", "tests", "tools", "migrations", "benchmarks", "dev.py")


@dataclass(frozen=True, slots=True)
class Check:
    """One program to run; `arguments` are those of the environment's Python."""

    name: str
    what: str
    arguments: Callable[[], list[str]]
    exists: Callable[[], bool] = lambda: True


@dataclass(slots=True)
class Result:
    passed: bool
    took_s: float
    output: str


def ruff(*words: str) -> list[str]:
    return ["-m", "ruff", *words, "."]


def mypy() -> list[str]:
    """Only places with Python files are named: mypy refuses one without."""
    places = [place for place in PYTHON_PLACES if (ROOT / place).is_file() or any((ROOT / place).rglob("*.py"))]
    return ["-m", "mypy", *places]


def contracts() -> list[str]:
    cache = [] if os.access(ROOT, os.W_OK) else ["no_cache=True"]
    return ["-c", f"import sys; from importlinter import cli; sys.exit(cli.lint_imports({', '.join(['no_logo=True', *cache])}))"]


def has_product() -> bool:
    return (ROOT / "src/carbonledger/entrypoints/cli/main.py").exists()


CHECKS = (
    Check("format", "ruff format", lambda: ruff("format", "--check", "--quiet")),
    Check("lint", "ruff", lambda: ruff("check", "--quiet", "--output-format", "concise")),
    Check("types", "mypy", mypy),
    Check("contracts", "import-linter", contracts),
    Check("house", "house rules", lambda: ["-m", "tools.house"]),
    Check("docs", "links, anchors and commands in Markdown", lambda: ["-m", "tools.docs"]),
    Check("openapi", "docs/reference/openapi.json", lambda: ["-m", "tools.openapi"], has_product),
)
FIXES: tuple[list[str], ...] = (
    ruff("check", "--fix-only", "--exit-zero", "--quiet"),
    ruff("format", "--quiet"),
)


def run(made: environment.Environment, arguments: Sequence[str]) -> int:
    """Run the named checks, or all that exist; with --fix, mend first what can be mended."""
    names = [argument for argument in arguments if argument != "--fix"]
    unknown = [name for name in names if name not in {check.name for check in CHECKS}]
    if unknown:
        raise Trouble(f"there is no check {unknown[0]!r}; there is {', '.join(check.name for check in CHECKS)}.")
    if "--fix" in arguments:
        fix(made)
    chosen = [check for check in CHECKS if check.exists() and (not names or check.name in names)]
    started = time.monotonic()
    results = run_all(made, chosen)
    failed = [check.name for check in chosen if not results[check.name].passed]
    took = f"{time.monotonic() - started:.1f} s"
    print(f"Failed: {', '.join(failed)} ({took})." if failed else f"All {len(chosen)} checks passed in {took}.", flush=True)
    return 1 if failed else 0


def run_all(made: environment.Environment, chosen: Sequence[Check]) -> dict[str, Result]:
    results: dict[str, Result] = {}
    speaking = threading.Lock()

    def work(check: Check) -> None:
        result = run_one(made, check)
        with speaking:
            results[check.name] = result
            tell(check, result)

    threads = [threading.Thread(target=work, args=(check,)) for check in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def run_one(made: environment.Environment, check: Check) -> Result:
    started = time.monotonic()
    done = subprocess.run(
        [made.python, *check.arguments()],
        cwd=ROOT,
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Result(passed=done.returncode == 0, took_s=time.monotonic() - started, output=done.stdout)


def tell(check: Check, result: Result) -> None:
    print(f"{'ok  ' if result.passed else 'FAIL'}  {check.name:10}{result.took_s:6.1f} s  {check.what}", flush=True)
    if not result.passed:
        print("".join(f"      {line}\n" for line in result.output.strip().splitlines()), end="", flush=True)


def fix(made: environment.Environment) -> None:
    for arguments in FIXES:
        subprocess.run([made.python, *arguments], cwd=ROOT, check=False, env=surroundings())
    if has_product():
        subprocess.run([made.python, "-m", "tools.openapi", "--fix"], cwd=ROOT, check=False, env=surroundings())


def fix_style(made: environment.Environment, arguments: Sequence[str]) -> int:
    del arguments
    codes = [subprocess.run([made.python, *words], cwd=ROOT, check=False, env=surroundings()).returncode for words in FIXES]
    return max(codes)


def surroundings() -> dict[str, str]:
    """The environment of a check: wide lines, no foreign paths, caches only where they can be written."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    caches = {} if os.access(ROOT, os.W_OK) else {"RUFF_NO_CACHE": "true", "MYPY_CACHE_DIR": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}
    return {"COLUMNS": "160", **kept, **caches, "PYTHONUTF8": "1"}
