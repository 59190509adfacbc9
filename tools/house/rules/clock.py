"""Who may read the clock."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

WALL = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "datetime.date.today",
        "time.ctime",
        "time.gmtime",
        "time.localtime",
        "time.time",
        "time.time_ns",
        "uuid.uuid1",
    }
)
MONOTONIC = frozenset({"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.process_time"})
DATABASE_CLOCK = re.compile(r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)|\bCURRENT_(TIMESTAMP|DATE|TIME)\b")


class Clock(Rule):
    """Code that reads the clock can't be tested at month end, and ignores the moved clock of a sandbox organization.

    `now` is an argument; only `infra/clock.py` reads it. Monotonic clocks, which measure and don't date, are free in infra,
    adapters and entrypoints. In a domain the database's clock counts too.
    """

    name = "clock"

    def applies(self, source: Source) -> bool:
        return (
            source.is_python
            and source.is_under("src/carbonledger", "src/carbonledger_proof", "tests/unit")
            and not source.is_under("src/carbonledger/infra/clock", "tests/unit/tools", "tests/unit/infra/test_clock")
        )

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        folder = "src/carbonledger/"
        may_measure = source.is_under(f"{folder}infra", f"{folder}adapters", f"{folder}entrypoints", f"{folder}bootstrap")
        for node in (*source.nodes(ast.Attribute), *source.nodes(ast.Name)):
            name = source.name_of(node)
            if name in WALL or (name in MONOTONIC and not may_measure):
                yield node.lineno, f"{name} outside infra/clock.py: take `now` as an argument"
        if source.domain:
            yield from self.check_database_clock(source)

    def check_database_clock(self, source: Source) -> Iterator[tuple[int, str]]:
        for call in source.nodes(ast.Call):
            if source.name_of(call.func) == "sqlalchemy.func.now":
                yield call.lineno, "the database's clock in a domain: pass `now`"
        for constant in source.nodes(ast.Constant):
            if isinstance(constant.value, str) and DATABASE_CLOCK.search(constant.value) and not is_docstring(source, constant):
                yield constant.lineno, "the database's clock in a domain: pass `now`"


def is_docstring(source: Source, node: ast.Constant) -> bool:
    return isinstance(next(source.ancestors(node)), ast.Expr)
