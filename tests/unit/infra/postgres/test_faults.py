"""How a reason crosses from the supervisor to the process that asked, and is read from PostgreSQL's log."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from carbonledger.infra.postgres import account, faults, folder, postmaster


def _all(kind: type[faults.PostgresFault]) -> set[type[faults.PostgresFault]]:
    return {kind}.union(*(_all(sub) for sub in kind.__subclasses__()))


def test_every_fault_arrives_as_what_it_was() -> None:
    for kind in _all(faults.PostgresFault):
        arrived = faults.from_code(kind.code, "Why, and what to do.")
        assert (type(arrived), arrived.detail) == (kind, "Why, and what to do.")


def test_a_fault_of_a_newer_supervisor_still_arrives() -> None:
    assert type(faults.from_code("postgres_unheard_of", "Why.")) is faults.PostgresFault


@pytest.mark.parametrize(
    "problem,kind",
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), faults.DiskFull),  # the disk
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/x"), faults.DiskFull),  # one's share of it
        (shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]), faults.DiskFull),  # while copying many files
        (OSError(errno.EROFS, "Read-only file system", "/data"), faults.FolderUnwritable),  # a read-only mount
        (OSError(errno.EIO, "Input/output error", "/data"), faults.FolderUnwritable),  # a broken disk
        (FileExistsError(errno.EEXIST, "File exists", "/data"), faults.FolderUnwritable),  # a file where the folder should be
    ],
)
def test_the_systems_refusal_is_told_by_what_it_means(problem: OSError, kind: type[faults.PostgresFault]) -> None:
    fault = folder.of_os_error(problem, Path("/data"))
    assert type(fault) is kind
    assert "/data" in str(fault)


def test_a_folder_that_may_not_be_passed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "blocked_by", lambda path: Path("/home/ada"))
    fault = folder.of_os_error(PermissionError(errno.EACCES, "Permission denied", "/home/ada/db"), Path("/home/ada/db"))
    assert type(fault) is faults.FolderBlocked
    assert "/home/ada " in str(fault)


@pytest.mark.parametrize(
    "log,kind,words",
    [
        # A setting that does not exist: its name is in the answer.
        (
            '2026-11-21 10:00:00.000 UTC [7] FATAL:  unrecognized configuration parameter "shared_bufers"\n',
            faults.SettingRefused,
            "shared_bufers",
        ),
        # A fatal line counts more than what follows it.
        (
            "2026-11-21 10:00:00.000 UTC [7] FATAL:  could not load server certificate\n"
            "2026-11-21 10:00:00.001 UTC [7] LOG:  database system is shut down\n",
            faults.StartFailed,
            "(could not load server certificate)",
        ),
        ("PANIC:  could not write to file: No space left on device\n", faults.DiskFull, "full"),  # not the postmaster's fault
        ("", faults.StartFailed, "it said nothing"),  # killed before its first word
        ("Segmentation fault\n", faults.StartFailed, "(Segmentation fault)"),  # not a log line at all
    ],
)
def test_the_log_says_why_a_start_failed(log: str, kind: type[faults.PostgresFault], words: str) -> None:
    fault = postmaster.failed(folder.Folder(Path("/data")), log, "PostgreSQL did not start")
    assert type(fault) is kind
    assert words in str(fault)
