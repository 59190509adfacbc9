"""Why the embedded PostgreSQL can't be had, and what to do about it.

Owns: one class per reason, and the way a reason crosses from the supervisor to the process that asked for it. Every
``detail`` is one sentence that names the folder, user or program and ends with the remedy; the last lines of PostgreSQL's
log follow on lines of their own where they say more. It never holds a password.
"""

from __future__ import annotations

from carbonledger.kernel import errors


class PostgresFault(errors.Fault):
    """The embedded PostgreSQL is not available."""

    kind = errors.Kind.UNAVAILABLE
    code = "postgres_unavailable"


class FolderBlocked(PostgresFault):
    """The system user of the database can't reach the data folder."""

    code = "postgres_folder_blocked"


class FolderUnwritable(PostgresFault):
    """The data folder of the database can't be written."""

    code = "postgres_folder_unwritable"


class FolderForeign(PostgresFault):
    """The data folder belongs to something or someone else."""

    code = "postgres_folder_foreign"


class DiskFull(PostgresFault):
    """The disk of the data folder is full."""

    code = "postgres_disk_full"


class WrongMajor(PostgresFault):
    """The data folder was made by another major version of PostgreSQL."""

    code = "postgres_wrong_major"


class ProgramsMissing(PostgresFault):
    """The programs of PostgreSQL were not found or can't be run."""

    code = "postgres_programs_missing"


class AccountMissing(PostgresFault):
    """There is no system user that may run the database."""

    code = "postgres_account_missing"


class SettingRefused(PostgresFault):
    """A setting of the embedded PostgreSQL can't be used."""

    kind = errors.Kind.INVALID
    code = "postgres_setting_refused"


class InUse(PostgresFault):
    """The database is in use in a way that excludes this one."""

    kind = errors.Kind.CONFLICT
    code = "postgres_in_use"


class StartFailed(PostgresFault):
    """PostgreSQL did not start."""

    code = "postgres_start_failed"


class TimedOut(PostgresFault):
    """PostgreSQL is not ready yet."""

    code = "postgres_timed_out"


_BY_CODE: dict[str, type[PostgresFault]] = {
    kind.code: kind
    for kind in (
        PostgresFault,
        FolderBlocked,
        FolderUnwritable,
        FolderForeign,
        DiskFull,
        WrongMajor,
        ProgramsMissing,
        AccountMissing,
        SettingRefused,
        InUse,
        StartFailed,
        TimedOut,
    )
}


def from_code(code: str, detail: str) -> PostgresFault:
    """Return the fault that another process reported."""
    return _BY_CODE.get(code, PostgresFault)(detail)
