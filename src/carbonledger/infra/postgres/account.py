"""The system user that the database runs as.

Owns: which user root hands the database to, becoming that user, and what that user can't reach. PostgreSQL refuses to run
as root, so a server asked for by root runs as, in this order: the user asked for; the owner of the data folder; a user
called ``carbonledger``, if the operator has made one; else ``nobody``. Not ``postgres``: a distribution's server runs as that
user, and either could then read the other's files. No user is ever created.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from carbonledger.infra.postgres import faults

_PREFERRED = ("carbonledger", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system user, by the numbers the kernel knows."""

    uid: int
    gid: int
    name: str


def of_uid(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as unknown:
        detail = f"User id {uid} has no entry in the system's user list, which PostgreSQL needs; add one, or run as a user that has one."
        raise faults.AccountMissing(detail) from unknown
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def named(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError as unknown:
        raise faults.AccountMissing(f"There is no system user {name!r} to run PostgreSQL as; create it, or name another.") from unknown
    if entry.pw_uid == 0:
        raise faults.AccountMissing(f"PostgreSQL refuses to run as {name!r}, which is root; name an unprivileged user.")
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def preferred() -> Account:
    """Return the user of a new data folder made by root."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _PREFERRED:
        if name in known:
            return named(name)
    raise faults.AccountMissing("PostgreSQL refuses to run as root and there is no user 'carbonledger' or 'nobody'; create the first.")


def become(account: Account) -> None:
    """Give up root for good. What this process keeps are its open files."""
    try:
        os.initgroups(account.name, account.gid)
        os.setgid(account.gid)
        os.setuid(account.uid)
    except OSError as refused:
        raise not_allowed(account) from refused


def not_allowed(account: Account) -> faults.AccountMissing:
    """Return the fault of a root that isn't quite: in a container without these rights, or with no other user ids."""
    return faults.AccountMissing(f"Root may not act as the user {account.name} here (a container's limit); run this as an ordinary user.")


@contextlib.contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Let root see the file system as ``account`` does. Only in a process of one thread: it changes the whole process."""
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.initgroups(account.name, account.gid)
        os.setegid(account.gid)
        os.seteuid(account.uid)
    except OSError as refused:
        raise not_allowed(account) from refused
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def blocked_by(path: Path) -> Path | None:
    """Return the first folder on the way to ``path``, itself included if it exists, that this process may not pass through."""
    for folder in (*reversed(path.parents), path):
        try:
            # Asking for "." inside needs the permission to pass through, whatever grants it (mode, group or access list).
            os.stat(os.path.join(folder, "."))  # noqa: PTH116, PTH118 - pathlib drops the "."
        except PermissionError:
            return folder
        except (FileNotFoundError, NotADirectoryError):
            return None
    return None
