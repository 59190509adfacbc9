"""Reading and ordering the versions of PostgreSQL."""

from __future__ import annotations

import pytest

from carbonledger.infra.postgres import faults, programs


@pytest.mark.parametrize(
    "text,version,major",
    [
        ("postgres (PostgreSQL) 18.4\n", "18.4", 18),  # as released
        ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", "15.14", 15),  # as a distribution marks it
        ("postgres (PostgreSQL) 19beta1\n", "19beta1", 19),  # before its release
        ("postgres (PostgreSQL) 20devel\n", "20devel", 20),  # from its source
    ],
)
def test_the_version_is_read_from_what_the_program_says(text: str, version: str, major: int) -> None:
    assert programs.parse_version(text) == version
    assert programs.major(version) == major


@pytest.mark.parametrize("text", ["", "postgres", "mysqld  Ver 8.0.36 for Linux", "postgres (PostgreSQL) x"])
def test_another_program_is_refused(text: str) -> None:
    with pytest.raises(faults.ProgramsMissing):
        programs.parse_version(text)


def test_versions_are_ordered_by_number_and_releases_come_after_their_betas() -> None:
    newest_first = sorted(["9.6.24", "18.10", "18.9", "19beta2", "19rc1", "19devel", "16.14", "19.0"], key=programs.order, reverse=True)
    assert newest_first[0] == "19.0"
    assert newest_first[-4:] == ["18.10", "18.9", "16.14", "9.6.24"]


def test_no_variable_of_ours_reaches_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGDATA", "PGOPTIONS", "CARBONLEDGER_VAULT_KEYS", "OPENAI_API_KEY", "LC_MESSAGES"):
        monkeypatch.setenv(name, "anything")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/pg/lib")  # a PostgreSQL of one's own may need it
    monkeypatch.delenv("DYLD_LIBRARY_PATH", raising=False)
    expected = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "LD_LIBRARY_PATH": "/opt/pg/lib"}
    assert programs.environment() == expected
