"""PostgreSQL's own programs: which suit a server, and that they are told the password where no other user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbonledger.infra.dump import programs, restoring


def install(folder: Path, version: str, *, without: str = "") -> Path:
    folder.mkdir()
    for name in programs.NEEDED:
        if name != without:
            (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
            (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("server_major, bin_version", [(15, "15.14 (Debian 15.14-0+deb12u1)"), (15, "18.4"), (18, "18.4")])
def test_programs_at_least_as_new_as_the_server_suit(tmp_path: Path, server_major: int, bin_version: str) -> None:
    asked = install(tmp_path / "bin", bin_version)

    assert programs.suiting(server_major, asked=asked).bin_dir == asked


def test_older_programs_are_refused_with_the_remedy(tmp_path: Path) -> None:
    asked = install(tmp_path / "bin", "16.9")

    with pytest.raises(programs.ProgramsUnsuitable) as caught:
        programs.suiting(18, asked=asked)

    assert f"found: PostgreSQL 16 in {asked}" in str(caught.value)
    assert "CARBONLEDGER_POSTGRES_BIN" in str(caught.value)


@pytest.mark.parametrize("missing", programs.NEEDED)
def test_a_folder_without_one_of_the_programs_does_not_suit(tmp_path: Path, missing: str) -> None:
    with pytest.raises(programs.ProgramsUnsuitable, match="found: none"):
        programs.suiting(15, asked=install(tmp_path / "bin", "18.4", without=missing))


@pytest.mark.parametrize(
    "dsn, bare, password",
    [
        ("postgresql://u:p%40ss%2F@db:5432/cl?sslmode=require", "postgresql://u@db:5432/cl?sslmode=require", "p@ss/"),
        ("postgresql://u@/cl?host=%2Ftmp%2Fa%20b&port=5432", "postgresql://u@/cl?host=%2Ftmp%2Fa%20b&port=5432", None),
        ("postgresql://u:a:b@[::1]/cl", "postgresql://u@[::1]/cl", "a:b"),
        ("postgresql://db/cl", "postgresql://db/cl", None),
    ],
)
def test_the_password_goes_into_the_environment_and_not_among_the_arguments(dsn: str, bare: str, password: str | None) -> None:
    address, environ = programs.split_password(dsn)

    assert address == bare
    assert environ.get("PGPASSWORD") == password


def test_no_variable_of_the_callers_shell_reaches_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c role=postgres")
    monkeypatch.setenv("CARBONLEDGER_VAULT_KEYS", "secret")

    _, environ = programs.split_password("postgresql://db/cl")

    assert {"PGOPTIONS", "CARBONLEDGER_VAULT_KEYS"}.isdisjoint(environ)


@pytest.mark.parametrize("drop", [True, False])
def test_a_setting_that_an_older_server_does_not_know_is_left_out_for_it_alone(tmp_path: Path, drop: bool) -> None:
    head = b"SET statement_timeout = 0;\nSET transaction_timeout = 0;\n"
    rows = b"COPY t FROM stdin;\nSET transaction_timeout = 0;\n\\.\n" * 40
    script, fed = tmp_path / "script", tmp_path / "fed"
    script.write_bytes(head + b"\n" * 80 + rows)

    with script.open("rb") as source, fed.open("wb") as target:
        restoring._feed(source, target, drop_newer=drop)

    expected = head.replace(b"SET transaction_timeout = 0;\n", b"") if drop else head
    assert fed.read_bytes() == expected + b"\n" * 80 + rows
