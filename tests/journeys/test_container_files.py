"""Dockerfile, compose.yaml and .env.example, without a container engine: the image's steps are run for real, in a clean folder.

The Dockerfile is interpreted as far as it goes: its folders stand below a temporary one, this machine's Python takes the place of the base
image's, and every RUN, the HEALTHCHECK and the command run as an ordinary user.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from carbonledger.entrypoints.cli import main, running
from carbonledger.infra import reach, server, settings
from tests import installation, until
from tools import reference

ROOT = installation.ROOT
ORDINARY = "nobody" if os.geteuid() == 0 else None
RUN_TIMEOUT_S = 600
EMBEDDED_ONLY = {name for name in settings.variables() if name.startswith("CARBONLEDGER_POSTGRES_")}
UP_ONLY = {"CARBONLEDGER_WORKERS"}  # a container is one process: more of them are more containers
FIRST_START_ONLY = {name for name in settings.variables() if name.startswith("CARBONLEDGER_BOOTSTRAP_")}


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text())


@dataclass
class Image:
    """What the Dockerfile makes, below ``root``."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    user: str = "root"
    health: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def place(self, text: str) -> str:
        """Return ``text`` with the image's own folders moved below ``root``."""
        return re.sub(r"(?<![\w./])/(app|data)\b", lambda match: shlex.quote(f"{self.root}/{match[1]}"), text)

    def shell(self, script: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the image as the ordinary user."""
        owner = pwd.getpwuid(self.root.stat().st_uid)
        mine = self.place(script).replace("nobody:nogroup", f"{owner.pw_uid}:{owner.pw_gid}")
        return subprocess.run(
            [*installation.become(ORDINARY), "/bin/sh", "-c", mine],
            cwd=self.folder,
            env={**self.environ, **extra},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )


def build(image: Image) -> None:
    """Follow the Dockerfile."""
    for word, rest in DOCKERFILE:
        match word:
            case "WORKDIR":
                image.folder = Path(image.place(rest))
                mkdir(image.folder, like=image.root)
            case "ENV":
                for name, value in pairs(rest):
                    image.environ[name] = image.place(value.replace("$PATH", image.environ["PATH"]))
            case "COPY":
                source, target = rest.split()
                copy(ROOT / source, image.folder / target, like=image.root)
            case "RUN":
                done = image.shell(rest)
                assert done.returncode == 0, f"{rest}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            case _:
                describe(image, word, rest)


def describe(image: Image, word: str, rest: str) -> None:
    """Take in what an instruction says about how the image runs."""
    match word:
        case "USER":
            image.user = rest
        case "HEALTHCHECK":
            image.health = rest.partition("CMD ")[2]
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case "CMD":
            image.command = json.loads(rest)
        case _:
            assert word in {"FROM", "VOLUME", "EXPOSE", "STOPSIGNAL"}  # nothing to do without an engine


def pairs(rest: str) -> list[tuple[str, str]]:
    """Return the variables of an ENV instruction."""
    return [(name, value) for name, _, value in (pair.partition("=") for pair in shlex.split(rest))]


def mkdir(path: Path, *, like: Path) -> None:
    path.mkdir(exist_ok=True)
    os.chown(path, like.stat().st_uid, like.stat().st_gid)


def copy(source: Path, target: Path, *, like: Path) -> None:
    if source.is_file():
        target = target / source.name if target.is_dir() else target
        shutil.copyfile(source, target)
    else:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        os.chown(path, like.stat().st_uid, like.stat().st_gid)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    root = Path(tempfile.mkdtemp(prefix="carbonledger-image-"))
    root.chmod(0o755)
    if ORDINARY is not None:
        os.chown(root, pwd.getpwnam(ORDINARY).pw_uid, pwd.getpwnam(ORDINARY).pw_gid)
    programs = root / "python"
    mkdir(programs, like=root)
    (programs / "python").symlink_to(Path(sys.executable).resolve())
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name in {"LANG", "SSL_CERT_FILE"}}
    made = Image(root, environ={**kept, "PATH": f"{programs}:/usr/bin:/bin", "HOME": "/nonexistent"})
    try:
        build(made)
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_the_image_builds_and_its_command_serves_until_it_is_stopped(image: Image) -> None:
    process = subprocess.Popen(
        [*installation.become(ORDINARY), *image.entrypoint, *image.command],
        cwd=image.folder,
        env={**image.environ, "CARBONLEDGER_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = installation.Installation(process, image.root / "data")
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        started.wait_ready()

        port = started.address.rpartition(":")[2]

        until.holds_now(lambda: image.shell(image.health, CARBONLEDGER_PORT=port).returncode == 0)  # an engine, too, tries several times
        assert started.stop(signal.SIGTERM) == 0
    assert image.shell(image.health, CARBONLEDGER_PORT=port).returncode != 0
    assert (image.root / "data/secrets/vault.keys").stat().st_mode & 0o777 == 0o600


def test_every_command_of_the_image_is_there(image: Image) -> None:
    done = image.shell("carbonledger version --json")

    assert json.loads(done.stdout)["revision"]


def test_the_image_has_nothing_that_only_builds_and_checks_each_package_by_its_hash(image: Image) -> None:
    scripts = " ".join(rest for word, rest in DOCKERFILE if word == "RUN")

    assert "--require-hashes" in scripts
    assert "--only-binary=:all:" in scripts
    assert not {"apt-get", "gcc", "build-essential", "curl"} & set(shlex.split(scripts))
    assert image.user not in {"root", "0"}


def test_the_base_image_is_a_python_that_we_run_on() -> None:
    [base] = [rest for word, rest in DOCKERFILE if word == "FROM"]

    assert base in {f"python:3.{minor}-slim" for minor in (11, 12, 13)}


def test_everything_that_is_copied_is_let_through_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == {
        rest.split()[0] for word, rest in DOCKERFILE if word == "COPY"
    }


COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "carbonledger"}


def test_every_setting_can_be_given_to_the_containers_and_nothing_else_is() -> None:
    given = {name for service in OURS.values() for name in service["environment"]}

    assert given == settings.variables().keys() - EMBEDDED_ONLY - UP_ONLY


def test_the_owners_address_and_the_first_owner_are_for_the_migration_alone() -> None:
    apart = {"DATABASE_URL", *FIRST_START_ONLY}

    assert apart <= OURS["migrate"]["environment"].keys()
    assert {name: apart & service["environment"].keys() for name, service in OURS.items() if name != "migrate"} == {
        "api": set(),
        "worker": set(),
    }


def test_what_compose_asks_for_stands_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))

    assert asked == reference.COMPOSE_ONLY.keys()
    assert asked <= set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", OURS)
def test_each_container_starts_a_command_with_settings_that_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = OURS[name]
    for variable in settings.variables():
        monkeypatch.delenv(variable, raising=False)
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"\$\{(\w+)[^}]*\}", "secret", value or ""))

    configuration = settings.load()
    addresses = reach.given(configuration)
    command, *arguments = service["command"]
    group: Any = typer.main.get_command(main.app)
    group.commands[command].make_context(command, arguments)  # an unknown option would raise

    assert addresses is not None
    assert server.place(addresses.app) == "database:5432/carbonledger"
    assert (addresses.owner_if_known is not None) == (name == "migrate")
    [home] = [value for word, rest in DOCKERFILE if word == "ENV" for key, value in pairs(rest) if key == "CARBONLEDGER_HOME"]
    assert str(configuration.home) == home


def test_nothing_starts_before_what_it_needs_is_well() -> None:
    needed = {(name, other, how["condition"]) for name, service in OURS.items() for other, how in service["depends_on"].items()}

    assert needed == {
        ("migrate", "database", "service_healthy"),
        ("api", "migrate", "service_completed_successfully"),
        ("api", "redis", "service_healthy"),
        ("worker", "migrate", "service_completed_successfully"),
        ("worker", "redis", "service_healthy"),
    }
    for _, other, condition in needed:
        assert condition != "service_healthy" or "test" in SERVICES[other]["healthcheck"]


def test_the_database_is_a_version_that_we_run_on_and_keeps_its_data() -> None:
    name, _, tag = SERVICES["database"]["image"].partition(":")

    assert name == "postgres"
    assert server.MAJOR_MIN <= int(tag) <= server.MAJOR_MAX
    volumes = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert volumes == COMPOSE["volumes"].keys()


def test_containers_get_longer_to_stop_than_the_processes_take() -> None:
    longest = max(running.API_DRAIN_S, running.WORKER_DRAIN_S)
    for name in ("api", "worker"):
        assert float(OURS[name]["stop_grace_period"].removesuffix("s")) > longest


def test_no_port_is_open_to_the_network_and_no_container_may_more_than_it_needs() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert ports == ["127.0.0.1:8400:8400"]
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
