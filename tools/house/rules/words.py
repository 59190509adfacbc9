"""Words that belong to one machine and not to the project."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

# The one-letter classes keep this file from breaking its own rule.
MACHINE = re.compile(r"(?<![\w.$}>)])/(?:wor[k]|roo[t])(?:/|\b(?=[\"'`\s]))|\.\./share[d]\b")
ADDRESS = re.compile(r"https?://|--(?:extra-)?index-url|--find-links|\bfile:")


class MachineWords(Rule):
    """A path of the machine that built it means nothing, or something else, on every other."""

    name = "machine-words"

    def applies(self, source: Source) -> bool:
        return bool(source.path.name)

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        if MACHINE.search(source.text) is None:
            return
        for number, line in enumerate(source.lines, 1):
            found = MACHINE.search(line)
            if found:
                yield number, f"{found.group().strip()} is a path of one machine"


class LockedHosts(Rule):
    """An address in a lock file sends every installation to one host, or fails where that host can't be reached."""

    name = "locked-hosts"

    def applies(self, source: Source) -> bool:
        return source.path.suffix == ".lock"

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(source.lines, 1):
            if ADDRESS.search(line):
                yield number, "a lock file names packages and hashes, never an address"
