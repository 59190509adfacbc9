"""`python -m tools.reference [--fix]`: the pages that are made of the code are the ones that the code makes.

Owns: docs/reference/cli.md (from the commands), docs/reference/settings.md and .env.example (from the settings).
"""

from __future__ import annotations

import difflib
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import typer.core
import typer.main
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from carbonledger.entrypoints.cli import exits, joined, main
from carbonledger.infra import settings

Click = Any
"""A command or a parameter; typer keeps click's classes to itself."""

ROOT = Path(__file__).parents[1]
LINES_MAX = 40
MADE = "<!-- Made by `python -m tools.reference --fix`; what is written here by hand is lost. -->"
# Passwords of compose.yaml's database, which the service itself never reads by these names.
COMPOSE_ONLY = {
    "DATABASE_PASSWORD": "Password of the database's owner in compose.yaml; letters and digits, since it stands in an address.",
    "APP_DATABASE_PASSWORD": "Password of the service's login in compose.yaml; letters and digits, too.",
}


def variables() -> Iterator[tuple[str, FieldInfo]]:
    """Each environment variable with its field, in the order of the settings."""
    names = settings.variables()
    yield from zip(names, settings.Settings.model_fields.values(), strict=True)


def default_of(field: FieldInfo) -> str:
    """The default in the words of the environment."""
    if field.default_factory is not None:
        return "~/.carbonledger"
    value = field.default
    if value is None or value in ((), ""):
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def allowed_in(field: FieldInfo) -> str:
    """What values are allowed, where the meaning alone does not say it."""
    words = [str(word) for word in get_args(field.annotation) if isinstance(word, str)]
    if words:
        return " or ".join(f"`{word}`" for word in words)
    if SecretStr in (field.annotation, *get_args(field.annotation)):
        return "secret"
    bounds = {type(bound).__name__: bound for bound in field.metadata}
    low, high = getattr(bounds.get("Ge"), "ge", None), getattr(bounds.get("Le"), "le", None)
    if low is not None:
        return f"{low} to {high}" if high is not None else f"at least {low}"
    return "0 or 1" if field.annotation is bool else ""


def settings_page() -> str:
    lines = [
        MADE,
        "# Settings",
        "",
        "Every setting is an environment variable, read once when a process starts. An empty variable counts as unset; an unknown",
        "`CARBONLEDGER_` variable is named in a warning. Values marked *secret* are never printed.",
        "",
        "| variable | meaning | default | values |",
        "|---|---|---|---|",
    ]
    for name, field in variables():
        default = default_of(field)
        lines.append(f"| `{name}` | {field.description} | {f'`{default}`' if default else ''} | {allowed_in(field)} |")
    return "\n".join(lines) + "\n"


def example() -> str:
    lines = [
        "# Every variable that Carbon Ledger reads, each with its meaning and its default. Copy this file to .env, which compose.yaml",
        "# reads, or put what you need into the environment of the process; take the # away from what you set.",
        "# Made by `python -m tools.reference --fix` from the settings.",
        "",
    ]
    for name, field in variables():
        lines += [f"# {field.description}", f"#{name}={default_of(field)}", ""]
    for name, meaning in COMPOSE_ONLY.items():
        lines += [f"# {meaning}", f"#{name}=", ""]
    return "\n".join(lines[:-1]) + "\n"


def commands(command: Click, path: str) -> Iterator[tuple[str, Click]]:
    """Each command that can be run, with its whole name, groups opened."""
    if not isinstance(command, typer.core.TyperGroup):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, f"{path} {name}")


def joined_commands() -> Iterator[tuple[str, Click]]:
    """Commands that this project's other packages join, never those of whatever else is installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = project["entry-points"][joined.GROUP]
    for name in sorted(names):
        yield from commands(joined.Placeholder(joined.entries()[name]).load(), f"carbonledger {name}")


def cli_page() -> str:
    lines = [MADE, "# Commands", "", "`carbonledger --install-completion` teaches your shell the names.", ""]
    for path, command in (*commands(typer.main.get_command(main.app), "carbonledger"), *joined_commands()):
        lines += [f"## {path}", "", *command_lines(path, command)]
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in exits.MEANING.items()]
    lines += ["", "`import` and `summary` know four: 0 done, 1 done but some rows were rejected, 2 not done, 130 interrupted."]
    return "\n".join(lines) + "\n"


def command_lines(path: str, command: Click) -> Iterator[str]:
    arguments = [param for param in command.params if isinstance(param, typer.core.TyperArgument)]
    options = [param for param in command.params if isinstance(param, typer.core.TyperOption) and not param.hidden]
    usage = " ".join([path, *("[OPTIONS]" for _ in options[:1]), *(named(argument) for argument in arguments)])
    yield from ["```console", f"$ {usage}", "```", re.sub(r"(?<=\S)\n(?=\S)", " ", command.help), ""]
    rows = [(f"`{named(argument)}`", argument.help or "") for argument in arguments]
    rows += [(f"`{option.opts[-1]}`", explained(option)) for option in options]
    if rows:
        yield from ["| argument or option | meaning |", "|---|---|", *(f"| {name} | {meaning} |" for name, meaning in rows), ""]


def named(argument: Click) -> str:
    return str(argument.metavar or argument.name.upper())


def explained(option: Click) -> str:
    words = [option.help or ""]
    if option.required:
        words.append("Required.")
    elif option.default not in (None, False, ()):
        words.append(f"Default: `{option.default}`.")
    return " ".join(words)


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/settings.md": settings_page,
    ".env.example": example,
}


def run(arguments: Sequence[str], *, root: Path = ROOT) -> int:
    """Compare each page with the code; with --fix, write those that differ."""
    code = 0
    for name, make in PAGES.items():
        path, made = root / name, make()
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if kept == made:
            continue
        if "--fix" in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made, encoding="utf-8")
            print(f"{name} is written anew.")
            continue
        code = 1
        changes = difflib.unified_diff(kept.splitlines(), made.splitlines(), name, "the code", lineterm="", n=1)
        print("\n".join([*list(changes)[:LINES_MAX], f"{name} differs from the code: python -m tools.reference --fix"]))
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
