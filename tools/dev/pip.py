"""Runs the pip of the machine on the private environment, shows how far it is, and says in one sentence why it failed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tools.dev.trouble import Trouble

PIN = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?==", re.MULTILINE)
FETCHED = re.compile(r"^(Collecting|Processing|Requirement already satisfied:) ")
PIP_MIN = (22, 3)  # the first with --python
LOG_LINES = 15

# What pip says, first match wins, and what that means to somebody who only wants to start.
CAUSES = (
    (
        r"No space left on device|Errno 28\b|Disk quota exceeded",
        "The disk is full: free about 900 MB, or set CARBONLEDGER_VENV to a folder on another disk.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A downloaded package is not the one that was locked, so it was refused. Try another network or index; if it stays, report it.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The package index could not be trusted (TLS); behind a company proxy set PIP_CERT to its certificate.",
    ),
    (r"407 Proxy|ProxyError|Cannot connect to proxy", "The proxy refused the connection; check HTTPS_PROXY."),
    (
        r"NewConnectionError|NameResolutionError|name resolution|ConnectTimeoutError|ReadTimeoutError|Read timed out|Network is unreachable"
        r"|Connection refused|Max retries exceeded|ConnectionResetError|\(from versions: none\)",
        "The package index can't be reached: check the network, or name a reachable index with PIP_INDEX_URL, then run this again.",
    ),
    (
        r"No matching distribution found",
        "A locked package is not to be had for this Python and machine; use CPython 3.11 to 3.13 on Linux or macOS.",
    ),
    (
        r"Permission denied|Errno 13\b|Read-only file system|Errno 30\b",
        "The environment can't be written; set CARBONLEDGER_VENV to a folder that can.",
    ),
)


def install(python: Path, lock: Path) -> None:
    """Install exactly what a lock file names. Raises `Trouble`."""
    total = len(PIN.findall(lock.read_text()))
    arguments = ["install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile", "-r", str(lock)]
    with Progress(f"Installing the packages of {lock.name} into {python.parents[1]}", total) as progress:
        run(python, arguments, progress)
        progress.say("compiling")
        compile_all(python)


def install_tool(python: Path, requirement: str) -> None:
    """Install one program for development, such as uv."""
    with Progress(f"Installing {requirement} into {python.parents[1]}", 1) as progress:
        run(python, ["install", "--no-deps", "--only-binary", ":all:", requirement], progress)


def run(python: Path, arguments: Sequence[str], progress: Progress) -> None:
    options = ["--disable-pip-version-check", "--no-input", "--retries", "2"]
    command = [*pip_for(python), *options, *arguments[:1], "--progress-bar", "off", *arguments[1:]]
    output: list[str] = []
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        # close_fds=False hands on the lock of the environment, and nothing else: Python's own files are not inheritable.
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace", env=pip_environment(), close_fds=False
        ) as child:
            for line in child.stdout or ():
                output.append(line)
                progress.see(line)
        if child.returncode != 0:
            errors.seek(0)
            complain("".join(output) + errors.read())


def pip_for(python: Path) -> list[str]:
    """The command that runs pip on an environment: this Python's own pip, else the one of the Python it was made from."""
    base = getattr(sys, "_base_executable", sys.executable)
    for candidate in dict.fromkeys((sys.executable, base)):
        version = pip_version(candidate)
        if version >= PIP_MIN:
            return [candidate, "-m", "pip", "--python", str(python)]
        if version:
            raise Trouble(f"The pip of {candidate} is older than 22.3; update it: {candidate} -m pip install --upgrade pip")
    if (
        importlib.util.find_spec("ensurepip")
        and subprocess.run([python, "-m", "ensurepip"], capture_output=True, check=False).returncode == 0
    ):
        return [str(python), "-m", "pip"]
    remedy = "apt-get install python3-pip" if shutil.which("apt-get") else "see https://pip.pypa.io/en/stable/installation/"
    raise Trouble(f"This Python ({base}) has no pip; install it ({remedy}) and run this again.")


def pip_version(python: str) -> tuple[int, ...]:
    """The version of a Python's pip, empty if it has none."""
    code = "import pip; print(pip.__version__)"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, env=pip_environment())
    return tuple(int(part) for part in re.findall(r"\d+", answer.stdout)[:2])


def pip_environment() -> dict[str, str]:
    """The user's settings of index, proxy and certificates; nothing that would install elsewhere or see packages of elsewhere."""
    elsewhere = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_BINARY"}
    kept = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return {**kept, "PIP_USER": "0", "PYTHONNOUSERSITE": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def complain(output: str) -> None:
    for pattern, meaning in CAUSES:
        if re.search(pattern, output):
            raise Trouble(meaning)
    lines = [line for line in output.splitlines() if not line.startswith("WARNING: Location")]
    raise Trouble("\n".join(["pip failed for a reason that dev.py doesn't know:", *lines[-LOG_LINES:]]))


def compile_all(python: Path) -> None:
    """Compile on all cores, which pip does on one. What doesn't compile is a template or for another Python, and harmless."""
    site = str(next((python.parents[1] / "lib").glob("python*/site-packages")))
    subprocess.run([python, "-m", "compileall", "-q", "-j", "0", site], capture_output=True, check=False)


class Progress:
    """One updating line on a terminal; elsewhere a line at the beginning and one at the end."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.count = what, total, 0
        self.live = sys.stderr.isatty()
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        if not self.live:
            print(f"{self.what} …", file=sys.stderr, flush=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        took = time.monotonic() - self.started
        if self.live:
            print("\r\033[K", end="", file=sys.stderr)
        if kind is None:
            print(f"{self.what}: done in {took:.0f} s.", file=sys.stderr, flush=True)

    def see(self, line: str) -> None:
        if FETCHED.match(line):
            self.count += 1
            self.say(f"{self.count} of {self.total}")
        elif line.startswith("Installing collected"):
            self.say("unpacking")

    def say(self, state: str) -> None:
        if self.live:
            width = shutil.get_terminal_size().columns
            print(f"\r\033[K[{state}] {self.what}"[: width + 3], end="", file=sys.stderr, flush=True)


def setting(name: str) -> str:
    """A pip setting, from its environment variable or its configuration; empty if there is none."""
    given = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
    if given is None:
        command = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
        given = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return given.strip()
