"""What ``org`` does."""

from __future__ import annotations

from collections.abc import AsyncIterator

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import customers, links, organizations, users
from carbonledger.entrypoints.cli import console, operating
from carbonledger.kernel import errors, page


def create(draft: organizations.Draft, *, owner: str | None, first_key: str | None, json: bool) -> None:
    """Make an organization and say its id and the ways in."""
    key = None if first_key is None else customers.FirstKey(label=first_key, scopes=(types.EVERY_SCOPE,))

    async def work(operator: operating.Operator) -> tuple[customers.Opened, str]:
        async with operator.database.transaction() as uow:
            opened = await customers.open_organization(
                uow,
                actor=operator.acting_in(None),
                at=operator.at,
                draft=draft,
                first_key=key,
                owner_email=owner,
                by_mail=operator.configuration.smtp_url is not None,
            )
        return opened, operator.configuration.address

    made, address = operating.run(work)
    if json:
        _print_made(made, address)
        return
    console.say(f"Made the organization {made.organization.name}: {made.organization.id}")
    if made.invitation is not None:
        token = made.invitation.token
        console.say(f"{owner} is invited " + ("by e-mail." if token is None else f"here: {links.invitation_url(address, token=token)}"))
    if made.key is not None:
        console.say(f"Its key, shown this once: {made.key.secret}")


def _print_made(made: customers.Opened, address: str) -> None:
    from carbonledger.entrypoints.rest import api_keys, invitations
    from carbonledger.entrypoints.rest import organizations as shapes

    console.shape(
        shapes.OrganizationMadeOut(
            **shapes.to_api_organization(made.organization).model_dump(),
            first_key=None if made.key is None else api_keys.to_api_new_key(made.key),
            invitation=None if made.invitation is None else invitations.to_api_new_invitation(made.invitation, address=address),
        )
    )


def list_all(*, json: bool) -> None:
    """Print every organization."""

    async def work(operator: operating.Operator) -> list[types.Organization]:
        return [organization async for organization in every(operator)]

    found = operating.run(work)
    if json:
        from carbonledger.entrypoints.rest import organizations as shapes

        console.json({"data": [shapes.to_api_organization(one).model_dump(mode="json") for one in found]})
        return
    rows = [(str(one.id), one.name, one.tier.value, _kind(one), f"{one.created_at:%Y-%m-%d}") for one in found]
    console.table(("id", "name", "tier", "kind", "made"), rows)


def set_tier(given: str, tier: str) -> None:
    """Put an organization on another plan."""
    wanted = tier_of(tier)

    async def work(operator: operating.Operator) -> types.Organization:
        organization_id = await operator.organization(given)
        async with operator.database.transaction(organization_id) as uow:
            now = await organizations.business_now(uow, organization_id=organization_id, at=operator.at)
            return await organizations.set_tier(
                uow,
                actor=operator.acting_in(organization_id),
                now=now,
                at=operator.at,
                organization_id=organization_id,
                tier=wanted,
            )

    changed = operating.run(work)
    console.say(f"{changed.name} is on the plan {changed.tier.value}.")


def reset_link(email: str) -> None:
    """Print a link with which a person sets a new password."""

    async def work(operator: operating.Operator) -> str:
        async with operator.database.transaction() as uow:
            token = await users.reset_link(uow, at=operator.at, email=email)
        return links.url(operator.configuration.address, purpose=types.LinkPurpose.RESET_PASSWORD, token=token)

    console.say(operating.run(work))


async def every(operator: operating.Operator) -> AsyncIterator[types.Organization]:
    """Yield every organization, newest first."""
    request = page.PageRequest(limit=page.LIMIT_MAX)
    while True:
        async with operator.overview.transaction(read_only=True) as uow:
            found = await organizations.page(uow, request=request)
        for organization in found.data:
            yield organization
        if found.next_cursor is None:
            return
        request = page.PageRequest(limit=page.LIMIT_MAX, after=page.decode_cursor(found.next_cursor, parts=1))


def tier_of(name: str) -> types.Tier:
    """Return the plan of this name. Raises ``Invalid`` with those that there are."""
    try:
        return types.Tier(name)
    except ValueError:
        known = ", ".join(tier.value for tier in types.Tier)
        raise errors.Invalid(f"There is no plan {name!r}; choose one of {known}.") from None


def _kind(organization: types.Organization) -> str:
    return "house" if organization.is_house else "sandbox" if organization.is_sandbox else "customer"
