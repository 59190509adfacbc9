"""The data folder of an installation and who runs on it.

Owns: making the folder, and the lock that keeps a second ``up`` away. The lock is the kernel's and ends with its process, however
that ends; the file's text only says who holds it. What lies inside belongs to its parts (``postgres``, ``secrets``, ``objects``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from carbonledger.kernel import errors

_LOCK = "up.lock"
_NOTE_MAX_BYTES = 4096


class FolderUnusable(errors.Fault):
    """The data folder can't be used."""

    kind = errors.Kind.INVALID
    code = "folder_unusable"


class AlreadyRunning(errors.Conflict):
    """Carbon Ledger already runs on this data folder."""

    code = "already_running"


def make(home: Path) -> None:
    """Make the folder unless it is there and check that it can be written. Raises ``FolderUnusable``."""
    try:
        # Root's database runs as another user, who must pass through to its own part; nobody can list what is inside.
        home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        probe = home / f".writable-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        blocked = Path(error.filename) if error.filename else home
        raise FolderUnusable(
            f"The data folder {home} can't be used ({blocked}: {error.strerror}); make it writable for you, "
            "or choose another with CARBONLEDGER_HOME."
        ) from error


class Claim:
    """The right to run on a data folder, held until ``claimed`` ends."""

    def __init__(self, file: int) -> None:
        self._file = file

    def note(self, *, address: str) -> None:
        """Write down who runs here, for whoever comes second."""
        text = json.dumps({"pid": os.getpid(), "address": address}).encode()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text, 0)


@contextlib.contextmanager
def claimed(home: Path) -> Iterator[Claim]:
    """Make the folder and hold it alone. Raises ``AlreadyRunning`` with the holder's process id and address, ``FolderUnusable``."""
    make(home)
    path = home / _LOCK
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FolderUnusable(f"{path} can't be opened ({error.strerror}); run as the user that owns {home}.") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_who(file, home)) from None
        except OSError as error:
            raise FolderUnusable(f"{path} can't be locked ({error.strerror}); put the data folder on a disk of this machine.") from error
        claim = Claim(file)
        claim.note(address="")
        yield claim
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def _who(file: int, home: Path) -> str:
    try:
        note = json.loads(os.pread(file, _NOTE_MAX_BYTES, 0))
    except ValueError:
        note = {}  # it was taken a moment ago and not yet noted
    where = f" at {note['address']}" if note.get("address") else ""
    who = f" (process {note['pid']}{where})" if note.get("pid") else ""
    return f"Carbon Ledger already runs on {home}{who}. Stop that one first, or choose another data folder with CARBONLEDGER_HOME."
