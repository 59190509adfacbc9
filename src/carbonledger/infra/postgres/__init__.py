"""Embedded PostgreSQL: finds the programs, makes the cluster, supervises the postmaster, shares it among processes.

Owns: everything between "a data folder" and "a connection string". It speaks no SQL beyond making its roles and database::

    with postgres.ensure(postgres.ClusterOptions(data_dir=home / "postgres")) as lease:
        lease.dsn("app")        # what the service connects with
        lease.dsn("owner")      # what migrates
        lease.ensure()          # on a lost connection: start again whatever was killed
        lease.bin_dir           # psql, pg_dump
"""

from __future__ import annotations

from carbonledger.infra.postgres.faults import (
    AccountMissing,
    DiskFull,
    FolderBlocked,
    FolderForeign,
    FolderUnwritable,
    InUse,
    PostgresFault,
    ProgramsMissing,
    SettingRefused,
    StartFailed,
    TimedOut,
    WrongMajor,
)
from carbonledger.infra.postgres.lease import Lease, ensure
from carbonledger.infra.postgres.options import ClusterOptions
from carbonledger.infra.postgres.passwords import DATABASE, LOGINS, Role

__all__ = [
    "DATABASE",
    "LOGINS",
    "AccountMissing",
    "ClusterOptions",
    "DiskFull",
    "FolderBlocked",
    "FolderForeign",
    "FolderUnwritable",
    "InUse",
    "Lease",
    "PostgresFault",
    "ProgramsMissing",
    "Role",
    "SettingRefused",
    "StartFailed",
    "TimedOut",
    "WrongMajor",
    "ensure",
]
