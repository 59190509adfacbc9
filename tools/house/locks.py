"""The two lock files against pyproject.toml and against each other: nothing unpinned, nothing unhashed, nothing pinned twice."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools.house.rule import Finding

RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def findings(root: Path) -> list[Finding]:
    runtime, development = (root / RUNTIME).read_text(), (root / DEVELOPMENT).read_text()
    project = tomllib.loads((root / "pyproject.toml").read_text())
    return [
        *(Finding(RUNTIME, 1, "locks", why) for why in check(runtime, required(project["project"]["dependencies"]))),
        *(Finding(DEVELOPMENT, 1, "locks", why) for why in check(development, required(development_dependencies(project)))),
        *(Finding(DEVELOPMENT, 1, "locks", why) for why in differences(runtime, development)),
    ]


def check(lock: str, needed: set[str]) -> Iterator[str]:
    blocks = [block for block in re.split(r"\n(?=[A-Za-z0-9])", lock) if PIN.match(block)]
    for block in blocks:
        if "--hash=sha256:" not in block:
            yield f"{block.split()[0]} has no hash; run `python3 dev.py lock`"
    for name in sorted(needed - pins(lock).keys()):
        yield f"{name} is in pyproject.toml but not locked; run `python3 dev.py lock`"


def differences(runtime: str, development: str) -> Iterator[str]:
    """What runs and what is tested are the same versions."""
    tested = pins(development)
    for name, versions in pins(runtime).items():
        if tested.get(name) != versions:
            yield f"{name} is {versions} in {RUNTIME} and {tested.get(name)} here; run `python3 dev.py lock`"


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for match in PIN.finditer(lock):
        found.setdefault(normal(match["name"]), set()).add(match["version"])
    return found


def development_dependencies(project: dict[str, dict[str, object]]) -> list[object]:
    extras = project["project"].get("optional-dependencies", {})
    groups = project.get("dependency-groups", {})
    lists = [*(extras.values() if isinstance(extras, dict) else ()), *groups.values()]
    return [requirement for requirements in lists if isinstance(requirements, list) for requirement in requirements]


def required(requirements: list[object]) -> set[str]:
    return {normal(match.group()) for match in (NAME.match(str(requirement)) for requirement in requirements) if match}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
