"""Prepares a database for this version: schema, the service's role, the house organization.

Owns: the order, and what is said of it. Each step finds its work done on the next run and leaves it, and of several
processes that prepare one database each waits for its turn. Every start of ``up`` waits for it, so
it imports no adapter, and the subscribers of events only where it makes something that they hear of.
"""

from __future__ import annotations

import asyncio

from carbonledger.domains.identity import types as identity
from carbonledger.domains.identity.service import house, links, users
from carbonledger.domains.vault import service as vault
from carbonledger.entrypoints.cli import configured, console, folder, lifeline, telling
from carbonledger.infra import clock, crypto, db, migrations, opening, passing, passwords, postgres, reach, server, settings, turn


def migrate(*, json: bool) -> None:
    """Migrate and say what was done."""
    teller = telling.Teller(has_parent=lifeline.watch())
    configuration = configured.load()
    folder.make(configuration.home)
    with (
        teller.minding(db.DatabaseUnavailable, server.ServerUnreachable, postgres.TimedOut),
        reach.reached(configuration) as reached,
        passing.told(),
    ):
        done = asyncio.run(_prepare(configuration, reached.addresses, teller))
    if json:
        console.json(done)
        return
    console.say(f"Schema {done['schema']}.")
    if "first_start" in done:
        console.say(done["first_start"])


async def _prepare(configuration: settings.Settings, addresses: reach.Addresses, teller: telling.Teller) -> dict[str, str]:
    async with server.connected(addresses.owner) as conn:
        await server.version(conn)
        teller.reached()
    before = await migrations.current(addresses.owner)
    with passing.told_under_alembic():
        revision = await migrations.upgrade(addresses.owner)
    async with server.connected(addresses.owner) as conn, turn.taken(conn):
        if addresses.app_role is not None:
            await server.allow_entering(conn)
        elif configuration.database_url is not None:
            await server.ensure_login(conn, addresses.app)
        async with server.connected(addresses.app, role=addresses.app_role) as serving:
            await server.require_safe(serving)
        made = await _first_start(configuration, addresses)
    schema = f"at revision {revision}" if before == revision else f"migrated from {before or 'nothing'} to {revision}"
    return {"revision": revision, "schema": schema, **made}


async def _first_start(configuration: settings.Settings, addresses: reach.Addresses) -> dict[str, str]:
    """Make the vault's keys and the house, and say how its owner gets in, as long as that was not done."""
    database = await opening.database(configuration, addresses, application="carbonledger-migrate")
    try:
        await _make_vault_keys(configuration, database)
        async with database.transaction() as uow:
            is_new = await house.find(uow) is None
        password_hash = None
        if is_new and configuration.bootstrap_password is not None:
            async with passwords.opened() as hashing:
                given = configuration.bootstrap_password.get_secret_value()
                # In the form that signing in compares, so that a password typed on another keyboard is the same one.
                password_hash = await hashing.hash(users.given_password(given) or given)
        key = configuration.bootstrap_api_key
        if is_new or key is not None:
            _load_subscribers()
        async with database.transaction() as uow:
            made = await house.ensure(
                uow,
                at=clock.now(),
                email=configuration.bootstrap_email,
                password_hash=password_hash,
                api_key=None if key is None else key.get_secret_value(),
            )
    finally:
        await database.close()
    return {"house": str(made.organization_id), **_way_in(configuration, made)}


async def _make_vault_keys(configuration: settings.Settings, database: db.Database) -> None:
    """Make the key file on first start, and never where secrets were sealed already: they would be lost, and nobody would be told."""
    if configuration.vault_keys is not None or configuration.vault_keys_path.exists():
        return
    async with database.transaction(read_only=True) as uow:
        sealed = await vault.sealed_by(uow)
    if sealed:
        lost = f"{sum(sealed.values())} secrets were sealed with {', '.join(sorted(sealed))}"
        raise crypto.VaultKeysMissing(f"{configuration.vault_keys_path} is missing, and {lost}. Put the key file back from its backup.")
    crypto.open_or_create(configuration.vault_keys_path)


def _load_subscribers() -> None:
    from carbonledger.entrypoints.worker import registry

    registry.load()


def _way_in(configuration: settings.Settings, made: identity.House) -> dict[str, str]:
    owner = configuration.bootstrap_email or house.OWNER_EMAIL
    if made.sign_in_token is not None:
        link = links.url(configuration.address, purpose=identity.LinkPurpose.SIGN_IN, token=made.sign_in_token)
        return {"sign_in": link, "first_start": f"The first owner sets a password here (works once, for a day):\n{link}"}
    return {"first_start": f"The first owner is {owner}."} if made.was_made else {}
