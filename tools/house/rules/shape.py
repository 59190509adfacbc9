"""Names, docstrings and sizes of files and functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

FILE_LINES = 400
FUNCTION_LINES = 60
VAGUE = re.compile(r"^(\w+_)?(utils?|helpers?|commons?|managers?|misc)$")
SHIPPED = ("src", "tools", "benchmarks", "dev.py")


class VagueName(Rule):
    """A module called `utils` or `manager` has no reason to refuse anything, so everything ends up in it."""

    name = "vague-name"

    def applies(self, source: Source) -> bool:
        return source.is_python

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for part in source.path.with_suffix("").parts:
            if VAGUE.match(part):
                yield 1, f"{part!r} says nothing: name the module for what it owns"


class ModuleDocstring(Rule):
    """Without a sentence on what a module owns and doesn't, the next reader puts things where they don't belong."""

    name = "module-docstring"

    def applies(self, source: Source) -> bool:
        return source.is_python and bool(source.tree.body)

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        if not ast.get_docstring(source.tree):
            yield 1, "no module docstring: say what it owns (and does not)"


class FileLength(Rule):
    """A file past 400 lines holds more than one idea, and nobody reads it whole."""

    name = "file-length"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under(*SHIPPED)

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        if len(source.lines) > FILE_LINES:
            yield 1, f"{len(source.lines)} lines, at most {FILE_LINES}: make it a package of the same name"


class FunctionLength(Rule):
    """A function that doesn't fit a screen hides its branches; bugs live where nobody sees both ends."""

    name = "function-length"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under(*SHIPPED)

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for function in source.functions:
            length = function_lines(function)
            if length > FUNCTION_LINES:
                yield function.lineno, f"{function.name} has {length} lines, at most {FUNCTION_LINES}"


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
