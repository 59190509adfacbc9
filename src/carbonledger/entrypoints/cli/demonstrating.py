"""What ``demo`` does: an organization, its projects, and connections to the stand-ins, made as a person would make them.

Owns: what the demo holds. Each step finds its work done on the next run and leaves it. One connection's key is revoked by its provider
right after it was made, so that there is a failure to look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.connections import service as connections
from carbonledger.domains.identity import types as identity
from carbonledger.domains.identity.service import api_keys, callers, customers, house, members, organizations
from carbonledger.domains.projects import service as projects
from carbonledger.entrypoints.cli import console, demonstration, operating
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, crypto, http, reach, settings
from carbonledger.kernel import errors, page
from carbonledger.kernel.actor import Role

NAME: Final = "Acme (demo)"
EXTERNAL_ID: Final = "demo"
KEY_LABEL: Final = "demo"
_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A connection of the demo. ``is_revoked``: its provider takes the key back once the connection is there."""

    provider: str
    label: str
    project: str
    key: str
    is_revoked: bool = False


# The keys are the stand-ins' own, and open nothing else.
CONNECTIONS: Final = (
    _Wanted("openai", "OpenAI", "Customer service", "sk-admin-demo-openai"),
    _Wanted("anthropic", "Anthropic", "Engineering", "sk-ant-admin-demo-anthropic"),
    _Wanted("openrouter", "OpenRouter", "Research", "sk-or-v1-demo-management"),
    _Wanted("openai", "OpenAI, old account", "Customer service", "sk-admin-demo-openai-revoked", is_revoked=True),
)


class DemoAway(errors.Unavailable):
    """The demo's stand-ins do not run."""

    code = "demo_away"


def demo(*, json: bool) -> None:
    """Make what is not there yet and say how to get in."""
    registry.load()
    configuration = operating.load()
    with reach.reached(configuration) as reached:
        shown = asyncio.run(_set_up(configuration, reached))
    if json:
        console.json(dict(shown))
        return
    console.say(demonstration.told(shown, address=configuration.address))


async def _set_up(configuration: settings.Settings, reached: reach.Reached) -> Mapping[str, str]:
    control = settings.environment().get("CARBONLEDGER_DEMO_URL")
    if control is None:
        raise DemoAway("Start them with `carbonledger up --demo`.")
    async with bootstrap.build(configuration, reached.addresses, application="carbonledger-demo") as services:
        organization_id, api_key = await _organization(services)
        await _owners(services, organization_id)
        made = await _projects(services, organization_id)
        async with http.Client("demo", base_url=control) as stand_ins:
            for wanted in CONNECTIONS:
                await _connection(services, stand_ins, organization_id, wanted, project_id=made[wanted.project])
    last = date.fromisoformat(demonstration.note(configuration.home)["anchor"])
    return {
        "organization_id": str(organization_id),
        "name": NAME,
        "api_key": api_key,
        "file": str(configuration.home / demonstration.FILE),
        "from": f"{last - timedelta(days=_DAYS - 1)}T00:00:00Z",
        "to": f"{last + timedelta(days=1)}T00:00:00Z",
    }


async def _organization(services: bootstrap.Services) -> tuple[UUID, str]:
    """Return the demo's organization and a key of it; the key is noted in the data folder, since it can't be shown again."""
    home, at = services.settings.home, clock.now()
    noted = demonstration.note(home)
    if "organization_id" in noted and "api_key" in noted:
        return UUID(noted["organization_id"]), noted["api_key"]
    if "organization_id" not in noted:
        draft = organizations.Draft(name=NAME, external_id=EXTERNAL_ID, tier=identity.Tier.SCALE)
        async with services.database.transaction() as uow:
            try:
                opened = await customers.open_organization(uow, actor=callers.operator_actor(None), at=at, draft=draft)
            except identity.ExternalIdTaken as fault:
                file = home / demonstration.FILE
                raise DemoAway(
                    f"There is an organization {EXTERNAL_ID!r} already, and {file} does not name it. Put the file back."
                ) from fault
        noted["organization_id"] = str(opened.organization.id)
        demonstration.keep(home, noted)
    organization_id = UUID(noted["organization_id"])
    async with services.database.transaction(organization_id) as uow:
        made = await api_keys.create(
            uow,
            actor=callers.operator_actor(organization_id),
            now=at,
            at=at,
            organization_id=organization_id,
            label=KEY_LABEL,
            granted=(identity.EVERY_SCOPE,),
        )
    demonstration.keep(home, {"api_key": made.secret})
    return organization_id, made.secret


async def _owners(services: bootstrap.Services, organization_id: UUID) -> None:
    """Let the owners of the house into the demo, so that who signs in finds it."""
    request = page.PageRequest(limit=page.LIMIT_MAX)
    async with services.database.transaction() as uow:
        house_id = await house.find(uow)
    if house_id is None:
        return
    async with services.database.transaction(house_id, read_only=True) as uow:
        owners = [one for one in (await members.page(uow, organization_id=house_id, request=request)).data if one.role is Role.OWNER]
    async with services.database.transaction(organization_id) as uow:
        there = {one.user_id for one in (await members.page(uow, organization_id=organization_id, request=request)).data}
        for owner in owners:
            if owner.user_id not in there:
                at = clock.now()
                actor = callers.operator_actor(organization_id)
                await members.add(uow, actor=actor, now=at, at=at, organization_id=organization_id, user_id=owner.user_id, role=Role.OWNER)


async def _projects(services: bootstrap.Services, organization_id: UUID) -> dict[str, UUID]:
    """Return the demo's projects by name, made where they are missing."""
    actor, at = callers.operator_actor(organization_id), clock.now()
    async with services.database.transaction(organization_id) as uow:
        listed = await projects.list_projects(
            uow, actor=actor, now=at, at=at, organization_id=organization_id, page=page.PageRequest(limit=page.LIMIT_MAX)
        )
        there = {project.name: project.id for project in listed.data}
        for name in {wanted.project for wanted in CONNECTIONS} - there.keys():
            made = await projects.create_project(uow, actor=actor, now=at, at=at, organization_id=organization_id, name=name)
            there[name] = made.id
    return there


async def _connection(
    services: bootstrap.Services, stand_ins: http.Client, organization_id: UUID, wanted: _Wanted, *, project_id: UUID
) -> None:
    """Connect an account, as the API would: its key is checked by the provider first."""
    request = page.PageRequest(limit=page.LIMIT_MAX)
    async with services.database.transaction(organization_id, read_only=True) as uow:
        listed = await connections.list_connections(uow, organization_id=organization_id, provider=wanted.provider, page=request)
    if any(view.connection.label == wanted.label for view in listed.data):
        return
    if wanted.is_revoked:
        await _revoke(stand_ins, wanted.key, revoked=False)
    connector, key, at = services.connectors[wanted.provider], crypto.SecretText(wanted.key), clock.now()
    check = await connections.check_key(connector, key=key, now=at)
    async with services.database.transaction(organization_id) as uow:
        await connections.connect(
            uow,
            actor=callers.operator_actor(organization_id),
            now=at,
            at=at,
            sealer=services.sealer,
            organization_id=organization_id,
            connector=connector,
            check=check,
            label=wanted.label,
            key=key,
            project_id=project_id,
            covers_direct=False,
            outside=services.outside_secrets is not None,
        )
    if wanted.is_revoked:
        await _revoke(stand_ins, wanted.key, revoked=True)


async def _revoke(stand_ins: http.Client, key: str, *, revoked: bool) -> None:
    """Have the stand-in's owner take a key back, or give it again."""
    answer = await stand_ins.request("POST", "/control/keys", json={"key": key, "revoked": revoked})
    answer.checked()
