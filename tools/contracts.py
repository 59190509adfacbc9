"""Contract types of our own for import-linter, where its built-in ones can't say what ARCHITECTURE.md says.

Owns three types: `private_modules` (a domain's inner modules stay inside it, for every domain that will ever be added), `pure` (an
allow-list instead of a list of known sins) and `packages` (which foreign packages a folder may import). The contracts themselves are
in pyproject.toml.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.domain import helpers
from importlinter.domain.imports import ImportExpression, ModuleExpression


class Violation(NamedTuple):
    importer: str
    imported: str
    line_number: int
    why: str


class DirectImportContract(Contract):
    """Base of contracts that judge one import at a time."""

    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - import-linter's signature
        del verbose
        contract_utils.remove_ignored_imports(
            graph, cast("list[ImportExpression] | None", self.ignore_imports), contract_utils.AlertLevel.NONE
        )
        violations = sorted(set(self.violations(graph)))
        return ContractCheck(kept=not violations, metadata={"violations": violations})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for violation in check.metadata["violations"]:
            where = f"{violation.importer} -> {violation.imported} (l.{violation.line_number})"
            output.print_error(f"- {where}: {violation.why}", bold=False)
        output.new_line()

    def violations(self, graph: ImportGraph) -> Iterator[Violation]:
        raise NotImplementedError

    def modules(self, graph: ImportGraph, expressions: object) -> set[str]:
        """The modules that the expressions name and those below them; an expression may match none yet."""
        known = [
            expression
            for expression in cast("Iterable[ModuleExpression]", expressions)
            if expression.has_wildcard_expression() or expression.expression in graph.modules
        ]
        return {module.name for module in helpers.module_expressions_to_modules(graph, known, as_packages=True)}

    def is_foreign(self, module: str) -> bool:
        return module.partition(".")[0] not in self.session_options["root_packages"]


def imports_of(graph: ImportGraph, importer: str) -> Iterator[tuple[str, int]]:
    """Each direct import of a module with its first line."""
    for imported in graph.find_modules_directly_imported_by(importer):
        details = graph.get_import_details(importer=importer, imported=imported)
        yield imported, min((detail["line_number"] for detail in details), default=0)


class PrivateModulesContract(DirectImportContract):
    """A child of `container` shows `front` to the rest; every other module of it, and the bare package, is its own affair."""

    container = fields.StringField()
    front = fields.SetField(subfield=fields.StringField())

    def violations(self, graph: ImportGraph) -> Iterator[Violation]:
        container = cast("str", self.container)
        front = cast("set[str]", self.front)
        for owner in graph.find_children(container):
            inside = {owner} | graph.find_descendants(owner)
            fronts = tuple(f"{owner}.{name}" for name in front)
            private = {module for module in inside if not is_below(module, fronts)}
            for module in private:
                for importer in graph.find_modules_that_directly_import(module) - inside:
                    line = first_line(graph, importer, module)
                    yield Violation(importer, module, line, f"only {', '.join(sorted(front))} of {owner} may be imported from outside")
            for imported, line in imports_of(graph, owner):
                yield Violation(owner, imported, line, "the package of a domain imports nothing, it would hide who imports what")


class PureContract(DirectImportContract):
    """Modules without side effects: they import each other and the `allowed` foreign packages, nothing else."""

    pure_modules = fields.ListField(subfield=fields.ModuleExpressionField())
    allowed = fields.SetField(subfield=fields.StringField())

    def violations(self, graph: ImportGraph) -> Iterator[Violation]:
        pure = self.modules(graph, self.pure_modules)
        allowed = cast("set[str]", self.allowed)
        for importer in pure:
            for imported, line in imports_of(graph, importer):
                if imported not in pure and imported not in allowed:
                    yield Violation(importer, imported, line, f"{imported} is not pure")


class PackagesContract(DirectImportContract):
    """Which foreign packages, besides the standard library, the `source_modules` may import."""

    source_modules = fields.ListField(subfield=fields.ModuleExpressionField())
    allowed = fields.SetField(subfield=fields.StringField())

    def violations(self, graph: ImportGraph) -> Iterator[Violation]:
        allowed = cast("set[str]", self.allowed) | sys.stdlib_module_names
        for importer in self.modules(graph, self.source_modules):
            for imported, line in imports_of(graph, importer):
                if self.is_foreign(imported) and imported.partition(".")[0] not in allowed:
                    yield Violation(importer, imported, line, f"{imported} is not among the packages this folder may import")


def is_below(module: str, roots: Collection[str]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def first_line(graph: ImportGraph, importer: str, imported: str) -> int:
    return min((detail["line_number"] for detail in graph.get_import_details(importer=importer, imported=imported)), default=0)
