"""Accounts: the customers that an organization bills."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.accounts import service, types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/accounts", tag="Accounts")

_READ: Final = access.scope("accounts:read")
_WRITE: Final = access.scope("accounts:write")
_SENT: Final[dict[str, Any]] = {
    "external_id": "customer-17",
    "name": "Initech GmbH",
    "email": "billing@initech.example",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "locale": "de",
    "address": {"line1": "Hauptstraße 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
    "tax_ids": [{"kind": "eu_vat", "value": "DE123456789"}],
    "tax_treatment": "standard",
    "payment_terms_days": 14,
    "metadata": {"segment": "enterprise"},
}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0e01",
    **_SENT,
    "address": {"line1": "Hauptstraße 1", "line2": None, "city": "Berlin", "postal_code": "10115", "region": None, "country": "DE"},
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:00:00Z",
    "deleted_at": None,
    "erased_at": None,
}
_GONE: Final = {**_EXAMPLE, "deleted_at": "2026-11-20T09:00:00Z"}
_EMPTY: Final[dict[str, Any]] = {
    "name": types.ERASED_NAME,
    "email": None,
    "address": dict.fromkeys(("line1", "line2", "city", "postal_code", "region", "country")),
    "tax_ids": [],
    "metadata": {},
}

# Bounds that only keep nonsense out; what is right is the domain's rule, told with all other problems.
_Text = Annotated[str, Field(max_length=1000)]
_Name = Annotated[str, Field(max_length=1000, description="1 to 200 printable characters.")]
_ExternalId = Annotated[
    str,
    Field(max_length=1000, description="Your own id, which usage carries as `account`. Put nothing personal in it: events name it."),
]
_Currency = Annotated[str, Field(max_length=10, description="ISO 4217, such as EUR. Not given: the organization's.")]
_Zone = Annotated[
    str, Field(max_length=100, description="IANA name. Its days and billing periods begin there. Not given: the organization's.")
]
_Terms = Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="Days from issue until an invoice is due, 0 to 365.")]
_Metadata = Annotated[
    dict[Annotated[str, Field(max_length=1000)], Annotated[str, Field(max_length=10_000)]],
    Field(max_length=1000, description="At most 50 keys of 40 characters, with texts of 500."),
]


class AddressIn(shapes.In):
    """A postal address; what is not known is left out."""

    line1: _Text | None = None
    line2: _Text | None = None
    city: _Text | None = None
    postal_code: _Text | None = None
    region: _Text | None = None
    country: Annotated[str, Field(max_length=10, description="ISO 3166-1, such as DE.")] | None = None


class TaxIdIn(shapes.In):
    """A number under which a tax office knows the account."""

    kind: Annotated[str, Field(max_length=100, description="Its place and tax, such as eu_vat or us_ein.")]
    value: _Text


_TaxIds = Annotated[list[TaxIdIn], Field(max_length=100, description="At most 10.")]


class AccountIn(shapes.In):
    """An account to make."""

    name: _Name
    external_id: _ExternalId | None = None
    email: _Text | None = None
    currency: _Currency | None = None
    time_zone: _Zone | None = None
    locale: types.Locale = types.Locale.EN
    address: AddressIn | None = None
    tax_ids: _TaxIds = Field(default_factory=list)
    tax_treatment: types.TaxTreatment = types.TaxTreatment.STANDARD
    payment_terms_days: _Terms = 30
    metadata: _Metadata = Field(default_factory=dict)


class AccountChangeIn(shapes.In):
    """What to change; what is left out stays. Null takes a value away where an account can be without it."""

    name: _Name | None = None
    external_id: _ExternalId | None = None
    email: _Text | None = None
    currency: _Currency | None = None
    time_zone: _Zone | None = None
    locale: types.Locale | None = None
    address: AddressIn | None = Field(default=None, description="The whole address.")
    tax_ids: _TaxIds | None = None
    tax_treatment: types.TaxTreatment | None = None
    payment_terms_days: _Terms | None = None
    metadata: _Metadata | None = Field(default=None, description="All of it.")


class AddressOut(shapes.Out):
    """A postal address."""

    line1: str | None
    line2: str | None
    city: str | None
    postal_code: str | None
    region: str | None
    country: str | None


class TaxIdOut(shapes.Out):
    """A number under which a tax office knows the account."""

    kind: str
    value: str


class AccountOut(shapes.Out):
    """A billed customer."""

    id: UUID
    external_id: str | None
    name: str
    email: str | None
    currency: str
    time_zone: str
    locale: types.Locale
    address: AddressOut
    tax_ids: list[TaxIdOut]
    tax_treatment: types.TaxTreatment
    payment_terms_days: int
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="When it was deleted; its history stays.")
    erased_at: datetime | None = Field(description="When its personal data was erased.")


def _from_api_address(body: AddressIn | None) -> types.Address:
    return types.NOWHERE if body is None else types.Address(**body.model_dump())


def _from_api_tax_ids(body: list[TaxIdIn]) -> tuple[types.TaxId, ...]:
    return tuple(types.TaxId(one.kind, one.value) for one in body)


def from_api_draft(body: AccountIn) -> service.Draft:
    """Return what is to be made."""
    return service.Draft(
        name=body.name,
        external_id=body.external_id,
        email=body.email,
        currency=body.currency,
        time_zone=body.time_zone,
        locale=body.locale,
        address=_from_api_address(body.address),
        tax_ids=_from_api_tax_ids(body.tax_ids),
        tax_treatment=body.tax_treatment,
        payment_terms_days=body.payment_terms_days,
        metadata=body.metadata,
    )


_CLEARED: Final = frozenset({"external_id", "email", "address"})
"""What null takes away; elsewhere it says nothing, as every account has one."""


def from_api_change(body: AccountChangeIn) -> dict[str, object]:
    """Return the fields that are to change, with their new values."""
    values: dict[str, object] = {}
    for name in body.model_fields_set:
        value = getattr(body, name)
        if value is None and name not in _CLEARED:
            continue
        if name == "address":
            value = _from_api_address(value)
        elif name == "tax_ids":
            value = _from_api_tax_ids(value)
        values[name] = value
    return values


def to_api_account(account: types.Account) -> AccountOut:
    """Return an account as callers see it."""
    where = account.address
    return AccountOut(
        id=account.id,
        external_id=account.external_id,
        name=account.name,
        email=account.email,
        currency=account.currency,
        time_zone=account.time_zone,
        locale=account.locale,
        address=AddressOut(
            line1=where.line1,
            line2=where.line2,
            city=where.city,
            postal_code=where.postal_code,
            region=where.region,
            country=where.country,
        ),
        tax_ids=[TaxIdOut(kind=one.kind, value=one.value) for one in account.tax_ids],
        tax_treatment=account.tax_treatment,
        payment_terms_days=account.payment_terms_days,
        metadata=dict(account.metadata),
        created_at=account.created_at,
        updated_at=account.updated_at,
        deleted_at=account.deleted_at,
        erased_at=account.erased_at,
    )


@router.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Make an account",
    operation_id="createAccount",
    examples={"request": _SENT, "response": _EXAMPLE},
    errors=(types.AccountExternalIdTaken,),
)
async def create_account(call: routing.CallDep, body: AccountIn) -> AccountOut:
    """Make an account. Usage that carries its `external_id` as `account` is its usage, also what was sent before it was made."""
    made = await service.create(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        draft=from_api_draft(body),
    )
    call.created(f"/v1/accounts/{made.id}")
    return to_api_account(made)


@router.get(
    "",
    access=_READ,
    summary="List accounts",
    operation_id="listAccounts",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_accounts(
    call: routing.CallDep,
    *,
    external_id: Annotated[str | None, Query(max_length=1000, description="Only the one with this external id.")] = None,
    search: Annotated[str | None, Query(max_length=200, description="A part of the name, the email or the external id.")] = None,
    deleted: Annotated[bool, Query(description="Those that were deleted, instead of the others.")] = False,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[AccountOut]:
    """List accounts, newest first."""
    found = await service.some(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        deleted=deleted,
        external_id=external_id,
        search=search,
    )
    return shapes.ListOut[AccountOut](data=[to_api_account(one) for one in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{account_id}",
    access=_READ,
    summary="Show an account",
    operation_id="getAccount",
    examples={"response": _EXAMPLE},
    errors=(types.AccountNotFound,),
)
async def get_account(call: routing.CallDep, account_id: UUID) -> AccountOut:
    """Return one account; also one that was deleted: its bills still name it."""
    return to_api_account(await service.find(call.uow, organization_id=call.caller.organization_id, account_id=account_id))


@router.patch(
    "/{account_id}",
    access=_WRITE,
    summary="Change an account",
    operation_id="changeAccount",
    examples={
        "request": {"name": "Initech AG", "payment_terms_days": 30},
        "response": {**_EXAMPLE, "name": "Initech AG", "payment_terms_days": 30},
    },
    errors=(types.AccountNotFound, types.AccountDeleted, types.AccountInUse, types.AccountExternalIdTaken),
)
async def change_account(call: routing.CallDep, account_id: UUID, body: AccountChangeIn) -> AccountOut:
    """Change an account. Documents that were issued keep what they say."""
    changed = await service.change(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        account_id=account_id,
        values=from_api_change(body),
    )
    return to_api_account(changed)


@router.delete(
    "/{account_id}",
    access=_WRITE,
    status_code=204,
    summary="Delete an account",
    operation_id="deleteAccount",
    errors=(types.AccountNotFound, types.AccountInUse),
)
async def delete_account(call: routing.CallDep, account_id: UUID) -> None:
    """Delete an account that nothing is live for. Its history stays and its external id is free again.

    While something is, such as a subscription, the answer is 409, and its member `uses` says how many of what.
    """
    await service.delete(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, account_id=account_id)


@router.post(
    "/{account_id}/erase",
    access=_WRITE,
    summary="Erase an account's personal data",
    operation_id="eraseAccount",
    examples={"response": {**_GONE, **_EMPTY, "erased_at": "2026-11-21T09:00:00Z"}},
    errors=(types.AccountNotFound, types.AccountNotDeleted),
)
async def erase_account(call: routing.CallDep, account_id: UUID) -> AccountOut:
    """Take name, email, address, tax ids and metadata out of a deleted account, for ever.

    Its id, its external id and its usage stay, and documents that were issued keep their copy, as the law of invoices demands.
    """
    erased = await service.erase(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, account_id=account_id
    )
    return to_api_account(erased)
