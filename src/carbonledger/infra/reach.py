"""How the processes of an installation reach their database: the embedded server, or the one that the settings name.

Owns: the addresses, and the hold on the embedded server while a process needs it. It opens no connection itself and imports no driver, so
that the parent of ``up`` stays small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from carbonledger.infra import ddl, postgres, settings
from carbonledger.kernel import errors


class OwnerUnknown(errors.Fault):
    """The owner's address of the database is not known here."""

    kind = errors.Kind.INVALID
    code = "database_owner_unknown"


@dataclass(frozen=True, slots=True)
class Addresses:
    """How the database is reached: as its owner (migrations, operators) and as the running service. Both may hold a password."""

    app: str = field(repr=False)
    app_role: str | None
    """Role that is entered at log-in, where the service has no login of its own."""
    owner_if_known: str | None = field(repr=False)
    """None where a process is given the service's address alone, as it should be on a cluster."""

    @property
    def owner(self) -> str:
        """The owner's address. Raises ``OwnerUnknown``."""
        if self.owner_if_known is None:
            raise OwnerUnknown("This needs the owner's address of the database: set DATABASE_URL for this command.")
        return self.owner_if_known


@dataclass(frozen=True, slots=True)
class Reached:
    """A database, for as long as ``reached`` is open."""

    addresses: Addresses
    lease: postgres.Lease | None
    """The hold on the embedded server; None where the settings name a server."""
    programs_dir: Path | None
    """Where ``pg_dump`` and its like are: the embedded server's own, or what the settings name."""


def given(configuration: settings.Settings) -> Addresses | None:
    """Return the addresses of the server that the settings name, or None when the embedded one is meant."""
    owner = None if configuration.database_url is None else configuration.database_url.get_secret_value()
    if configuration.app_database_url is not None:
        return Addresses(app=configuration.app_database_url.get_secret_value(), app_role=None, owner_if_known=owner)
    return None if owner is None else Addresses(app=owner, app_role=ddl.APP, owner_if_known=owner)


def cluster_options(configuration: settings.Settings) -> postgres.ClusterOptions:
    """Return what the settings ask of the embedded server. Raises ``SettingsInvalid``."""
    pairs = [setting.partition("=") for setting in configuration.postgres_settings]
    wrong = [name for name, sign, _ in pairs if not sign]
    if wrong:
        raise settings.SettingsInvalid(f"CARBONLEDGER_POSTGRES_SETTINGS: {wrong[0]!r} has no value; write name=value,name=value.")
    return postgres.ClusterOptions(
        data_dir=configuration.postgres_dir,
        listen=configuration.postgres_listen,
        port=configuration.postgres_port,
        settings={name.strip(): value.strip() for name, _, value in pairs},
        binaries=configuration.postgres_bin,
        run_as=configuration.postgres_user,
    )


@contextlib.contextmanager
def reached(configuration: settings.Settings, *, wait: bool = False, patience: Callable[[str], None] | None = None) -> Iterator[Reached]:
    """Have a database: the server that the settings name, or the embedded one, started if need be and held until the end.

    Blocks, so it is entered before any event loop. ``wait`` stops an embedded server that nobody else uses before it returns.
    With ``patience``, which is told of it, an embedded server may take as long as it works on its start.
    """
    addresses = given(configuration)
    if addresses is not None:
        yield Reached(addresses=addresses, lease=None, programs_dir=configuration.postgres_bin)
        return
    lease = postgres.ensure(cluster_options(configuration), patience=patience)
    try:
        embedded = Addresses(app=lease.dsn("app"), app_role=None, owner_if_known=lease.dsn("owner"))
        yield Reached(addresses=embedded, lease=lease, programs_dir=lease.bin_dir)
    finally:
        lease.close(wait=wait)
