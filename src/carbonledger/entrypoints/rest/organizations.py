"""Organizations: opened by the house, read and changed by their own."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from pydantic import AwareDatetime, Field

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import customers, entitlements, organizations
from carbonledger.entrypoints.rest import api_keys, invitations, people, routing, shapes
from carbonledger.entrypoints.shared import access

router = routing.Router(prefix="/v1/organizations", tag="Organizations")

_EXAMPLE = {
    "id": people.ORGANIZATION_ID,
    "name": "Example Ltd",
    "external_id": "customer-4711",
    "tier": "free",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "is_house": False,
    "is_sandbox": False,
    "clock_at": None,
    "created_at": "2026-11-01T09:00:00Z",
}
_CLOCK_LEAST, _CLOCK_MOST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class FirstKeyIn(shapes.In):
    """A key that the organization begins with."""

    label: api_keys.LabelText = "First key"
    scopes: api_keys.ScopeList


class OrganizationIn(shapes.In):
    """An organization to open."""

    name: people.NameText
    external_id: str | None = Field(default=None, max_length=1000, description="Your own id of it, unique in this installation.")
    tier: types.Tier = types.Tier.FREE
    time_zone: str = Field(default=organizations.TIME_ZONE, max_length=100, description="Name of the IANA database.")
    currency: str = Field(default=organizations.CURRENCY, max_length=10, description="ISO 4217 code.")
    sandbox: bool = Field(default=False, description="A trial organization with a clock of its own; its keys begin with cl_test_.")
    clock_start: AwareDatetime | None = Field(
        default=None, ge=_CLOCK_LEAST, le=_CLOCK_MOST, description="Where a sandbox's clock stands first; now if left out."
    )
    first_key: FirstKeyIn | None = Field(default=None, description="A key to make at once; its secret is in the answer.")
    owner_email: people.EmailText | None = Field(default=None, description="Whom to invite as the first owner.")


class OrganizationChangeIn(shapes.In):
    """What to change; what is left out stays."""

    name: people.NameText | None = None
    time_zone: str | None = Field(default=None, max_length=100)
    currency: str | None = Field(default=None, max_length=10)


class OrganizationOut(shapes.Out):
    """An organization."""

    id: UUID
    name: str
    external_id: str | None
    tier: types.Tier
    time_zone: str
    currency: str
    is_house: bool
    is_sandbox: bool
    clock_at: datetime | None = Field(description="What a sandbox's clock shows; null for a real organization.")
    created_at: datetime


class OrganizationMadeOut(OrganizationOut):
    """An organization that was just opened, with the ways in that were asked for."""

    first_key: api_keys.ApiKeyMadeOut | None
    invitation: invitations.InvitationMadeOut | None


class EntitlementOut(shapes.Out):
    """What the plan says under one name."""

    name: str
    quota: int | None = Field(description="How many; null for as many as you like, or for a feature.")
    enabled: bool | None = Field(description="Whether a feature is included; null for a quota.")


class EntitlementsOut(shapes.Out):
    """What the organization's plan sets, by name."""

    data: list[EntitlementOut]


def to_api_organization(organization: types.Organization) -> OrganizationOut:
    """Return an organization as callers see it."""
    return OrganizationOut(**_shown(organization))


def _shown(organization: types.Organization) -> dict[str, object]:
    return {
        "id": organization.id,
        "name": organization.name,
        "external_id": organization.external_id,
        "tier": organization.tier,
        "time_zone": organization.time_zone,
        "currency": organization.currency,
        "is_house": organization.is_house,
        "is_sandbox": organization.is_sandbox,
        "clock_at": organization.clock_at,
        "created_at": organization.created_at,
    }


@router.post(
    "",
    access=access.house("organizations:write"),
    status_code=201,
    seals_answer=True,
    summary="Open an organization",
    operation_id="createOrganization",
    examples={
        "request": {"name": "Example Ltd", "external_id": "customer-4711", "time_zone": "Europe/Berlin", "currency": "EUR"},
        "response": {**_EXAMPLE, "first_key": None, "invitation": None},
    },
    errors=(types.ExternalIdTaken,),
)
async def create_organization(call: routing.CallDep, body: OrganizationIn) -> OrganizationMadeOut:
    """Open an organization for a customer, or a sandbox. With neither `first_key` nor `owner_email` only the operator can enter it."""
    draft = organizations.Draft(
        name=body.name,
        external_id=body.external_id,
        tier=body.tier,
        time_zone=body.time_zone,
        currency=body.currency,
        is_sandbox=body.sandbox,
        clock_start=None if body.clock_start is None else body.clock_start.astimezone(UTC),
    )
    first_key = None if body.first_key is None else customers.FirstKey(label=body.first_key.label, scopes=tuple(body.first_key.scopes))
    opened = await customers.open_organization(
        call.uow,
        actor=call.actor,
        at=call.at,
        draft=draft,
        first_key=first_key,
        owner_email=body.owner_email,
        by_mail=call.services.mailer is not None,
    )
    call.created("/v1/organizations/me")
    address = call.services.settings.address
    return OrganizationMadeOut(
        **_shown(opened.organization),
        first_key=None if opened.key is None else api_keys.to_api_new_key(opened.key),
        invitation=None if opened.invitation is None else invitations.to_api_new_invitation(opened.invitation, address=address),
    )


@router.get(
    "/me",
    access=access.scope("organization:read"),
    summary="Show your organization",
    operation_id="getOrganization",
    examples={"response": _EXAMPLE},
)
async def get_organization(call: routing.CallDep) -> OrganizationOut:
    """Return the organization that the credentials belong to."""
    return to_api_organization(await organizations.find(call.uow, organization_id=call.caller.organization_id))


@router.patch(
    "/me",
    access=access.scope("organization:write"),
    summary="Change your organization",
    operation_id="changeOrganization",
    examples={"request": {"time_zone": "Europe/Berlin"}, "response": _EXAMPLE},
)
async def change_organization(call: routing.CallDep, body: OrganizationChangeIn) -> OrganizationOut:
    """Change name, time zone or currency. The tier follows from the plan, and the external id is the house's."""
    changed = await organizations.change(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        name=body.name,
        time_zone=body.time_zone,
        currency=body.currency,
    )
    return to_api_organization(changed)


@router.get(
    "/me/entitlements",
    access=access.scope("organization:read"),
    summary="Show what your plan allows",
    operation_id="listEntitlements",
    examples={"response": {"data": [{"name": "agents", "quota": 3, "enabled": None}]}},
)
async def list_entitlements(call: routing.CallDep) -> EntitlementsOut:
    """Return the quotas and features that the plan sets. What is not in the list has its default."""
    found = await entitlements.every(call.uow, organization_id=call.caller.organization_id)
    return EntitlementsOut(data=[EntitlementOut(name=one.name, quota=one.quota, enabled=one.enabled) for one in found])
