"""What a user may ask of the embedded PostgreSQL, and the server settings that follow from it.

Owns: ``ClusterOptions`` and its checks, the defaults of a laptop, and the postmaster's arguments. Pure: it touches no file.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from carbonledger.infra.postgres import faults

Listen = Literal["socket", "tcp"]

SOCKET_PORT = 5432
"""A unix socket's name carries a port; the socket is alone in its folder, so the usual one serves."""

LOOPBACK = "127.0.0.1"

DEFAULTS: Mapping[str, str] = types.MappingProxyType(
    {
        # No surprise from a compiler that costs more than the queries it speeds up.
        "max_connections": "100",
        "jit": "off",
        # After a checkpoint the first change of each page is logged as the whole page, which under ingest is most of what is logged: so it
        # comes seldom. What is acknowledged is on disk either way (synchronous_commit stays on); only a recovery takes longer.
        "checkpoint_timeout": "15min",
        # Partitioned ledgers are dumped and migrated many tables at a time, each of them a lock.
        "max_locks_per_transaction": "256",
        # The same everywhere, whatever the machine's own zone.
        "timezone": "UTC",
        "log_timezone": "UTC",
        "password_encryption": "scram-sha-256",
        "cluster_name": "carbonledger",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # A failing statement may hold personal data or a secret as a literal; the application logs its own failures, redacted.
        "log_min_error_statement": "panic",
    }
)
"""Server settings a user may replace, beside those that follow from the machine (``sized``)."""

_MB = 2**20
_BUFFERS_MB = (64, 8192)
_WAL_MB = (512, 8192)

FIXED = frozenset(
    {
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "ident_file",
        "listen_addresses",
        "log_destination",
        "logging_collector",
        "port",
        "unix_socket_directories",
        "unix_socket_permissions",
    }
)
"""Server settings that belong to the supervisor: changing one would hide the server from its users."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """One embedded PostgreSQL, named by its data folder.

    ``port`` is of TCP only: ``None`` lets the system choose one and keeps it while the server runs. ``settings`` are
    PostgreSQL's own names and values. ``binaries`` is the folder of other PostgreSQL programs than the wheel's.
    ``run_as`` is the system user that root hands a new data folder to. The server outlives its last user by ``grace_s``.
    """

    data_dir: Path
    listen: Listen = "socket"
    port: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    binaries: Path | None = None
    run_as: str | None = None
    grace_s: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_dir", self.data_dir.expanduser().absolute())
        if self.binaries is not None:
            object.__setattr__(self, "binaries", self.binaries.expanduser().absolute())
        object.__setattr__(self, "settings", types.MappingProxyType(dict(self.settings)))
        _check(self)

    def to_json(self) -> dict[str, Any]:
        return {
            "data_dir": str(self.data_dir),
            "listen": self.listen,
            "port": self.port,
            "settings": dict(self.settings),
            "binaries": None if self.binaries is None else str(self.binaries),
            "run_as": self.run_as,
            "grace_s": self.grace_s,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClusterOptions:
        binaries = values["binaries"]
        return cls(**{**values, "data_dir": Path(values["data_dir"]), "binaries": None if binaries is None else Path(binaries)})

    def server(self) -> dict[str, Any]:
        """Return the part that a running server can't change: two users with equal parts share it as it is."""
        return {key: value for key, value in self.to_json().items() if key in {"listen", "port", "settings", "binaries"}}


def _check(options: ClusterOptions) -> None:
    for name, value in options.settings.items():
        if not _NAME.fullmatch(name):
            detail = f"{name!r} is not the name of a PostgreSQL setting; write it in lower case as in its manual, such as shared_buffers."
            raise faults.SettingRefused(detail)
        if name in FIXED:
            detail = (
                f"The PostgreSQL setting {name} belongs to Carbon Ledger's own supervisor; leave it out (listen and port have options)."
            )
            raise faults.SettingRefused(detail)
        if "\0" in value:
            raise faults.SettingRefused(f"The value of the PostgreSQL setting {name} holds a NUL character; remove it.")
    if options.port is not None and options.listen != "tcp":
        raise faults.SettingRefused("A port was given for a server on a unix socket; ask for tcp as well, or leave the port out.")


def sized(memory_bytes: int) -> dict[str, str]:
    """Return the settings that follow from the machine's memory: small on a laptop, and no more than one service among others takes.

    An eighth of it, from 64 MB to 8 GB, keeps pages of the ledger's indexes, which new events meet anywhere (ADR 0012); PostgreSQL takes it
    page by page as the data grow. A quarter, from 512 MB to 8 GB, is how much of the log lies on disk before a checkpoint is made for it.
    """
    buffers, wal = (min(max(memory_bytes // part // _MB, least), most) for part, (least, most) in ((8, _BUFFERS_MB), (4, _WAL_MB)))
    return {"shared_buffers": f"{buffers}MB", "max_wal_size": f"{wal}MB"}


def server_arguments(options: ClusterOptions, *, socket_dir: Path | None, port: int, memory_bytes: int) -> list[str]:
    """Return the postmaster's ``-c`` arguments; the supervisor's own come last, where they win."""
    settings = {**DEFAULTS, **sized(memory_bytes), **options.settings}
    settings["logging_collector"] = "off"
    settings["log_destination"] = "stderr"
    settings["port"] = str(port)
    settings["listen_addresses"] = LOOPBACK if options.listen == "tcp" else ""
    # PostgreSQL reads a comma-separated list of quoted names here.
    settings["unix_socket_directories"] = "" if socket_dir is None else '"' + str(socket_dir).replace('"', '""') + '"'
    settings["unix_socket_permissions"] = "0700"
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
