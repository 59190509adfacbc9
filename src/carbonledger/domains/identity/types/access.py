"""Who calls and what a caller may do: scopes, what each role holds, and the ``Caller`` that every edge works with.

A domain that adds an area adds its scopes to ``SCOPES`` here, each with the roles that hold it: one list says who may do what.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from carbonledger.kernel.actor import Actor, Role

Credential = Literal["key", "session", "jwt"]

EVERY_SCOPE = "*"
"""In a key's scopes: all of them, also those that later versions add."""

_EVERYBODY = frozenset(Role)
_KEEPERS = frozenset({Role.OWNER, Role.ADMIN})
_BILLERS = _KEEPERS | {Role.BILLING}


class Tier(enum.Enum):
    """The plan an organization is on."""

    FREE = "free"
    STARTER = "starter"
    GROWTH = "growth"
    SCALE = "scale"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Scope:
    """A right: its name (``resource:read`` or ``resource:write``), what it allows, and the roles that hold it."""

    name: str
    description: str
    roles: frozenset[Role]


SCOPES: tuple[Scope, ...] = (
    Scope("organization:read", "Read the organization and its entitlements.", _EVERYBODY),
    Scope("organization:write", "Change the organization's name, time zone and currency.", _KEEPERS),
    Scope("organizations:write", "Open organizations for customers (house organization only).", _KEEPERS),
    Scope("members:read", "Read members and invitations.", _EVERYBODY),
    Scope("members:write", "Invite, change and remove members.", _KEEPERS),
    Scope("api_keys:read", "Read API keys, never their secret.", _KEEPERS),
    Scope("api_keys:write", "Make and revoke API keys.", _KEEPERS),
    Scope("test_clock:write", "Move the clock of a sandbox organization.", _KEEPERS),
    Scope("events:read", "Read the audit trail.", _KEEPERS),
    Scope("notifications:read", "Read notifications.", _EVERYBODY),
    Scope("jobs:read", "Read the state of queued work.", _EVERYBODY),
    Scope("telemetry:write", "Send usage, and erase properties of events.", _KEEPERS),
    Scope("llm_keys:read", "Read which provider keys are kept, never their value.", _KEEPERS),
    Scope("llm_keys:write", "Keep, rotate and remove provider keys.", _KEEPERS),
    Scope("projects:read", "Read projects and their workloads.", _EVERYBODY),
    Scope("projects:write", "Make, rename and delete projects.", _KEEPERS),
    Scope("agents:read", "Read agents.", _EVERYBODY),
    Scope("agents:write", "Make, change and delete agents.", _KEEPERS),
    Scope("connections:read", "Read connections and how far they were read, never their key.", _EVERYBODY),
    Scope("connections:write", "Connect accounts at providers, read them now, move and remove them.", _KEEPERS),
    Scope("periods:read", "Read periods: their sums as they were frozen, and adjustments.", _EVERYBODY),
    Scope("periods:write", "Close a period that is due.", _KEEPERS),
    Scope("prices:read", "Read prices and carbon factors, and estimate with them.", _EVERYBODY),
    Scope("telemetry:read", "Read usage, its cost and its emissions, and export them.", _EVERYBODY),
    Scope("telemetry:write", "Send usage, and erase properties of events.", _KEEPERS),
    Scope("credits:read", "Read the inventory of retired credits (house organization only).", _KEEPERS),
    Scope("credits:write", "Import retired credits (house organization only).", _KEEPERS),
    Scope("invoices:read", "Read invoices, and preview what would be billed.", _BILLERS),
    Scope("invoices:write", "Write, issue and void invoices, record their payment, and say how the organization sells.", _BILLERS),
    Scope("receipts:read", "Read carbon receipts and what proves them.", _EVERYBODY),
    Scope("accounts:read", "Read accounts, the customers that are billed.", _BILLERS),
    Scope("accounts:write", "Make, change, delete and erase accounts.", _BILLERS),
    Scope("catalog:read", "Read plans, meters and tax rates, and what a meter says.", _EVERYBODY),
    Scope("catalog:write", "Make and change plans, meters and tax rates.", _BILLERS),
    Scope("subscriptions:read", "Read and preview subscriptions.", _BILLERS),
    Scope("subscriptions:write", "Begin, change, pause, cancel and reactivate subscriptions.", _BILLERS),
    Scope("audit_packs:read", "List and download audit packs.", _EVERYBODY),
    Scope("audit_packs:write", "Order audit packs.", _KEEPERS | {Role.BILLING}),
)
SCOPE_NAMES: frozenset[str] = frozenset(scope.name for scope in SCOPES)
_ROLE_SCOPES = {role: frozenset(scope.name for scope in SCOPES if role in scope.roles) for role in Role}


def scopes_of(role: Role) -> frozenset[str]:
    """Return the scopes that a member of this role holds."""
    return _ROLE_SCOPES[role]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, with the facts of their organization that every request needs.

    ``clock_at`` is set for a sandbox organization only. ``csrf_token`` is what a session's unsafe requests must repeat.
    """

    actor: Actor
    tier: Tier
    is_house: bool
    is_sandbox: bool
    clock_at: datetime | None
    time_zone: str
    credential: Credential
    credential_id: UUID
    csrf_token: str | None = field(default=None, repr=False)

    @property
    def organization_id(self) -> UUID:
        """The organization that the caller acts for; every caller has one."""
        if self.actor.organization_id is None:
            message = "a caller without an organization was let through"
            raise AssertionError(message)
        return self.actor.organization_id

    def business_now(self, at: datetime) -> datetime:
        """Return the organization's business time at the real instant ``at``: its own clock in a sandbox."""
        return self.clock_at or at
