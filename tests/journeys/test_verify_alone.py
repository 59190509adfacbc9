"""An auditor installs ``carbonledger-proof`` alone, offline, and verifies with it: no server, no other package than the two it names."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "packages" / "proof"
FIXTURES = ROOT / "tests" / "fixtures" / "proof"
TIMEOUT_S = 120


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, timeout=TIMEOUT_S, capture_output=True)
    [built] = folder.glob("carbonledger_proof-*.whl")
    return built


def requirements_of(name: str) -> list[Requirement]:
    found = map(Requirement, importlib.metadata.requires(name) or ())
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]


def copy_installed(name: str, site: Path) -> None:
    """Copy a package that is installed here, and what it requires, as pip would have unpacked them."""
    for required in requirements_of(name):
        copy_installed(required.name, site)
    for file in importlib.metadata.files(name) or ():
        source = Path(str(file.locate()))
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_bytes(source.read_bytes())


@pytest.fixture(name="python", scope="module")
def _python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own, in which the wheel and what it names are unpacked, and nothing else."""
    place = tmp_path_factory.mktemp("auditor") / "venv"
    venv.create(place, symlinks=True, with_pip=False)
    [site] = place.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        for text in message_from_bytes(archive.read(next(name for name in archive.namelist() if name.endswith("METADATA")))).get_all(
            "Requires-Dist", []
        ):
            copy_installed(Requirement(text).name, site)
        archive.extractall(site)
    return place / "bin" / "python"


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-I", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=python.parent, env={}
    )


def test_the_wheel_holds_the_one_package_and_names_two_others(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        told = message_from_bytes(archive.read(next(name for name in names if name.endswith("METADATA"))))
    own = {name.split("/")[0] for name in names}
    assert own == {"carbonledger_proof", next(name for name in own if name.endswith(".dist-info"))}
    sources = {path.name for path in (ROOT / "src" / "carbonledger_proof").iterdir() if path.suffix in {".py", ".typed"}}
    assert {name.split("/")[1] for name in names if name.startswith("carbonledger_proof/")} == sources
    assert [Requirement(text).name for text in told.get_all("Requires-Dist", [])] == ["cryptography", "rfc8785"]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_three_distributions_are_of_one_version() -> None:
    versions = {re.search(r'^version = "(.+)"$', (folder / "pyproject.toml").read_text(), re.MULTILINE) for folder in (ROOT, PROJECT)}
    assert len({found[1] for found in versions if found}) == 1


@pytest.mark.parametrize("name", ["carbon-ledger-bundle.json", "receipt.pdf", "event-proof.json"])
def test_an_auditor_verifies_with_nothing_else_installed(python: Path, name: str) -> None:
    done = run(python, "-m", "carbonledger_proof", str(FIXTURES / name))
    assert done.stderr == ""
    assert done.returncode == 0
    assert "VERIFIED: all checks hold." in done.stdout


def test_a_tampered_file_fails_there_too(python: Path, tmp_path: Path) -> None:
    for name in ("carbon-ledger-bundle.json", "receipt.pdf", "event-proof.json"):
        content = bytearray((FIXTURES / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
        done = run(python, "-m", "carbonledger_proof", str(tmp_path / name))
        assert done.returncode == 1
        assert "NOT VERIFIED" in done.stdout


def test_it_opens_no_connection_and_asks_no_clock(python: Path) -> None:
    """Every module is loaded, with the doors shut that one could go out by."""
    program = f"""
import socket, sys, time
def shut(*_, **__):
    raise AssertionError("not here")
socket.socket = socket.create_connection = time.time = shut
import pkgutil, importlib, carbonledger_proof
for module in pkgutil.iter_modules(carbonledger_proof.__path__):
    importlib.import_module("carbonledger_proof." + module.name)
from carbonledger_proof import verify
assert verify.file(open({str(FIXTURES / "receipt.pdf")!r}, "rb").read()).ok
assert not [name for name in sys.modules if name.split(".")[0] in ("carbonledger", "carbonledger_client", "sqlalchemy", "httpx2")]
"""
    done = run(python, "-c", program)
    assert done.returncode == 0, done.stderr
