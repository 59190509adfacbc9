"""From nothing to a running service and back, as a stranger does it: real processes, a real folder, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import installation, until

KEY = "cl_live_" + "k" * 40


@pytest.fixture
def home() -> Iterator[Path]:
    with installation.new_home(prepared=False) as path:
        yield path


def authorization(key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_one_command_makes_everything_and_ctrl_c_leaves_nothing_running(home: Path) -> None:
    with installation.up(home) as running:
        until.holds_now(running.is_ready)
        assert f"{running.address}/sign-in?token=" in running.output
        family = running.family()

        assert running.stop(signal.SIGINT) == 0

    assert running.output.endswith("Stopped.\n")
    assert installation.alive(family) == []


def test_a_second_start_finds_the_data_of_the_first_and_a_scripted_owner_needs_no_link(home: Path) -> None:
    with installation.up(
        home,
        CARBONLEDGER_BOOTSTRAP_EMAIL="ada@example.org",
        CARBONLEDGER_BOOTSTRAP_PASSWORD="correct horse battery",
        CARBONLEDGER_BOOTSTRAP_API_KEY=KEY,
    ) as running:
        assert "The first owner is ada@example.org." in running.output
        assert "correct horse battery" not in running.told
        assert KEY not in running.told
        made = json.loads(installation.run(home, "org", "create", "Customer", "--json").stdout)
        assert running.stop() == 0

    with installation.up(home) as running:
        assert "/sign-in?token=" not in running.output
        assert running.request("GET", "/v1/llm-keys", headers=authorization())[0] == 200
        listed = json.loads(installation.run(home, "org", "list", "--json").stdout)
        assert [row["id"] for row in listed["data"]].count(made["id"]) == 1
        assert running.stop() == 0


def test_a_second_one_on_the_same_folder_says_who_runs_and_where(home: Path) -> None:
    with installation.up(home) as running:
        second = installation.run(home, "up")

        assert second.returncode == 5
        assert f"already runs on {home} (process {running.process.pid} at {running.address})" in second.stderr
        assert running.request("GET", "/health")[0] == 200


@pytest.mark.parametrize("part", ["api", "worker"])
def test_a_killed_part_comes_back_and_nobody_is_refused_meanwhile(home: Path, part: str) -> None:
    with installation.up(home) as running:
        killed = running.part(part)

        killed.kill()
        killed.wait()
        status, _ = running.request("GET", "/health")  # waits in the socket's queue while the API starts again

        assert status == 200
        until.holds_now(lambda: any(f"{part} ended (killed by SIGKILL) and starts again." in line for line in running.log))
        assert running.stop() == 0


@pytest.mark.parametrize("listen", ["socket", "tcp"])  # by tcp its port is another afterwards
def test_a_database_that_was_killed_with_its_supervisor_comes_back(home: Path, listen: str) -> None:
    with installation.up(home, CARBONLEDGER_POSTGRES_LISTEN=listen, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        ours = {running.process.pid, *(child.pid for child in psutil.Process(running.process.pid).children())}
        killed = [process for process in installation.database_processes(home) if process.pid not in ours]
        assert any("supervise" in " ".join(process.cmdline()) for process in killed)
        for process in killed:
            with contextlib.suppress(psutil.NoSuchProcess):  # the server's own processes end with it
                process.kill()

        until.holds_now(lambda: serves(running), deadline_s=installation.START_DEADLINE_S)

        assert running.stop() == 0


def serves(running: installation.Installation) -> bool:
    try:
        return running.request("GET", "/v1/llm-keys", headers=authorization())[0] == 200
    except OSError:
        return False  # it starts again


def test_everything_notices_when_the_parent_is_killed(home: Path) -> None:
    with installation.up(home) as running:
        family = running.family()

        running.process.kill()
        running.wait()

        until.holds_now(lambda: not installation.alive(family), deadline_s=installation.STOP_DEADLINE_S)
        assert installation.database_processes(home) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_service_manager_and_a_closed_terminal_stop_it_in_order_too(home: Path, number: signal.Signals) -> None:
    with installation.up(home) as running:
        family = running.family()

        assert running.stop(number) == 0

    assert installation.alive(family) == []


def test_stopped_while_it_starts_it_leaves_nothing_running(home: Path) -> None:
    with installation.up(home, ready=False) as running:
        until.holds_now(lambda: "  database" in running.output)

        # Before its loop runs, the signal itself ends it.
        assert running.stop(signal.SIGTERM) in {0, -signal.SIGTERM}

    assert "schema" not in running.output
    assert installation.database_processes(home) == []


def test_a_migration_that_is_killed_begins_again(home: Path) -> None:
    with installation.up(home, ready=False) as running:

        def migrating() -> list[psutil.Process]:
            found = []
            for child in psutil.Process(running.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    found += [child] if "migrate" in child.cmdline() else []
            return found

        until.holds_now(lambda: bool(migrating()), deadline_s=installation.START_DEADLINE_S, told=lambda: running.told)
        migrating()[0].kill()

        running.wait_ready()
        assert running.stop() == 0

    assert "migrate ended (killed by SIGKILL) and starts again." in running.told


def test_a_taken_port_is_named_before_anything_else_starts(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        tried = installation.run(home, "up", CARBONLEDGER_PORT=port)

    assert tried.returncode == 5
    assert f"Port {port} on 127.0.0.1 is in use by another program" in tried.stderr
    assert "CARBONLEDGER_PORT" in tried.stderr
    assert not (home / "postgres").exists()


def test_a_taken_port_for_metrics_is_named_before_anything_else_starts(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        tried = installation.run(home, "worker", "--metrics-port", port)

    assert tried.returncode == 5
    assert f"Port {port} on 127.0.0.1 is in use by another program" in tried.stderr
    assert "--metrics-port" in tried.stderr
    assert not (home / "postgres").exists()


def test_data_of_another_major_is_named_with_the_way_out(home: Path) -> None:
    with installation.up(home) as running:
        running.stop()
    (home / "postgres/server/data/PG_VERSION").write_text("14\n")

    tried = installation.run(home, "up")

    assert tried.returncode == 6
    assert "was made by PostgreSQL 14" in tried.stderr
    assert "CARBONLEDGER_POSTGRES_BIN" in tried.stderr


@pytest.mark.parametrize(
    "url, code, sentence",
    [
        # no network, or a wrong name (RFC 2606: never resolves)
        ("postgresql://u:hidden@db.invalid:5432/cl", 6, "The host of db.invalid:5432/cl is unknown; check the network"),
        # nothing listens on the port reserved for tcpmux
        ("postgresql://u:hidden@127.0.0.1:1/cl", 6, "Nothing answers at 127.0.0.1:1/cl (Connection refused); start PostgreSQL there"),
        ("mysql://u:hidden@127.0.0.1/cl", 3, "DATABASE_URL is not an address of PostgreSQL"),
    ],
)
def test_a_database_that_is_not_there_is_one_sentence_without_the_password(home: Path, url: str, code: int, sentence: str) -> None:
    tried = installation.run(home, "up", DATABASE_URL=url)

    assert tried.returncode == code
    assert sentence in tried.stderr
    assert "hidden" not in tried.stderr + tried.stdout
    assert "Traceback" not in tried.stderr


def test_a_misspelt_variable_is_named_with_the_one_that_is_meant(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        tried = installation.run(home, "up", CARBONLEDGER_PORT=str(other.getsockname()[1]), CARBONLEDGER_WORKER_CONCURENCY="2")

    assert "Nothing reads CARBONLEDGER_WORKER_CONCURENCY. Is CARBONLEDGER_WORKER_CONCURRENCY meant?" in tried.stderr


ORDINARY = "nobody" if os.geteuid() == 0 else None
"""An ordinary user: root becomes one, anybody else is one already."""


def test_it_all_works_for_an_ordinary_user() -> None:
    with installation.new_home(user=ORDINARY) as home, installation.up(home, user=ORDINARY) as running:
        until.holds_now(running.is_ready)
        assert len({process.uids().real for process in running.family()}) == 1
        assert running.stop() == 0


def test_a_folder_that_may_not_be_written_is_named_with_the_remedy(home: Path) -> None:
    home.mkdir(mode=0o555)

    tried = installation.run(home, "up", user=ORDINARY)

    assert tried.returncode == 3
    assert f"The data folder {home} can't be used" in tried.stderr
    assert "CARBONLEDGER_HOME" in tried.stderr


if os.geteuid() == 0:  # anybody else's database runs as that user, who reaches the folder

    def test_root_is_told_which_folder_keeps_the_database_out(home: Path) -> None:
        home.parent.chmod(0o700)

        tried = installation.run(home, "up")

        assert tried.returncode == 6
        assert f"may not pass through {home.parent}" in tried.stderr
