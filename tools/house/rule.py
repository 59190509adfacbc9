"""What a rule is, what it finds, and how a finding is allowed in place."""

from __future__ import annotations

import inspect
import io
import re
import tokenize
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tools.house.source import Source

ALLOW = re.compile(r"house: allow (?P<rule>[a-z-]+)(?: - (?P<reason>.*\S))?")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Rule(ABC):
    """Base of all rules. The docstring of a rule names the harm that it prevents."""

    name: ClassVar[str]

    @abstractmethod
    def applies(self, source: Source) -> bool:
        """Whether the rule speaks about this file."""

    @abstractmethod
    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        """Yield line and message of each violation."""

    @classmethod
    def harm(cls) -> str:
        return inspect.cleandoc(cls.__doc__ or "")


@dataclass(slots=True)
class Allowance:
    """One `house: allow` comment."""

    line: int
    rule: str
    reason: str | None
    alone: bool  # on a line of its own it speaks for the next line of code
    used: bool = False

    def covers(self, finding: Finding, source: Source) -> bool:
        if self.rule != finding.rule:
            return False
        return finding.line == self.line or (self.alone and finding.line == next_code_line(source, self.line))


def next_code_line(source: Source, line: int) -> int:
    """The first line after `line` that isn't a comment."""
    following = line + 1
    while following <= len(source.lines) and source.lines[following - 1].lstrip().startswith("#"):
        following += 1
    return following


def allowances(source: Source) -> list[Allowance]:
    if "house: allow" not in source.text:
        return []
    if not source.is_python:
        return [allowance for number, line in enumerate(source.lines, 1) for allowance in read_allowances(number, line, alone=False)]
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            alone = token.line.lstrip().startswith("#")
            found += read_allowances(token.start[0], token.string, alone=alone)
    return found


def read_allowances(line: int, text: str, *, alone: bool) -> list[Allowance]:
    return [Allowance(line=line, rule=match["rule"], reason=match["reason"], alone=alone) for match in ALLOW.finditer(text)]


def judge(source: Source, rules: tuple[Rule, ...], *, known: frozenset[str]) -> list[Finding]:
    """The findings of `rules` in a file, without the allowed ones, with allowances that are wrong (`known` names every rule)."""
    path = str(source.path)
    found = [Finding(path, line, rule.name, message) for rule in rules if rule.applies(source) for line, message in rule.check(source)]
    comments = allowances(source)
    left = []
    for finding in found:
        covering = [comment for comment in comments if comment.covers(finding, source)]
        for comment in covering:
            comment.used = True
        if not covering:
            left.append(finding)
    return sorted(left + [Finding(path, comment.line, "allowance", why) for comment in comments for why in wrong(comment, known)])


def wrong(comment: Allowance, known: frozenset[str]) -> Iterator[str]:
    if comment.rule not in known:
        yield f"there is no rule {comment.rule!r}"
    elif comment.reason is None:
        yield f"say why: `house: allow {comment.rule} - <reason>`"
    elif not comment.used:
        yield f"nothing here breaks {comment.rule!r}; remove the comment"
