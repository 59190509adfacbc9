"""The private environment: where it is, whether it is up to date, and how it comes to be.

An environment is a folder made by `venv`, filled from a lock file by pip, with the repository's `src` on its path. A stamp in it says
which lock files and which Python it was made from; while that holds, nothing is asked or changed. Installing belongs to `pip.py`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.dev import pip, project
from tools.dev.trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
STAMP, UNFINISHED, LOCK = ".carbonledger.json", ".carbonledger-unfinished", ".carbonledger-lock"
VARIABLE = "CARBONLEDGER_VENV"
DISK_FREE_MIN_MB = {RUNTIME: 350, DEVELOPMENT: 900}  # unpacked and compiled they take 230 and 640 MB; pip unpacks twice


@dataclass(frozen=True, slots=True)
class Environment:
    """One private environment in its folder."""

    place: Path

    @property
    def python(self) -> Path:
        return self.place / "bin" / "python"

    @property
    def site(self) -> Path:
        return self.place / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    @property
    def is_usable(self) -> bool:
        return os.access(self.python, os.X_OK) and self.site.is_dir()

    def stamp(self) -> dict[str, object]:
        """What the environment was made from; empty when that isn't known."""
        with contextlib.suppress(OSError, ValueError):
            stamp = json.loads((self.place / STAMP).read_text())
            if isinstance(stamp, dict):
                return stamp
        return {}


def ensure(lock: str) -> Environment:
    """Return the environment with everything that `lock` names, made or mended if it must be. Raises `Trouble`."""
    environment = Environment(chosen_place())
    if is_current(environment, lock):
        return environment
    with exclusive(environment):
        if not is_current(environment, lock):  # else another dev.py has just made it
            make(environment, lock)
    return environment


def chosen_place() -> Path:
    """`$CARBONLEDGER_VENV`, or `.venv` in the repository; `.venv-3.12` beside a `.venv` of another Python."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    default = ROOT / ".venv"
    made_with = python_of(default)
    return default if made_with in {"", this_python()} else ROOT / f".venv-{this_python()}"


def this_python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def python_of(place: Path) -> str:
    """The Python (3.12) that an environment was made with, empty if there is none."""
    with contextlib.suppress(OSError):
        for line in (place / "pyvenv.cfg").read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "version":
                return ".".join(value.strip().split(".")[:2])
    return ""


def is_current(environment: Environment, lock: str) -> bool:
    stamp, wanted = environment.stamp(), wanted_stamp(environment, lock)
    locks = stamp.get("locks")
    if not isinstance(locks, dict) or not environment.is_usable:
        return False
    same = all(stamp.get(name) == wanted[name] for name in ("python", "place", "project"))
    return same and locks.get(lock) == digest(ROOT / lock)


def wanted_stamp(environment: Environment, lock: str) -> dict[str, object]:
    # The development lock is compiled under the runtime's (`-c`), so it holds all of it at the same versions.
    locks = [RUNTIME, DEVELOPMENT] if lock == DEVELOPMENT else [RUNTIME]
    return {
        "python": this_python(),
        "place": str(environment.place),
        "project": project.fingerprint(ROOT),
        "locks": {name: digest(ROOT / name) for name in locks},
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def exclusive(environment: Environment) -> Iterator[None]:
    """Hold the environment for this process: two dev.py at once install one after the other."""
    try:
        environment.place.mkdir(parents=True, exist_ok=True)
        handle = (environment.place / LOCK).open("w")
    except OSError as error:
        raise Trouble(unwritable(environment.place, error)) from error
    with handle:
        os.set_inheritable(handle.fileno(), True)  # a pip that outlives a killed dev.py goes on holding the lock
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"Another dev.py is installing into {environment.place}; waiting for it.", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def unwritable(place: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk of {place} is full; free about {DISK_FREE_MIN_MB[DEVELOPMENT]} MB and run this again."
    return (
        f"{place} can't be written ({error.strerror}); set {VARIABLE} to a folder that can, for example {VARIABLE}=/tmp/carbonledger-venv."
    )


def make(environment: Environment, lock: str) -> None:
    """Bring the environment to what `lock` says. A marker stays behind while it is half made."""
    try:
        prepare(environment)
        enough_space(environment.place, DISK_FREE_MIN_MB[lock])
        if not is_installed(environment, lock):
            if environment.stamp():  # ours: if this is interrupted, the next dev.py begins anew
                (environment.place / UNFINISHED).touch()
            (environment.place / STAMP).unlink(missing_ok=True)
            pip.install(environment.python, ROOT / lock)
        project.link(ROOT, environment.python, environment.site)
        write_stamp(environment, lock)
        (environment.place / UNFINISHED).unlink(missing_ok=True)
    except OSError as error:
        raise Trouble(unwritable(environment.place, error)) from error


def prepare(environment: Environment) -> None:
    """Leave a usable Python at the place: kept if it is whole, made anew if it is not."""
    place, marker = environment.place, environment.place / UNFINISHED
    stamp = environment.stamp()
    ours = marker.exists() or bool(stamp)
    moved = bool(stamp) and (stamp.get("place") != str(place) or stamp.get("python") != this_python())
    if environment.is_usable and not marker.exists() and not moved:
        return
    others = [entry for entry in place.iterdir() if entry.name not in {LOCK, UNFINISHED}]
    if others and not ours and not (place / "pyvenv.cfg").exists():
        raise Trouble(f"{place} holds something else; remove it, or set {VARIABLE} to another folder.")
    marker.touch()
    for entry in others:
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    create(environment)


def create(environment: Environment) -> None:
    try:
        venv.create(environment.place, symlinks=True, with_pip=False)
    except subprocess.CalledProcessError as error:
        raise Trouble(f"This Python ({sys.executable}) can't make environments: {error}. Use another Python 3.11 to 3.14.") from error


def enough_space(place: Path, needed_mb: int) -> None:
    free_mb = shutil.disk_usage(place).free // 1_000_000
    if free_mb < needed_mb:
        raise Trouble(
            f"The disk of {place} has only {free_mb} MB free, the packages need about {needed_mb} MB; "
            f"free some, or set {VARIABLE} to a folder on another disk."
        )


def is_installed(environment: Environment, lock: str) -> bool:
    """Whether the packages are right and only the link to the project is not."""
    locks = environment.stamp().get("locks")
    return isinstance(locks, dict) and locks.get(lock) == digest(ROOT / lock)


def write_stamp(environment: Environment, lock: str) -> None:
    temporary = environment.place / f"{STAMP}.new"
    temporary.write_text(json.dumps(wanted_stamp(environment, lock), indent=1))
    temporary.replace(environment.place / STAMP)
