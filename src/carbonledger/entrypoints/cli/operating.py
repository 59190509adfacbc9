"""What an operator's command stands on: the database as the service and as the one who sees every organization.

Owns: opening both for the length of a command, and the refusal to begin where nothing is installed. What a command does to one organization
goes through the service's role and its row-level security, as every request does; only lists over all organizations use the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from carbonledger.domains.identity.service import callers, house
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, db, ddl, migrations, opening, passing, reach, settings
from carbonledger.infra.observe import logs
from carbonledger.kernel import actor, errors

T = TypeVar("T")

HOUSE = "house"
APPLICATION = "carbonledger-command"


class NotInstalled(errors.NotFound):
    """There is no installation here."""

    code = "not_installed"


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs the command, and what they reach."""

    configuration: settings.Settings
    reached: reach.Reached
    database: db.Database
    overview: db.Database
    """The same database as the role that sees every organization."""
    at: datetime

    def acting_in(self, organization_id: UUID | None) -> actor.Actor:
        """Return the actor of this command in an organization."""
        return callers.operator_actor(organization_id)

    async def organization(self, given: str) -> UUID:
        """Return the organization that was named: by its id, or ``house``. Raises ``Invalid``."""
        if given != HOUSE:
            try:
                return UUID(given)
            except ValueError:
                raise errors.Invalid(f"{given!r} is not the id of an organization; `carbonledger org list` shows them.") from None
        async with self.database.transaction() as uow:
            found = await house.find(uow)
        if found is None:
            raise NotInstalled("There is no house organization yet; run `carbonledger migrate` first.")
        return found


def run(work: Callable[[Operator], Awaitable[T]]) -> T:
    """Run an operator's command. Raises ``NotInstalled``, ``MigrationPending`` and whatever ``work`` raises."""
    registry.load()
    configuration = load()
    with reach.reached(configuration) as reached, passing.told():
        return asyncio.run(_run(configuration, reached, work))


def load() -> settings.Settings:
    """Return the settings of the installation that is here. Raises ``NotInstalled``."""
    configuration = settings.load()
    logs.configure(configuration.model_copy(update={"log_level": "debug" if configuration.log_level == "debug" else "warning"}))
    require_installed(configuration)
    return configuration


def require_installed(configuration: settings.Settings) -> None:
    """Raise ``NotInstalled`` where a command would make a new installation by mistake."""
    if reach.given(configuration) is None and not configuration.postgres_dir.is_dir():
        raise NotInstalled(
            f"There is no installation in {configuration.home}; start one with `carbonledger up`, or name its folder in CARBONLEDGER_HOME."
        )


async def _run(configuration: settings.Settings, reached: reach.Reached, work: Callable[[Operator], Awaitable[T]]) -> T:
    await migrations.require_current(reached.addresses.app)
    async with opened(configuration, reached) as operator:
        return await work(operator)


@contextlib.asynccontextmanager
async def opened(configuration: settings.Settings, reached: reach.Reached) -> AsyncIterator[Operator]:
    """Open both connections while the block runs."""
    addresses = reached.addresses
    database = await opening.database(configuration, addresses, application=APPLICATION)
    try:
        overview = await db.connect(addresses.owner, size=1, application=APPLICATION, role=ddl.MAINTENANCE)
        try:
            yield Operator(configuration, reached, database, overview, clock.now())
        finally:
            await overview.close()
    finally:
        await database.close()
