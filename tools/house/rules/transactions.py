"""Who may end a transaction."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

ENDS = re.compile(r"^\s*(COMMIT|ROLLBACK)(\s+(WORK|TRANSACTION|PREPARED))?\s*;?\s*$|;\s*(COMMIT|ROLLBACK)\s*;?\s*$", re.IGNORECASE)


class Commit(Rule):
    """A commit in the middle of a request makes half of its facts permanent, and row-level security forgets the tenant.

    Only the unit of work in `infra/db` ends a transaction.
    """

    name = "commit"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src/carbonledger") and not source.is_under("src/carbonledger/infra/db")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for call in source.nodes(ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback"}:
                yield call.lineno, f".{call.func.attr}() outside infra/db: the unit of work ends the transaction"
            for argument in call.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and ENDS.search(argument.value):
                    yield argument.lineno, "raw COMMIT or ROLLBACK outside infra/db: the unit of work ends the transaction"
