"""Each import contract of pyproject.toml holds on a small house and fails, by name, on one deliberate violation."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from grimp.application.config import settings as grimp_settings
from importlinter import cli

ROOT = Path(__file__).parents[3]

# Earliest in the path of the data first, as ARCHITECTURE.md lists them.
DOMAINS = (
    "identity", "vault", "projects", "pricing", "emissions", "telemetry", "connections", "budgets", "accounts",
    "catalog", "subscriptions", "invoices", "payments", "receipts", "channels", "webhooks", "reports",
)  # fmt: skip

# A house as small as can be: two ordinary domains and reports, every folder, and every import direction that is allowed.
HOUSE = {
    "carbonledger": "",
    "carbonledger.kernel": "",
    "carbonledger.kernel.errors": "import enum",
    "carbonledger.kernel.ids": "import secrets, threading; from carbonledger.kernel import errors",
    "carbonledger.infra": "",
    "carbonledger.infra.db": "import os, asyncpg, sqlalchemy.ext; from carbonledger.kernel import errors",
    "carbonledger.domains": "",
    "carbonledger.domains.identity": "",
    "carbonledger.domains.identity.data": "",
    "carbonledger.domains.identity.types": "from carbonledger.kernel import errors",
    "carbonledger.domains.identity.core": "import decimal; from carbonledger.domains.identity import types",
    "carbonledger.domains.identity.tables": "import sqlalchemy",
    "carbonledger.domains.identity.store": "import sqlalchemy; from carbonledger.domains.identity import tables, types",
    "carbonledger.domains.identity.service": "from carbonledger.domains.identity import core, store",
    "carbonledger.domains.vault": "",
    "carbonledger.domains.vault.types": "from carbonledger.domains.identity import types",
    "carbonledger.domains.vault.core": "from carbonledger.domains.vault import types",
    "carbonledger.domains.vault.tables": "",
    "carbonledger.domains.vault.store": "from carbonledger.domains.vault import core, tables",
    "carbonledger.domains.vault.service": "import carbonledger.domains.identity.service; from carbonledger.domains.vault import store",
    "carbonledger.domains.reports": "",
    "carbonledger.domains.reports.store": "from carbonledger.domains.identity import tables",
    "carbonledger.adapters": "",
    "carbonledger.adapters.stripe": "import stripe; from carbonledger.domains.vault import types",
    "carbonledger.bootstrap": "from carbonledger.adapters import stripe; from carbonledger.domains.vault import service",
    "carbonledger.entrypoints": "",
    "carbonledger.entrypoints.rest": "",
    "carbonledger.entrypoints.rest.keys": "import fastapi, carbonledger.bootstrap; from carbonledger.entrypoints.shared import auth",
    "carbonledger.entrypoints.shared": "",
    "carbonledger.entrypoints.shared.auth": "import pydantic, carbonledger_proof",
    "carbonledger_client": "import httpx2, carbonledger_proof",
    "carbonledger_proof": "import hashlib, rfc8785",
    "carbonledger_proof.__main__": "import argparse, pathlib, sys, carbonledger_proof",
    "carbonledger_sandbox": "import starlette",
}

# contract, the module that sins, what it imports (`.` is short for `carbonledger.`)
FORBIDDEN_IMPORTS = [
    ("(1) client, sandbox and server", ".infra.db", "carbonledger_client"),
    ("(1) client, sandbox and server", "carbonledger_client", "carbonledger"),
    ("(1) client, sandbox and server", "carbonledger_sandbox", ".kernel.ids"),
    ("(1) client, sandbox and server", "carbonledger_client", "carbonledger_sandbox"),
    ("(1) client, sandbox and server", "carbonledger_proof", "carbonledger_client"),
    ("(1) only server and client", "carbonledger_sandbox", "carbonledger_proof"),
    ("(2) entrypoints > bootstrap", ".kernel.errors", ".infra.db"),
    ("(2) entrypoints > bootstrap", ".infra.db", ".domains.vault.types"),
    ("(2) entrypoints > bootstrap", ".domains.vault.service", ".adapters.stripe"),
    ("(2) entrypoints > bootstrap", ".adapters.stripe", ".bootstrap"),
    ("(2) entrypoints > bootstrap", ".bootstrap", ".entrypoints.rest.keys"),
    ("(3) a domain imports only", ".domains.identity.service", ".domains.vault.service"),
    ("(3) a domain imports only", ".domains.vault.store", ".domains.reports.store"),
    ("(4) inside a domain", ".domains.vault.types", ".domains.vault.core"),
    ("(4) inside a domain", ".domains.vault.core", ".domains.vault.tables"),
    ("(4) inside a domain", ".domains.vault.tables", ".domains.vault.core"),
    ("(4) inside a domain", ".domains.vault.store", ".domains.vault.service"),
    ("(5) store, tables and core", ".domains.vault.service", ".domains.identity.store"),
    ("(5) store, tables and core", ".domains.vault.service", ".domains.identity.core"),
    ("(5) store, tables and core", ".domains.vault.store", ".domains.identity.tables"),
    ("(5) store, tables and core", ".entrypoints.rest.keys", ".domains.identity.store"),
    ("(5) store, tables and core", ".domains.reports.store", ".domains.identity.store"),  # reports may read tables only
    ("(5) store, tables and core", ".bootstrap", ".domains.identity"),  # `identity.store` would follow, unseen
    ("(5) store, tables and core", ".domains.vault", ".domains.vault.service"),  # a package that hands on its modules
    ("(6) kernel, core and types", ".kernel.errors", "pydantic"),
    ("(6) kernel, core and types", ".kernel.errors", "secrets"),  # allowed in kernel.ids alone
    ("(6) kernel, core and types", ".domains.vault.core", "time"),
    ("(6) kernel, core and types", ".domains.vault.core", ".infra.db"),
    ("(6) kernel, core and types", ".domains.vault.core", ".domains.identity.service"),
    ("(6) kernel, core and types", ".domains.vault.types", "sqlalchemy"),
    ("(6) proof imports nothing", "carbonledger_proof", "socket"),
    ("(6) proof imports nothing", "carbonledger_proof", "pathlib"),  # allowed in its __main__ alone
    ("(7) only bootstrap", ".entrypoints.rest.keys", ".adapters.stripe"),
    ("(8) infra imports", ".infra.db", "boto3"),
    ("(8) infra imports", ".infra.db", "fastapi"),
    ("(8) domains import", ".domains.vault.service", "openai"),
    ("(8) domains import", ".domains.vault.service", "starlette"),
    ("(8) bootstrap imports", ".bootstrap", "stripe"),
    ("(8) entrypoints import", ".entrypoints.rest.keys", "stripe"),
    ("(8) entrypoints import", ".entrypoints.rest.keys", "asyncpg"),
    ("(8) adapters import", ".adapters.stripe", "fastapi"),
]

# contract, a module that nobody decided on
FORBIDDEN_MODULES = [
    ("(2) entrypoints > bootstrap", ".plugins"),
    ("(3) a domain imports only", ".domains.loyalty"),
    ("(4) inside a domain", ".domains.vault.mailer"),  # a sixth module
]

# the module that closes a circle, what it imports, the folder that then has a cycle
CYCLES = [
    (".entrypoints.shared.auth", ".entrypoints.rest.keys", "carbonledger.entrypoints"),
    (".kernel.errors", ".kernel.ids", "carbonledger.kernel"),
]


class FolderFinder:
    """Finds packages in one folder, so that import-linter reads the small house and not the installed one."""

    def __init__(self, source: Path) -> None:
        self.source = source

    def determine_package_directories(self, package_name: str, file_system: object) -> set[str]:
        del file_system
        return {str(self.source / package_name)}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Path]:
    for module in HOUSE:
        write(tmp_path, module, "")
    before = grimp_settings.PACKAGE_FINDER
    grimp_settings.configure(PACKAGE_FINDER=FolderFinder(tmp_path))
    yield tmp_path
    grimp_settings.configure(PACKAGE_FINDER=before)


def write(folder: Path, module: str, more: str) -> None:
    """Write a module of the house with something more in it."""
    is_package = module not in HOUSE or any(other.startswith(f"{module}.") for other in HOUSE) or "." not in module
    path = folder / (module.replace(".", "/") + ("/__init__.py" if is_package else ".py"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HOUSE.get(module, '')}\n{more}\n")


def full(module: str) -> str:
    return f"carbonledger{module}" if module.startswith(".") else module


def judge(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    return status, unwrapped(capsys.readouterr().out)


def unwrapped(text: str) -> str:
    """The report without white space: it is wrapped to the width of a terminal."""
    return "".join(text.split())


def name_of(beginning: str) -> str:
    return next(str(rule["name"]) for rule in contracts() if str(rule["name"]).startswith(beginning))


def contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(settings["tool"]["importlinter"]["contracts"])


@pytest.mark.usefixtures("house")
def test_a_house_that_keeps_the_rules_passes(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = judge(capsys)
    assert status == 0, report
    assert unwrapped("0 broken") in report


@pytest.mark.parametrize("contract,importer,imported", FORBIDDEN_IMPORTS)
def test_a_deliberate_import_fails_by_name(
    house: Path, capsys: pytest.CaptureFixture[str], contract: str, importer: str, imported: str
) -> None:
    write(house, full(importer), f"import {full(imported)}")
    status, report = judge(capsys)
    assert status == 1
    assert unwrapped(f"{name_of(contract)} BROKEN") in report
    assert unwrapped(f"{full(importer)} -> {full(imported)}") in report


@pytest.mark.parametrize("contract,module", FORBIDDEN_MODULES)
def test_a_module_that_is_not_in_the_plan_fails_by_name(
    house: Path, capsys: pytest.CaptureFixture[str], contract: str, module: str
) -> None:
    write(house, full(module), "")
    status, report = judge(capsys)
    assert status == 1
    assert unwrapped(f"{name_of(contract)} BROKEN") in report
    assert unwrapped(f"- {full(module)}") in report


@pytest.mark.parametrize("importer,imported,folder", CYCLES)
def test_a_cycle_fails_even_when_one_import_is_late(
    house: Path, capsys: pytest.CaptureFixture[str], importer: str, imported: str, folder: str
) -> None:
    write(house, full(importer), f"def late():\n    import {full(imported)}")
    status, report = judge(capsys)
    assert status == 1
    assert unwrapped(f"{name_of('(9)')} BROKEN") in report
    assert unwrapped(f"No cycles are allowed in {folder}.") in report


def test_every_contract_has_a_deliberate_violation() -> None:
    violated = {name_of(case[0]) for case in (*FORBIDDEN_IMPORTS, *FORBIDDEN_MODULES)} | {name_of("(9)")}
    assert violated == {str(rule["name"]) for rule in contracts()}


def test_the_nine_contracts_of_the_architecture_are_there() -> None:
    assert {str(rule["name"])[:3] for rule in contracts()} == {f"({number})" for number in range(1, 10)}


def test_the_listed_domains_are_those_of_the_architecture_in_its_order() -> None:
    rule = next(rule for rule in contracts() if rule["id"] == "3-domains")
    layers = rule["layers"]
    assert isinstance(layers, list)
    assert tuple(str(layer).strip("()") for layer in reversed(layers)) == DOMAINS


def test_every_domain_folder_is_in_the_list() -> None:
    folders = {path.name for path in (ROOT / "src/carbonledger/domains").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(DOMAINS)
