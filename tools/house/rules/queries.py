"""Where SQL stands, whose rows it touches, and what may be put into it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from tools.house import sql
from tools.house.rule import Rule
from tools.house.source import Source

TENANT = "organization_id"
STATEMENTS = frozenset({"sqlalchemy.select", "sqlalchemy.update", "sqlalchemy.delete"})
METHODS = frozenset({"select", "update", "delete"})


class TenantQuery(Rule):
    """A query without its organization reads or changes another tenant's rows on the day row-level security is not there.

    In a store each SELECT, UPDATE and DELETE on a tenant table names `organization_id`, as Core expression or in raw SQL.
    """

    name = "tenant-query"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.domain_module == "store"

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        globals_ = global_tables(source)
        for call in source.nodes(ast.Call):
            is_query = source.name_of(call.func) in STATEMENTS or is_table_method(call)
            if is_query and not names_tenant(source, call) and not only_global(call, globals_):
                yield call.lineno, f"a query without {TENANT}: filter by the organization"
        for line, text, node in sql.strings(source):
            if sql.STATEMENT.match(text) and TENANT not in text and not adds_tenant(source, node):
                touched = {name for name in sql.TABLE.findall(text) if name not in globals_}
                if touched:
                    yield line, f"SQL on {', '.join(sorted(touched))} without {TENANT}: filter by the organization"


class SqlOutsideStore(Rule):
    """SQL at the edges escapes the tenant rule, the review of a domain's store, and every test of it."""

    name = "sql-outside-store"

    def applies(self, source: Source) -> bool:
        if not source.is_python or not source.is_under("src/carbonledger") or source.is_under("src/carbonledger/infra"):
            return False
        return source.domain_module not in {"store", "tables"}

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for line, text, _ in sql.strings(source):
            if sql.STATEMENT.match(text):
                yield line, "SQL outside a store: move it into the store of its domain, or into infra"


class SqlInterpolation(Rule):
    """Text put into SQL is an injection as soon as somebody else decides the text.

    f-strings, `%`, `+` and `format` may put only constants of the code (capitals, literals, `quote_…()`) into SQL; values are arguments.
    Migrations, which no input reaches, and the `infra/ddl.py` that they call write SQL from arguments.
    """

    name = "sql-interpolation"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src") and not source.is_under("src/carbonledger/infra/ddl")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        constants = sql.Constants(source)
        for line, text, values in built_strings(source):
            if sql.STATEMENT.match(text) and not all(constants.is_constant(value) for value in values):
                yield line, "SQL with a value in it: pass it as an argument ($1)"


class ReportsReadOnly(Rule):
    """Reports look across all domains; a write there would change facts behind the back of the domain that owns them."""

    name = "reports-read-only"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.domain == "reports"

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for call in source.nodes(ast.Call):
            if source.name_of(call.func) in {"sqlalchemy.insert", "sqlalchemy.update", "sqlalchemy.delete"}:
                yield call.lineno, "reports only read"
        for line, text, _ in sql.strings(source):
            if sql.STATEMENT.match(text) and any(word in text for word in ("INSERT INTO", "DELETE FROM", "UPDATE ", "MERGE INTO")):
                yield line, "reports only read"


def built_strings(source: Source) -> Iterator[tuple[int, str, list[ast.expr]]]:
    """Every string that is put together: its line, what of it stands in the code, and the expressions it is made of."""
    for joined in source.nodes(ast.JoinedStr):
        yield joined.lineno, sql.constant_text(joined), [joined]
    for operation in source.nodes(ast.BinOp):
        if not isinstance(next(source.ancestors(operation)), ast.BinOp):
            yield operation.lineno, sql.constant_text(operation), [operation]
    for call in source.nodes(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "format":
            yield call.lineno, sql.constant_text(call.func.value), [*call.args, *(keyword.value for keyword in call.keywords)]


def is_table_method(call: ast.Call) -> bool:
    """`tables.members.select()`: a statement made by the table itself (a dict's `update` has a bare name before it)."""
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in METHODS
        and isinstance(function.value, ast.Attribute)
        and isinstance(function.value.value, ast.Name)
        and function.value.value.id == "tables"
    )


def names_tenant(source: Source, call: ast.Call) -> bool:
    """Whether the statement around `call` names the organization, at once or where the same function adds to it."""
    if mentions_tenant(chain_around(source, call)):
        return True
    outer = chain_around(source, call)
    parent = next(source.ancestors(outer))
    if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
        return False
    name, function = parent.targets[0].id, source.function_around(call)
    return function is not None and any(
        uses(node, name) and mentions_tenant(node) for node in ast.walk(function) if isinstance(node, ast.Call)
    )


def chain_around(source: Source, call: ast.Call) -> ast.expr:
    """The whole of `select(t).where(…).order_by(…)`, from the call that begins it."""
    whole: ast.expr = call
    for outer in source.ancestors(call):
        if isinstance(outer, ast.Attribute) or (isinstance(outer, ast.Call) and outer.func is whole):
            whole = outer
        else:
            break
    return whole


def uses(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))


def mentions_tenant(node: ast.AST) -> bool:
    for inner in ast.walk(node):
        words = (getattr(inner, "attr", ""), getattr(inner, "id", ""), getattr(inner, "arg", ""), getattr(inner, "value", ""))
        if any(isinstance(word, str) and TENANT in word for word in words):
            return True
    return False


def adds_tenant(source: Source, node: ast.expr) -> bool:
    """Whether the SQL string is part of a larger one that names the organization."""
    joined = next((outer for outer in source.ancestors(node) if isinstance(outer, ast.JoinedStr | ast.BinOp)), None)
    return joined is not None and mentions_tenant(joined)


def only_global(call: ast.Call, globals_: frozenset[str]) -> bool:
    """Whether every table that the statement names is a global one."""
    owner = [call.func.value] if is_table_method(call) and isinstance(call.func, ast.Attribute) else []
    nodes = [inner for argument in (*call.args, *owner) for inner in ast.walk(argument)]
    tables = {inner.attr for inner in nodes if isinstance(inner, ast.Attribute) and getattr(inner.value, "id", "") == "tables"}
    return bool(tables) and tables <= globals_


def global_tables(source: Source) -> frozenset[str]:
    """Names, in Python and in SQL, of the tables that the domain of the file declares with `global_table`."""
    domain = source.root / "src/carbonledger/domains" / (source.domain or "")
    files = [*domain.glob("tables.py"), *domain.glob("tables/*.py")]
    return frozenset(name for file in files for name in declared_global(file.read_text()))


@functools.cache
def declared_global(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Assign(targets=[ast.Name(id=python_name)], value=ast.Call(func=ast.Attribute(attr="global_table"), args=[first, *_])):
                names += [python_name, sql.constant_text(first)]
            case _:
                continue
    return tuple(names)
