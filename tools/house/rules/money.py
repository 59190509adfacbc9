"""Numbers on the path of money."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

KERNEL = tuple(f"src/carbonledger/kernel/{name}" for name in ("money", "quantity", "usage", "period"))
DOMAINS = frozenset(
    {
        "pricing",
        "emissions",
        "telemetry",
        "budgets",
        "accounts",
        "catalog",
        "subscriptions",
        "invoices",
        "payments",
        "receipts",
    }
)
MONEY_WORDS = re.compile(r"(^|_)(amount|balance|cost|co2e|discount|fee|price|subtotal|tax|wh)(_|$)")


class MoneyFloat(Rule):
    """A float can't hold 0.1: a cent goes missing, and a figure no longer re-computes to the same digits.

    No float, float literal or built-in `round` (which rounds half to even, and to float) in the domains that carry money, energy
    or carbon; no field named like money is a float anywhere.
    """

    name = "money-float"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        if source.domain in DOMAINS or source.is_under(*KERNEL, "src/carbonledger_proof"):
            yield from self.check_path(source)
        else:
            yield from self.check_names(source)

    def check_path(self, source: Source) -> Iterator[tuple[int, str]]:
        for name in source.nodes(ast.Name):
            if name.id == "float":
                yield name.lineno, "float on the path of money: use int or Decimal"
        for constant in source.nodes(ast.Constant):
            if isinstance(constant.value, float):
                yield constant.lineno, f'float literal {constant.value!r} on the path of money: write Decimal("{constant.value}")'
        for call in source.nodes(ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id == "round":
                yield call.lineno, "built-in round on the path of money: quantize with a named rounding"

    def check_names(self, source: Source) -> Iterator[tuple[int, str]]:
        fields = [(node.target, node.annotation) for node in source.nodes(ast.AnnAssign)]
        arguments = [(node, node.annotation) for node in source.nodes(ast.arg) if node.annotation]
        for target, annotation in (*fields, *arguments):
            name = target.arg if isinstance(target, ast.arg) else source.name_of(target)
            floats = any(isinstance(part, ast.Name) and part.id == "float" for part in ast.walk(annotation))
            if floats and MONEY_WORDS.search(name):
                yield target.lineno, f"{name} is a float: money, energy and carbon are int or Decimal"
