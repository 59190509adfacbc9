"""What may be asked of the embedded PostgreSQL, and the arguments that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carbonledger.infra.postgres import faults, options


def _arguments(wanted: options.ClusterOptions, *, socket_dir: Path | None = Path("/data/socket"), port: int = 5432) -> dict[str, str]:
    """Return the settings as PostgreSQL takes them: of two with one name the later wins."""
    flat = options.server_arguments(wanted, socket_dir=socket_dir, port=port, memory_bytes=2**30)
    assert set(flat[::2]) == {"-c"}
    return dict(argument.split("=", 1) for argument in flat[1::2])


def test_a_laptop_gets_small_memory_and_no_compiler() -> None:
    settings = _arguments(options.ClusterOptions(data_dir=Path("/data")))
    assert {"shared_buffers": "128MB", "max_connections": "100", "jit": "off", "timezone": "UTC"}.items() <= settings.items()


@pytest.mark.parametrize(
    "memory_gib, buffers, wal",
    [(0.5, "64MB", "512MB"), (8, "1024MB", "2048MB"), (16, "2048MB", "4096MB"), (32, "4096MB", "8192MB"), (512, "8192MB", "8192MB")],
    ids=["a small container", "a laptop", "a larger one", "where the log reaches its bound", "where both do"],
)
def test_memory_follows_from_the_machine_within_bounds(memory_gib: float, buffers: str, wal: str) -> None:
    assert options.sized(int(memory_gib * 2**30)) == {"shared_buffers": buffers, "max_wal_size": wal}


def test_a_setting_that_was_passed_replaces_the_default() -> None:
    settings = _arguments(options.ClusterOptions(data_dir=Path("/data"), settings={"shared_buffers": "1GB", "work_mem": "8MB"}))
    assert (settings["shared_buffers"], settings["work_mem"]) == ("1GB", "8MB")


def test_a_socket_server_listens_on_no_address() -> None:
    settings = _arguments(options.ClusterOptions(data_dir=Path("/data")))
    assert (settings["listen_addresses"], settings["unix_socket_directories"]) == ("", '"/data/socket"')


def test_a_tcp_server_listens_on_loopback_alone() -> None:
    settings = _arguments(options.ClusterOptions(data_dir=Path("/data"), listen="tcp"), socket_dir=None, port=6000)
    assert (settings["listen_addresses"], settings["unix_socket_directories"], settings["port"]) == ("127.0.0.1", "", "6000")


def test_a_quote_in_the_socket_folder_is_doubled_as_postgresql_reads_lists() -> None:
    settings = _arguments(options.ClusterOptions(data_dir=Path("/data")), socket_dir=Path('/a "b", c'))
    assert settings["unix_socket_directories"] == '"/a ""b"", c"'


@pytest.mark.parametrize(
    "refused",
    [
        {"settings": {"listen_addresses": "*"}},  # would open the server to the network
        {"settings": {"unix_socket_directories": "/elsewhere"}},  # would hide it from its users
        {"settings": {"data_directory": "/elsewhere"}},  # another cluster than the one that was checked
        {"settings": {"logging_collector": "on"}},  # the log's size is bounded by the supervisor
        {"settings": {"Shared_Buffers": "1GB"}},  # two spellings of one name: which wins?
        {"settings": {"work_mem=1 -c fsync": "off"}},  # a second setting hidden in a name
        {"settings": {"": "x"}},  # no name
        {"settings": {"search_path": "a\0b"}},  # an argument ends at NUL
        {"port": 6000},  # a port without tcp would be silently unused
    ],
)
def test_an_option_that_would_mislead_is_refused(refused: dict[str, Any]) -> None:
    with pytest.raises(faults.SettingRefused):
        options.ClusterOptions(data_dir=Path("/data"), **refused)


def test_a_setting_of_an_extension_has_a_dotted_name() -> None:
    settings = _arguments(options.ClusterOptions(data_dir=Path("/data"), settings={"plpgsql.extra_warnings": "all"}))
    assert settings["plpgsql.extra_warnings"] == "all"


def test_options_reach_the_supervisor_unchanged() -> None:
    wanted = options.ClusterOptions(
        data_dir=Path("/daten/größe \udcff"),
        listen="tcp",
        port=6000,
        settings={"jit": "on"},
        binaries=Path("/pg/bin"),
        run_as="db",
        grace_s=0.5,
    )
    assert options.ClusterOptions.from_json(wanted.to_json()) == wanted


def test_who_runs_it_and_for_how_long_does_not_make_another_server() -> None:
    one = options.ClusterOptions(data_dir=Path("/data"), grace_s=1)
    other = options.ClusterOptions(data_dir=Path("/data"), grace_s=9, run_as="nobody")
    assert one.server() == other.server()
    assert one.server() != options.ClusterOptions(data_dir=Path("/data"), settings={"jit": "on"}).server()
