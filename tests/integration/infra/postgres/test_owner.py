"""Who the server runs as, and whose its files are: never root, and nothing outside its folder changes."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

import psutil
import pytest

from carbonledger.infra import postgres
from carbonledger.infra.postgres import programs
from tests.integration.infra.postgres import conftest
from tests.integration.infra.postgres.conftest import Place


def _uid(pid: int | None) -> int:
    return psutil.Process(pid).uids().effective


def _made_by_root() -> int:
    """Return whom root hands a new folder to."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("carbonledger" if "carbonledger" in known else "nobody").pw_uid


def test_neither_the_server_nor_its_supervisor_runs_as_root(place: Place) -> None:
    lease = place.ensure()
    expected = _made_by_root() if conftest.IS_ROOT else os.geteuid()
    assert (_uid(lease.supervisor_pid), _uid(lease.postmaster_pid)) == (expected, expected)
    assert psutil.Process(lease.supervisor_pid).uids().saved == expected  # it can't turn back


def test_passwords_stay_with_whoever_made_the_folder(place: Place) -> None:
    place.ensure()
    assert {path.stat().st_uid for path in place.folder().secrets.iterdir()} == {os.geteuid()}


def test_nothing_outside_the_data_folder_changes(place: Place) -> None:
    install = programs.bundled()[0].bin_dir.parent
    outside = [place.root, *place.root.parents, install, *install.parents, *install.rglob("*")]

    def seen() -> dict[Path, tuple[int, int, int]]:
        return {path: (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid) for path in outside}

    before = seen()
    place.ensure()
    assert seen() == before


def test_a_data_folder_that_others_could_write_is_closed_to_them(place: Place) -> None:
    theirs = place.folder().root
    theirs.mkdir()
    theirs.chmod(0o777)
    place.ensure()
    assert theirs.stat().st_mode & 0o777 == (0o701 if conftest.IS_ROOT else 0o700)


def owners(folder: Path) -> set[int]:
    """Whose the files are; of a server that runs, some go while we look."""
    found = set()
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found.add(path.lstat().st_uid)
    return found


async def test_an_ordinary_user_runs_it_as_himself(place: Place) -> None:
    user = conftest.ordinary()
    home = place.root / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    home.chmod(0o700)  # others may not even look

    other = place.user("home/db", ordinary=True)
    assert (_uid(other.supervisor_pid), _uid(other.postmaster_pid)) == (user.pw_uid, user.pw_uid)
    assert owners(home) == {user.pw_uid}
    assert (home / "db").stat().st_mode & 0o777 == 0o700
    assert await conftest.fetch(other.dsn, "SELECT 1")
    other.leave()
    place.until_ended("home/db")


async def test_root_serves_an_ordinary_users_folder_as_that_user(place: Place) -> None:
    user = conftest.ordinary()
    theirs = place.root / "db"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, user.pw_uid, user.pw_gid)

    lease = place.ensure()
    assert _uid(lease.postmaster_pid) == user.pw_uid
    assert owners(theirs) == {user.pw_uid}
    other = place.user(ordinary=True)  # who then shares the server, with the same passwords
    assert (other.postmaster_pid, other.dsn) == (lease.postmaster_pid, lease.dsn("owner"))
    lease.close()
    other.leave()
    place.until_ended()

    again = place.user(ordinary=True)  # and can start it alone: root left nothing of its own
    assert await conftest.fetch(again.dsn, "SELECT 1")


def test_a_folder_keeps_its_user(place: Place) -> None:
    lease = place.ensure(run_as=conftest.ordinary().pw_name)
    assert _uid(lease.postmaster_pid) == conftest.ordinary().pw_uid
    lease.close(wait=True)
    with pytest.raises(postgres.PostgresFault, match="daemon"):
        place.ensure(run_as="daemon")


async def test_programs_that_the_servers_user_can_not_reach_are_copied_into_the_folder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An installation under a home folder that only root may enter: its Python packages and the programs among them.
    private = place.root / "private"
    private.mkdir(mode=0o700)
    real = programs.bundled()[0].bin_dir.parent
    for linked in (Path(postgres.__file__).parents[2], real.parent, real.parent.with_name(f"{real.parent.name}.libs")):
        (private / linked.name).symlink_to(linked)
    monkeypatch.setenv("PYTHONPATH", str(private))

    lease = place.ensure()
    assert await conftest.fetch(lease.dsn(), "SELECT 1")
    if not conftest.IS_ROOT:
        assert lease.bin_dir.parent.parent.parent == private  # its owner can reach it: nothing to copy
        return
    assert lease.bin_dir.is_relative_to(place.folder().programs)
    (copy,) = place.folder().programs.iterdir()
    made = copy.stat().st_ino
    lease.close(wait=True)
    again = place.ensure()
    assert again.bin_dir == lease.bin_dir
    assert copy.stat().st_ino == made  # once for each version
    assert {path.lstat().st_uid for path in copy.rglob("*")} == {0}  # the server can't change its own programs
