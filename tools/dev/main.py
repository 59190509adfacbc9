"""The commands of dev.py, and the way from each to the program that it runs."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tools.dev import checks, environment, locking, project
from tools.dev.trouble import Trouble

ROOT = environment.ROOT
WORKERS_MAX = 8  # each has a database of its own; more only wait for the disk


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    usage: str
    summary: str
    run: Callable[[Sequence[str]], int]


def main(arguments: Sequence[str]) -> int:
    name, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    name = "help" if name in {"-h", "--help"} else name
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        print(f"dev.py has no command {name!r}; it has {', '.join(command.name for command in COMMANDS)}.", file=sys.stderr)
        return 2
    try:
        return command.run(rest)
    except Trouble as trouble:
        print(f"dev.py {name}: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ndev.py {name}: stopped.", file=sys.stderr)
        return 130


def up(arguments: Sequence[str]) -> int:
    # -P: a file called queue.py in the folder where the user stands must not become the standard library's.
    become(environment.ensure(environment.RUNTIME), ["-P", "-m", project.PRODUCT, "up", *arguments])


def test(arguments: Sequence[str]) -> int:
    made = environment.ensure(environment.DEVELOPMENT)
    os.chdir(ROOT)
    become(made, ["-m", "pytest", *workers(arguments), *cache_options(), *arguments])


def bench(arguments: Sequence[str]) -> int:
    return run_named("benchmarks", "bench", arguments)


def soak(arguments: Sequence[str]) -> int:
    return run_named("tests.soak", "soak", arguments)


def check(arguments: Sequence[str]) -> int:
    return checks.run(environment.ensure(environment.DEVELOPMENT), arguments)


def fmt(arguments: Sequence[str]) -> int:
    return checks.fix_style(environment.ensure(environment.DEVELOPMENT), arguments)


def lock(arguments: Sequence[str]) -> int:
    return locking.compile_locks(arguments)


def show_help(arguments: Sequence[str]) -> int:
    del arguments
    width = max(len(command.usage) for command in COMMANDS)
    print("python3 dev.py COMMAND\n")
    for command in COMMANDS:
        print(f"  {command.usage:{width}}  {command.summary}")
    print(f"\nThe private environment is in .venv, or where {environment.VARIABLE} says.")
    return 0


# Other installations' paths; and the wish not to keep compiled code: the product is several processes and a test run is hundreds, each of
# which would compile all of it anew.
NOT_INHERITED = frozenset({"PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__", "PYTHONDONTWRITEBYTECODE"})


def become(made: environment.Environment, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the environment's Python, so that signals and the exit code are the program's own."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    sys.stdout.flush()
    os.execve(made.python, [str(made.python), *arguments], inherited)  # noqa: S606 - no shell is wanted


def workers(arguments: Sequence[str]) -> list[str]:
    """Half as many test processes again as cores, as many tests wait for programs; none if told how many, to debug, or one test."""
    mine = {"--pdb", "--trace", "--collect-only", "--co"}
    if any(
        argument in mine or argument.startswith(("-n", "--numprocesses")) or "::" in argument or "no:xdist" in argument
        for argument in arguments
    ):
        return []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ["-n", str(min(cores + cores // 2, WORKERS_MAX)), "--dist", "worksteal"]


def cache_options() -> list[str]:
    return [] if os.access(ROOT, os.W_OK) else ["-p", "no:cacheprovider"]


def run_named(package: str, command: str, arguments: Sequence[str]) -> int:
    """Run one module of a folder by its name; list them without a name."""
    folder = ROOT / package.replace(".", "/")
    names = sorted(path.stem for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not arguments or arguments[0].startswith("-"):
        for name in names:
            print(f"python3 dev.py {command} {name:16}{first_line(folder / f'{name}.py')}")
        return 0
    if arguments[0] not in names:
        raise Trouble(f"there is no {arguments[0]!r}; there is {', '.join(names) or 'nothing yet'}.")
    made = environment.ensure(environment.DEVELOPMENT)
    os.chdir(ROOT)
    become(made, ["-m", f"{package}.{arguments[0]}", *arguments[1:]])


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


COMMANDS = (
    Command("up", "up [--demo …]", "install if need be, then run everything: database, API, worker", up),
    Command("test", "test [pytest arguments]", "run the tests", test),
    Command("check", "check [--fix] [NAME …]", "format, lint, types, import contracts, house rules, docs, OpenAPI", check),
    Command("fmt", "fmt", "format the code and mend what can be mended", fmt),
    Command("bench", "bench [NAME]", "list the benchmarks, or run one", bench),
    Command("soak", "soak [NAME --scale S]", "list the long runs, or do one", soak),
    Command("lock", "lock", "compile the lock files anew from pyproject.toml", lock),
    Command("help", "help", "this list", show_help),
)
