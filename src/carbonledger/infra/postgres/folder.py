"""The data folder: what lies where in it, whose each part is, and making it.

Owns: names, owners and modes. Whoever asks for the database first makes the folder; it belongs to that user, or to root::

    DATA_DIR/            0700, or 0701 when root's, so that the database's user can pass through to its own part
      users.lock         every user of the database holds it shared
      start.lock         held while someone looks whether the supervisor runs, starts it or asks it to stop
      supervisor.lock    held by the supervisor for life; holds the supervisor's name for itself
      stop               the name of the supervisor that is asked to stop at once
      secrets/           0700: a password per role, 0600
      programs/          a copy of the PostgreSQL programs, if the database's user can't reach the installed ones
      server/            0700, of the database's user; nobody else writes in it
        data/            PostgreSQL's own; made under another name and renamed when whole
        socket/          the unix socket
        server.lock      held by every process of the server: free means that none is left
        state.json       what the supervisor says of itself
        postgres.log     and one older part, postgres.log.1

Nothing outside the folder is ever chowned or chmodded.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from carbonledger.infra.postgres import account as accounts
from carbonledger.infra.postgres import faults

_OURS = frozenset({"users.lock", "start.lock", "supervisor.lock", "stop", "secrets", "programs", "server"})
_MODE = 0o700
_MODE_OF_ROOTS = 0o701  # the database's user has to pass through
_HARMLESS = frozenset({"lost+found", ".DS_Store"})  # what file systems put into an empty folder by themselves


@dataclass(frozen=True, slots=True)
class Folder:
    """The paths of one data folder."""

    root: Path

    @property
    def users_lock(self) -> Path:
        return self.root / "users.lock"

    @property
    def start_lock(self) -> Path:
        return self.root / "start.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def stop(self) -> Path:
        return self.root / "stop"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def server(self) -> Path:
        return self.root / "server"

    @property
    def data(self) -> Path:
        return self.server / "data"

    @property
    def socket(self) -> Path:
        return self.server / "socket"

    @property
    def server_lock(self) -> Path:
        return self.server / "server.lock"

    @property
    def state(self) -> Path:
        return self.server / "state.json"

    @property
    def log(self) -> Path:
        return self.server / "postgres.log"


def claim(root: Path) -> Folder:
    """Make the folder and its locks unless they are there; refuse one that is something else's or someone else's."""
    folder = Folder(root)
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_foreign(root)
        owner = root.stat()
        mode = _MODE_OF_ROOTS if owner.st_uid == 0 else _MODE
        if os.geteuid() == owner.st_uid and stat.S_IMODE(owner.st_mode) != mode:
            root.chmod(mode)  # nobody else may put a file of his own where we expect ours
        for path in (folder.users_lock, folder.start_lock, folder.supervisor_lock):
            _make_lock(path, owner)
    except OSError as problem:
        raise of_os_error(problem, root) from problem
    return folder


def _refuse_foreign(root: Path) -> None:
    owner = root.stat().st_uid
    if os.geteuid() not in {0, owner}:
        detail = (
            f"The data folder {root} belongs to user id {owner} and you are {os.geteuid()}; run as its owner, or choose another folder."
        )
        raise faults.FolderForeign(detail)
    present = {entry.name for entry in os.scandir(root)} - _HARMLESS
    if present and not present & _OURS:
        what = "is a data folder of another PostgreSQL server" if "PG_VERSION" in present else "holds other files"
        raise faults.FolderForeign(f"The folder {root} {what}; choose an empty or a new one for the embedded PostgreSQL.")


def _make_lock(path: Path, owner: os.stat_result) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        if os.geteuid() == 0:
            os.fchown(fd, owner.st_uid, owner.st_gid)
    finally:
        os.close(fd)


def make_private(path: Path, *, owner: accounts.Account | None = None) -> None:
    """Make a folder of mode 0700, which root gives to ``owner``; one that is there stays whose it is, unless root's."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir():
            raise faults.FolderForeign(f"{path} is not a folder; move it away and start again.") from None
    if owner is None or path.lstat().st_uid != 0:
        return
    try:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    except OSError as refused:
        raise accounts.not_allowed(owner) from refused


def ask_to_stop(folder: Folder, instance: str) -> None:
    """Name a supervisor in the ``stop`` file, which it reads as another user; never through a link, since root may do this.

    The file is there whole and readable, or not at all: killed in between, nobody would ever start again.
    """
    making = folder.stop.with_name(f"{folder.stop.name}.{os.getpid()}")
    making.unlink(missing_ok=True)
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, instance.encode("ascii"))
        os.fchmod(fd, 0o644)
    finally:
        os.close(fd)
    making.rename(folder.stop)


def of_os_error(problem: OSError, path: Path) -> faults.PostgresFault:
    """Return the fault that says what the system's refusal means for the data folder."""
    where = problem.filename or str(path)
    reason = problem.strerror or str(problem)
    # shutil gathers the refusals of many files in one error, which has no number of its own.
    if problem.errno in {errno.ENOSPC, errno.EDQUOT} or "No space left on device" in str(problem):
        return disk_full(path)
    blocked = accounts.blocked_by(path) if problem.errno == errno.EACCES else None
    if blocked is not None:
        return faults.FolderBlocked(
            f"You may not pass through {blocked} to reach {path}; allow it (chmod u+x {blocked}), or choose another folder."
        )
    if problem.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return faults.FolderUnwritable(
            f"The data folder {path} can't be used ({where}: {reason}); make it writable for you, or choose another."
        )
    return faults.FolderUnwritable(f"The data folder {path} can't be used ({where}: {reason}); choose another folder.")


def disk_full(path: Path) -> faults.DiskFull:
    return faults.DiskFull(f"The disk that holds {path} is full; free at least 200 MB there, or choose a folder on another disk.")
