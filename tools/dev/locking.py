"""Compiles the two lock files from pyproject.toml, with uv in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from tools.dev import environment, pip
from tools.dev.trouble import Trouble

ROOT = environment.ROOT
UV = "uv==0.13.9"  # one version for everybody, or the locks differ by who made them
PLACE = ROOT / ".dev" / UV.replace("==", "-")
COMMON = (
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--quiet",
)


def compile_locks(arguments: Sequence[str]) -> int:
    """Without arguments what is locked stays unless it must move; `--upgrade` (and uv's other words) are passed on."""
    uv = uv_program()
    compile_one(uv, [*arguments, "pyproject.toml", "-o", environment.RUNTIME])
    development = ["--group", "dev", "--all-extras", "-c", environment.RUNTIME, "pyproject.toml", "-o", environment.DEVELOPMENT]
    compile_one(uv, [*arguments, *development])
    print(f"{environment.RUNTIME} and {environment.DEVELOPMENT} are compiled; `git diff` shows what moved.")
    return 0


def uv_program() -> Path:
    program = PLACE / "bin" / "uv"
    if not program.exists():
        try:
            venv.create(PLACE, symlinks=True, with_pip=False, clear=True)
        except OSError as error:
            raise Trouble(f"{PLACE} can't be written ({error.strerror}); run this in a clone of your own.") from error
        pip.install_tool(PLACE / "bin" / "python", UV)
    return program


def compile_one(uv: Path, arguments: Sequence[str]) -> None:
    command = [str(uv), "pip", "compile", *COMMON, *index_options(), *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"uv could not compile {arguments[-1]}:\n{done.stderr.strip()}")


def index_options() -> list[str]:
    """Say pip's index to uv, which doesn't read pip's configuration; the lock files never name it.

    pip's extra places of wheels are left out: they may hold one machine's wheels only, and the lock is for all.
    """
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")):
        return []
    index = pip.setting("index-url")
    return ["--default-index", index] if index else []
