"""What the query rules know about SQL in Python: which strings are SQL, and which expressions can't carry input."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tools.house.source import FunctionNode, Source

# Statements are written in capitals, as in every other file; prose that begins with "Select" is not one.
STATEMENT = re.compile(
    r"^\s*(--[^\n]*\s+)*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|MERGE\s+INTO\s|WITH\s+(RECURSIVE\s+)?\w+\s+(\([^)]*\)\s+)?AS\s"
    r"|COPY\s+\S|TRUNCATE\s|LOCK\s+TABLE\s"
    r"|(CREATE|ALTER|DROP)\s+(TEMP|TABLE|INDEX|UNIQUE|VIEW|FUNCTION|POLICY|ROLE|DATABASE|SCHEMA|TRIGGER|TYPE|SEQUENCE|OR\s+REPLACE)"
    r"|(GRANT|REVOKE)\s+\w+[\s\S]*\s(ON|TO|FROM)\s|SET\s+(LOCAL|ROLE|SESSION)\s|NOTIFY\s+\w|LISTEN\s+\w)"
)
TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(?:ONLY\s+|LATERAL\s+)?([a-z_][a-z0-9_.]*)(?!\s*\(|[a-z0-9_.])")

DEPTH_MAX = 8  # names that lead in a circle are nobody's constant


def strings(source: Source) -> Iterator[tuple[int, str, ast.Constant | ast.JoinedStr]]:
    """Line, text and node of every string and f-string (its holes written as `{}`), docstrings left out."""
    for joined in source.nodes(ast.JoinedStr):
        yield joined.lineno, constant_text(joined), joined
    for constant in source.nodes(ast.Constant):
        if isinstance(constant.value, str) and not isinstance(next(source.ancestors(constant)), ast.Expr | ast.JoinedStr):
            yield constant.lineno, constant.value, constant


def constant_text(node: ast.expr) -> str:
    """The text of a string expression as far as it is written in the code."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else "{}"
    if isinstance(node, ast.JoinedStr):
        return "".join(constant_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return constant_text(node.left) + constant_text(node.right)
    return "{}"


class Constants:
    """Which expressions of a file are made of nothing but its constants."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.bindings: defaultdict[tuple[FunctionNode | None, str], list[ast.expr | None]] = defaultdict(list)
        for node in source.nodes(ast.Assign):
            for target in node.targets:
                self.bind(target, node.value)
        for annotated in source.nodes(ast.AnnAssign):
            self.bind(annotated.target, annotated.value)
        for loop in source.nodes(ast.For):
            self.bind(loop.target, loop.iter)
        for comprehension in source.nodes(ast.comprehension):
            self.bind(comprehension.target, comprehension.iter)
        for function in source.functions:
            arguments = function.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
                if argument is not None:
                    self.bindings[function, argument.arg].append(None)

    def bind(self, target: ast.expr, value: ast.expr | None) -> None:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        for name in names:
            if isinstance(name, ast.Name):
                self.bindings[self.source.function_around(target), name.id].append(value)

    def is_constant(self, node: ast.expr | None, *, depth: int = 0) -> bool:
        """Whether the value can only be one that is written in the code."""
        if depth > DEPTH_MAX:
            return False
        match node:
            case ast.Name():
                constant = self.is_constant_name(node, depth)
            case ast.Attribute():
                constant = node.attr.isupper()
            case ast.Call():
                constant = self.is_constant_call(node, depth)
            case ast.IfExp():
                constant = self.all_constant([node.body, node.orelse], depth)
            case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp() | ast.Tuple() | ast.List() | ast.Set() | ast.Starred():
                constant = self.all_constant([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)], depth)
            case _:
                constant = isinstance(node, ast.Constant)
        return constant

    def all_constant(self, nodes: list[ast.expr], depth: int) -> bool:
        return all(self.is_constant(node, depth=depth + 1) for node in nodes)

    def is_constant_name(self, name: ast.Name, depth: int) -> bool:
        if name.id.strip("_").isupper():
            return True
        for scope in (self.source.function_around(name), None):
            values = self.bindings.get((scope, name.id))
            if values:
                return all(self.is_constant(value, depth=depth + 1) for value in values)
        return False

    def is_constant_call(self, call: ast.Call, depth: int) -> bool:
        """`", ".join(COLUMNS)`, `sorted(NAMES)` and the like; and what a quoting function returns."""
        function = call.func
        called = function.attr if isinstance(function, ast.Attribute) else self.source.name_of(function)
        if called.startswith("quote_"):
            return True
        if isinstance(function, ast.Attribute) and called in {"join", "format", "lower", "upper"}:
            return self.all_constant([function.value, *call.args], depth)
        comprehensions = [argument for argument in call.args if isinstance(argument, ast.GeneratorExp)]
        return (
            called in {"enumerate", "range", "reversed", "sorted", "zip", "len"}
            and not comprehensions
            and self.all_constant(call.args, depth)
        )
