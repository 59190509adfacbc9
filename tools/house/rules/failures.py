"""Errors that disappear, and output that goes past the log."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

BROAD = frozenset({"BaseException", "Exception", "builtins.BaseException", "builtins.Exception"})
LOG_METHODS = frozenset({"critical", "debug", "error", "exception", "info", "log", "warning"})
COMMAND_LINES = (
    "src/carbonledger/entrypoints/cli",
    "src/carbonledger_client/cli",
    "src/carbonledger_proof/__main__",
    "src/carbonledger_sandbox/__main__",
)
STREAMS = frozenset({"sys.stdout.write", "sys.stderr.write", "pprint.pprint"})


class SwallowedError(Rule):
    """An error that nobody hears of becomes a wrong number, days later, far from its cause.

    A broad handler raises, logs, or uses the error it caught; a handler that does nothing says in a comment why nothing is right.
    """

    name = "swallowed-error"

    def applies(self, source: Source) -> bool:
        return source.is_python

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for handler in source.nodes(ast.ExceptHandler):
            caught = [source.name_of(kind) for kind in caught_types(handler)]
            if handler.type is None or any(name in BROAD for name in caught):
                if not hears(handler):
                    yield handler.lineno, "a broad except that neither raises, logs nor uses the error"
            elif does_nothing(handler) and not has_comment(source, handler):
                yield handler.lineno, "an error is ignored: say why in a comment"
        for call in source.nodes(ast.Call):
            if source.name_of(call.func) == "contextlib.suppress" and any(source.name_of(kind) in BROAD for kind in call.args):
                yield call.lineno, "suppress() of every error: name the one that is expected"


class PrintOutsideCli(Rule):
    """A print in the service has no level, no request id and no redaction: it may show a secret and nobody can search it."""

    name = "print"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src") and not source.is_under(*COMMAND_LINES)

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for call in source.nodes(ast.Call):
            name = source.name_of(call.func)
            if name in {"print", "builtins.print"} or name in STREAMS:
                yield call.lineno, f"{name} outside a command line: use the log"


def caught_types(handler: ast.ExceptHandler) -> list[ast.expr]:
    if handler.type is None:
        return []
    return handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]


def hears(handler: ast.ExceptHandler) -> bool:
    for statement in handler.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS:
                return True
            if handler.name and isinstance(node, ast.Name) and node.id == handler.name:
                return True
    return False


def does_nothing(handler: ast.ExceptHandler) -> bool:
    return all(
        isinstance(statement, ast.Pass | ast.Continue) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in handler.body
    )


def has_comment(source: Source, handler: ast.ExceptHandler) -> bool:
    return any("#" in line for line in source.lines[handler.lineno - 1 : handler.end_lineno])
