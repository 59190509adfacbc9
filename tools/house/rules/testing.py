"""Tests that wait, skip or check nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import FunctionNode, Source

SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep"})
SKIPS = re.compile(r"^(pytest\.(skip|xfail|importorskip)|pytest\.mark\.(skip|skipif|xfail)|unittest\.(skip\w*|expectedFailure))$")
CHECKS = re.compile(r"(^|[._])(assert|check|expect|raises|warns|fail|validate|verify)", re.IGNORECASE)


class SleepInTest(Rule):
    """A test that sleeps is slow on a fast machine and fails on a slow one; wait for the condition, with a deadline."""

    name = "sleep-in-test"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("tests")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for call in source.nodes(ast.Call):
            name = source.name_of(call.func)
            only_yields = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
            if name in SLEEPS and not only_yields:
                yield call.lineno, f"{name} in a test: wait for the condition, with a deadline"


class SkippedTest(Rule):
    """A skipped test is green and says nothing. The marker `requires(component)`, which fails on CI, is the one way to skip."""

    name = "skipped-test"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("tests")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for node in source.nodes(ast.Attribute):
            if SKIPS.match(source.name_of(node)) and not self.is_marker(source, node):
                yield node.lineno, "a skip in a test: use the marker requires(component), or make it pass"

    def is_marker(self, source: Source, node: ast.AST) -> bool:
        """Whether the skip is the one behind the marker."""
        function = source.function_around(node)
        return source.is_under("tests/conftest") and function is not None and function.name == "pytest_runtest_setup"


class ChecksNothing(Rule):
    """A test without a check passes whatever the code does, and counts as covered."""

    name = "checks-nothing"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("tests") and source.path.name.startswith("test_")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        checking = {function.name for function in source.functions if checks(function, frozenset())}
        for function in source.functions:
            if function.name.startswith("test_") and not checks(function, frozenset(checking)):
                yield function.lineno, f"{function.name} checks nothing"


def checks(function: FunctionNode, checking: frozenset[str]) -> bool:
    """Whether a function asserts, itself or through a function that is known to."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if CHECKS.search(name) or name in checking:
                return True
    return False
