"""One file as the rules see it: its place in the repository, its syntax tree by node type, and names resolved through imports."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

NodeT = TypeVar("NodeT", bound=ast.AST)
ROOT = Path(__file__).parents[2]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """A file's path (relative to the repository at `root`) and text; Python files have a tree too."""

    path: PurePosixPath
    text: str
    root: Path = ROOT

    @functools.cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def is_python(self) -> bool:
        return self.path.suffix == ".py"

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    def is_under(self, *places: str) -> bool:
        """Whether the file is one of these places: a file, a folder, or a module that may be either (`infra/db`)."""
        text = str(self.path)
        return any(text in {place, f"{place}.py"} or text.startswith(f"{place}/") for place in places)

    @property
    def domain(self) -> str | None:
        """The name of the domain that the file belongs to."""
        parts = self.path.parts
        return parts[3] if parts[:3] == ("src", "carbonledger", "domains") and len(parts) > 4 else None  # noqa: PLR2004 - path depth

    @property
    def domain_module(self) -> str | None:
        """Which of the five modules of its domain the file is, or is part of."""
        return self.path.parts[4].removesuffix(".py") if self.domain else None

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported."""
        parts = self.path.with_suffix("").parts
        parts = parts[1:] if parts[0] == "src" else parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @functools.cached_property
    def _by_type(self) -> dict[type[ast.AST], list[ast.AST]]:
        found: defaultdict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        for node in ast.walk(self.tree):
            found[type(node)].append(node)
        return found

    def nodes(self, *kinds: type[NodeT]) -> Iterator[NodeT]:
        """Every node of these exact types."""
        for kind in kinds:
            yield from self._by_type.get(kind, ())  # type: ignore[misc]  # the index is keyed by the type it holds

    @property
    def functions(self) -> Iterator[FunctionNode]:
        yield from self.nodes(ast.FunctionDef)
        yield from self.nodes(ast.AsyncFunctionDef)

    @functools.cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)}

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        while node in self._parents:
            node = self._parents[node]
            yield node

    def function_around(self, node: ast.AST) -> FunctionNode | None:
        return next((outer for outer in self.ancestors(node) if isinstance(outer, FunctionNode)), None)

    @functools.cached_property
    def _aliases(self) -> dict[str, str]:
        aliases: dict[str, str] = {}
        for node in self.nodes(ast.Import):
            for name in node.names:
                aliases[name.asname or name.name.partition(".")[0]] = name.name if name.asname else name.name.partition(".")[0]
        for imported in self.nodes(ast.ImportFrom):
            for name in imported.names:
                if imported.module and imported.level == 0:
                    aliases[name.asname or name.name] = f"{imported.module}.{name.name}"
        return aliases

    def name_of(self, node: ast.AST) -> str:
        """The dotted name that an expression means, imports resolved: `dt.now` is `datetime.datetime.now`; else empty."""
        if isinstance(node, ast.Name):
            return self._aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.name_of(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""
