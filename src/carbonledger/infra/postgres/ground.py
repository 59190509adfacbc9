"""From options to a process that may run the server: the folder locked, its parts made, root given up.

Owns: the order of these steps. What is done as root is done before the folder's parts change hands, and nothing after. Once root is
given up, Python itself may be out of reach (in root's home, say), so nothing is imported from then on, not even a codec.
"""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from carbonledger.infra.postgres import account, faults, locks, options, passwords, programs
from carbonledger.infra.postgres import folder as folders

# Users that look whether a supervisor runs hold its lock for a moment.
_LOCK_PATIENCE_S = 1.0


class AlreadyThere(Exception):
    """Another supervisor has this data folder. Not an error: that one serves as well."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a supervisor stands on once it has become the database's user."""

    folder: folders.Folder
    own: locks.FileLock
    users: locks.FileLock
    found: programs.Programs
    words: passwords.Passwords
    instance: str
    known: tuple[programs.Programs, ...]


def take(wanted: options.ClusterOptions) -> Ground:
    """Lock the folder, make its parts, and become the user that the server runs as."""
    folder = folders.Folder(wanted.data_dir)
    known = programs.bundled() if wanted.binaries is None else ()
    found = programs.choose(wanted.binaries, known)
    owner_uid = folder.root.stat().st_uid
    if os.geteuid() == 0 != owner_uid:
        _become_owner(folder, found, owner_uid, wanted.run_as)
    own, users = locks.FileLock(folder.supervisor_lock), locks.FileLock(folder.users_lock)
    if not locks.wait(own.try_exclusive, deadline=time.monotonic() + _LOCK_PATIENCE_S):
        raise AlreadyThere
    instance = secrets.token_hex(8)
    os.ftruncate(own.fileno(), 0)
    os.pwrite(own.fileno(), instance.encode("ascii"), 0)
    words = passwords.load_or_make(folder)
    if os.geteuid() == 0:
        found = _hand_over(folder, found, wanted.run_as)
    else:
        _refuse_other(wanted.run_as)
        if not folder.data.exists():
            account.of_uid(os.geteuid())  # initdb insists that its user has a name
        folders.make_private(folder.server)
    return Ground(folder, own, users, found, words, instance, known)


def _become_owner(folder: folders.Folder, found: programs.Programs, uid: int, run_as: str | None) -> None:
    """Act for an ordinary user whose folder root was pointed at: then nothing in it changes hands."""
    owner = account.of_uid(uid)
    if run_as is not None and account.named(run_as).uid != uid:
        detail = (
            f"The data folder {folder.root} is {owner.name}'s and not {run_as}'s; run the database as {owner.name}, or chown the folder."
        )
        raise faults.FolderForeign(detail)
    if not programs.reachable(found, owner):
        # Root does not write into a folder that another user controls, so it makes no copy there.
        detail = (
            f"The user {owner.name}, who owns {folder.root}, can't run the programs in {found.bin_dir}; install them where all can read."
        )
        raise faults.ProgramsMissing(detail)
    account.become(owner)
    _refuse_blocked(folder.root, owner)


def _hand_over(folder: folders.Folder, found: programs.Programs, run_as: str | None) -> programs.Programs:
    kept_uid = folder.server.lstat().st_uid if folder.server.exists() else 0
    asked = None if run_as is None else account.named(run_as)
    user = account.of_uid(kept_uid) if kept_uid else (asked or account.preferred())
    if asked is not None and asked.uid != user.uid:
        detail = (
            f"The database in {folder.root} belongs to {user.name}, not to {asked.name}; run it as {user.name}, or chown {folder.server}."
        )
        raise faults.FolderForeign(detail)
    folders.make_private(folder.server, owner=user)
    with account.acting_as(user):
        _refuse_blocked(folder.server, user)
    if not programs.reachable(found, user):
        found = _copied(found, folder, user)
    account.become(user)
    return found


def _copied(found: programs.Programs, folder: folders.Folder, user: account.Account) -> programs.Programs:
    copy = programs.copy(found, folder.programs)
    if not programs.reachable(copy, user):
        detail = f"The user {user.name} can run PostgreSQL neither from {found.bin_dir} nor from a copy in {folder.programs}; "
        raise faults.ProgramsMissing(detail + "install it where all can read, or put the data folder on a disk that allows programs.")
    return copy


def _refuse_other(run_as: str | None) -> None:
    if run_as is not None and account.named(run_as).uid != os.geteuid():
        raise faults.AccountMissing(f"Only root can run PostgreSQL as another user; run this as {run_as}, or name no user.")


def _refuse_blocked(path: Path, user: account.Account) -> None:
    blocked = account.blocked_by(path)
    if blocked is not None:
        detail = (
            f"PostgreSQL runs as the user {user.name}, who may not pass through {blocked} to reach {path}; "
            f"allow it (chmod o+x {blocked}), or choose a data folder elsewhere, such as /var/lib/carbonledger."
        )
        raise faults.FolderBlocked(detail)
