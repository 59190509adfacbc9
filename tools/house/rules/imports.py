"""How modules are imported, beyond who may import whom (that is import-linter's)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.house.rule import Rule
from tools.house.source import Source

OURS = ("carbonledger", "carbonledger_client", "carbonledger_proof", "carbonledger_sandbox", "tools")
DYNAMIC = frozenset({"importlib.import_module", "importlib.util.spec_from_file_location", "builtins.__import__", "__import__"})


class PrivateImport(Rule):
    """A name with an underscore is free to change; an import from another package nails it down without its owner knowing."""

    name = "private-import"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src", "tools", "benchmarks", "migrations", "dev.py")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for node in source.nodes(ast.ImportFrom):
            if node.level > 1:
                yield node.lineno, "a relative import that climbs out of its package: write the whole name"
            module = absolute(source, node)
            for name in node.names:
                path = f"{module}.{name.name}"
                if is_ours(module) and not is_neighbour(source, path):
                    yield node.lineno, f"{path} is private to its package"
        for plain in source.nodes(ast.Import):
            for name in plain.names:
                if is_ours(name.name) and not is_neighbour(source, name.name):
                    yield plain.lineno, f"{name.name} is private to its package"


class ImportModules(Rule):
    """`from x import function` hides at the call where a name comes from, and can't be replaced in a test.

    Across packages a module is imported, not a function or a value; classes and `types` modules are excepted, so is one's own package.
    """

    name = "import-modules"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src", "tools")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        package = source.module if source.path.name == "__init__.py" else source.module.rpartition(".")[0]
        for node in source.nodes(ast.ImportFrom):
            module = absolute(source, node)
            if not is_ours(module) or module.split(".")[-1] == "types" or f"{module}.".startswith(f"{package}."):
                continue
            for name in node.names:
                if not is_module(source, f"{module}.{name.name}") and not name.name[0].isupper():
                    yield node.lineno, f"{name.name} comes from another package: import the module {module}"


class DynamicImport(Rule):
    """An import by a string is invisible to the import contracts."""

    name = "dynamic-import"

    def applies(self, source: Source) -> bool:
        return source.is_python and source.is_under("src")

    def check(self, source: Source) -> Iterator[tuple[int, str]]:
        for call in source.nodes(ast.Call):
            name = source.name_of(call.func)
            if name in DYNAMIC:
                yield call.lineno, f"{name}: the import contracts can't see what this imports"


def absolute(source: Source, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    package = source.module if source.path.name == "__init__.py" else source.module.rpartition(".")[0]
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def is_neighbour(source: Source, imported: str) -> bool:
    """Whether every private part of the imported path lies in a package that the file belongs to."""
    parts = imported.split(".")
    for position, part in enumerate(parts):
        if part.startswith("_") and not part.startswith("__"):
            owner = ".".join(parts[:position])
            if source.module != owner and not source.module.startswith(f"{owner}."):
                return False
    return True


def is_module(source: Source, name: str) -> bool:
    path = name.replace(".", "/")
    return any((source.root / base / f"{path}.py").exists() or (source.root / base / path).is_dir() for base in ("src", "."))
