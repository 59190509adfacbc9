"""What stands in the way is said in one sentence that names it and the remedy."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from carbonledger.infra import postgres
from carbonledger.infra.postgres import programs
from tests.integration.infra.postgres import conftest
from tests.integration.infra.postgres.conftest import Place

_ASK = """
import json, sys
from pathlib import Path
from carbonledger.infra import postgres
try:
    postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1]))).close(wait=True)
except postgres.PostgresFault as fault:
    print(json.dumps([type(fault).__name__, str(fault)]))
"""


def _ask(place: Place, data_dir: Path) -> tuple[str, str]:
    """Ask for a server as an ordinary user, and return the refusal's class and sentence."""
    output, _ = place.python(_ASK, data_dir, ordinary=True).communicate(timeout=conftest.PATIENCE_S)
    kind, sentence = json.loads(output)
    return kind, sentence


def _is_one_sentence(text: str) -> bool:
    return re.fullmatch(r"[^\n]+\.", text) is not None and len(text) < 500


async def test_data_of_another_major_names_both_versions_and_the_programs_that_fit(place: Place) -> None:
    newest, *older = programs.bundled()
    old = older[-1]
    lease = place.ensure(binaries=old.bin_dir)
    await conftest.execute(lease.dsn("owner"), "CREATE TABLE kept AS SELECT 42 AS answer")
    lease.close(wait=True)

    with pytest.raises(postgres.WrongMajor) as refusal:
        place.ensure()
    sentence = str(refusal.value)
    assert _is_one_sentence(sentence)
    assert all(
        part in sentence for part in (f"made by PostgreSQL {old.major} ", newest.version, str(old.bin_dir), "restore into a new folder")
    )

    again = place.ensure(binaries=old.bin_dir)
    assert (await conftest.fetch(again.dsn("owner"), "SELECT answer FROM kept"))[0][0] == 42


def test_data_of_an_unheard_of_major_is_refused(place: Place) -> None:
    place.ensure().close(wait=True)
    (place.folder().data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(postgres.WrongMajor, match=r"made by PostgreSQL 9\.6 "):
        place.ensure()


def test_data_without_a_version_is_not_taken_for_ours(place: Place) -> None:
    place.ensure().close(wait=True)
    (place.folder().data / "PG_VERSION").unlink()
    with pytest.raises(postgres.FolderForeign, match="PG_VERSION is missing"):
        place.ensure()


def test_a_folder_that_can_not_be_written_is_named(place: Place) -> None:
    parent = place.root / "parent"
    parent.mkdir()
    parent.chmod(0o555)  # root's: for an ordinary user it would do without this as well
    kind, sentence = _ask(place, parent / "db")
    assert kind == "FolderUnwritable"
    assert _is_one_sentence(sentence)
    assert str(parent / "db") in sentence


def test_a_folder_behind_one_that_may_not_be_passed_names_that_one(place: Place) -> None:
    blocking = place.root / "private"
    (blocking / "deep").mkdir(parents=True)
    if conftest.IS_ROOT:
        blocking.chmod(0o700)  # root may pass, but not the user it hands the database to
        with pytest.raises(postgres.FolderBlocked) as refusal:
            place.ensure("private/deep/db")
        kind, sentence = type(refusal.value).__name__, str(refusal.value)
        assert blocking.stat().st_mode & 0o777 == 0o700  # it is not for us to open it
        shutil.rmtree(blocking / "deep" / "db")
    else:
        blocking.chmod(0o600)
        kind, sentence = _ask(place, blocking / "deep" / "db")
        blocking.chmod(0o700)
    assert kind == "FolderBlocked"
    assert _is_one_sentence(sentence)
    assert f"may not pass through {blocking} " in sentence
    assert "chmod" in sentence


def test_a_folder_that_belongs_to_another_user_is_refused(place: Place) -> None:
    kind, sentence = _ask(place, Path("/usr"))
    assert kind == "FolderForeign"
    assert "belongs to user id 0" in sentence


@pytest.mark.parametrize(
    "file,words",
    [
        ("notes.txt", "holds other files"),  # somebody's documents
        ("PG_VERSION", "another PostgreSQL"),  # a server's data folder itself
    ],
)
def test_a_folder_with_other_contents_is_refused_and_left_as_it_is(place: Place, file: str, words: str) -> None:
    theirs = place.root / "db"
    theirs.mkdir(mode=0o750)
    theirs.chmod(0o750)
    (theirs / file).write_text("18\n")
    with pytest.raises(postgres.FolderForeign, match=words):
        place.ensure()
    assert [path.name for path in theirs.iterdir()] == [file]
    assert theirs.stat().st_mode & 0o777 == 0o750


def test_a_file_in_the_place_of_the_folder_is_named(place: Place) -> None:
    (place.root / "db").write_text("")
    with pytest.raises(postgres.FolderUnwritable, match="File exists"):
        place.ensure()


def test_a_full_disk_at_the_first_start_is_named_and_leaves_nothing(place: Place) -> None:
    # What initdb says when a write fails with ENOSPC, and the half-made data it may leave.
    full = 'for last; do :; done; mkdir -p "$last/base"; echo "initdb: error: could not write file: No space left on device" >&2; exit 1'
    with pytest.raises(postgres.DiskFull) as refusal:
        place.ensure(binaries=place.programs(initdb=full))
    assert _is_one_sentence(str(refusal.value))
    assert str(place.root / "db") in str(refusal.value)
    assert not list(place.folder().server.glob("data*"))

    place.ensure()  # once there is room


def test_an_initdb_that_fails_is_quoted(place: Place) -> None:
    with pytest.raises(postgres.StartFailed, match="could not frobnicate"):
        place.ensure(binaries=place.programs(initdb='echo "initdb: error: could not frobnicate" >&2; exit 1'))


@pytest.mark.parametrize(
    "says,words",
    [
        ("postgres (PostgreSQL) 14.9", "too old"),  # older than what the schema is tested with
        ("mysqld  Ver 8.0.36", "not the version of a PostgreSQL"),  # something else
    ],
)
def test_programs_that_do_not_fit_are_refused(place: Place, says: str, words: str) -> None:
    with pytest.raises(postgres.ProgramsMissing, match=words):
        place.ensure(binaries=place.programs(initdb="exit 1", postgres_says=says))


def test_a_folder_without_programs_is_named(place: Place) -> None:
    with pytest.raises(postgres.ProgramsMissing, match=str(place.root / "none")):
        place.ensure(binaries=place.root / "none")


def test_a_setting_that_postgresql_refuses_is_named(place: Place) -> None:
    with pytest.raises(postgres.SettingRefused, match="shared_bufers") as refusal:
        place.ensure(settings={"shared_bufers": "1GB"})
    assert _is_one_sentence(str(refusal.value))
    place.ensure()


@pytest.mark.parametrize("user", ["root", "no-such-user-here"])
def test_a_user_that_can_not_run_the_server_is_refused(place: Place, user: str) -> None:
    with pytest.raises(postgres.AccountMissing, match=user):
        place.ensure(run_as=user)


def test_a_start_that_takes_too_long_for_its_caller_goes_on_for_the_next(place: Place) -> None:
    with pytest.raises(postgres.TimedOut, match="still starting"):
        postgres.ensure(place.options(grace_s=30), timeout_s=0.05)
    assert place.ensure().version


def test_a_password_file_that_is_lost_while_the_server_runs_is_named(place: Place) -> None:
    place.ensure()
    (place.folder().secrets / "app").unlink()
    with pytest.raises(postgres.PostgresFault, match="is missing"):
        place.ensure()
