"""Finding what is sold and to whom: accounts, plans, meters, subscriptions and invoices."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.invoices.service import standing as invoices
from carbonledger.domains.invoices.types import invoices as invoice_types
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions import types as subscription_types
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web import hits
from carbonledger.entrypoints.web.hits import SHOWN_MAX, Hit
from carbonledger.infra import db
from carbonledger.kernel import page

_NUMBER_PART: Final = re.compile("[0-9]{2}")  # else no number of an invoice holds the words, or nearly all do
_SOME: Final = page.PageRequest(limit=SHOWN_MAX)


async def _account(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        found = await accounts.find(uow, organization_id=call.caller.organization_id, account_id=asked)
    except account_types.AccountNotFound:
        return None
    return _of_account(found, is_exact=True)


async def _accounts(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    found = await accounts.some(uow, organization_id=call.caller.organization_id, page=_SOME, search=words)
    return [_of_account(one, is_exact=words == one.external_id) for one in found.data]


def _of_account(found: account_types.Account, *, is_exact: bool) -> Hit:
    return Hit("Account", found.name, f"/accounts/{found.id}", is_exact=is_exact)


async def _plan(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        found = await catalog.find_plan(uow, organization_id=call.caller.organization_id, plan_id=asked, now=call.now)
    except catalog_types.PlanNotFound:
        return None
    return Hit("Plan", found.name, f"/plans/{found.id}", is_exact=True)


async def _plans(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    organization_id = call.caller.organization_id
    found = await catalog.list_plans(uow, organization_id=organization_id, page=_SOME, now=call.now, state=None, search=words)
    return [Hit("Plan", one.name, f"/plans/{one.id}", is_exact=words == one.code) for one in found.data]


async def _meter(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        found = await catalog.find_meter(uow, organization_id=call.caller.organization_id, meter_id=asked)
    except catalog_types.MeterNotFound:
        return None
    return Hit("Meter", found.name, f"/meters/{found.id}", is_exact=True)


async def _meters(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    found = await catalog.list_meters(uow, organization_id=call.caller.organization_id, page=_SOME, search=words)
    return [Hit("Meter", one.name, f"/meters/{one.id}", is_exact=words == one.code) for one in found.data]


async def _subscription(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        view = await subscriptions.find(uow, organization_id=call.caller.organization_id, now=call.now, subscription_id=asked)
    except subscription_types.SubscriptionNotFound:
        return None
    return _of_subscription(view)


async def _subscriptions(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    organization_id = call.caller.organization_id
    found = await subscriptions.some(uow, organization_id=organization_id, now=call.now, page=_SOME, external_id=words)
    return [_of_subscription(view) for view in found.data]


def _of_subscription(view: subscription_types.View) -> Hit:
    found = view.subscription
    return Hit("Subscription", found.name or found.external_id or str(found.id), f"/subscriptions/{found.id}", is_exact=True)


async def _invoice(call: routing.Call, uow: db.UnitOfWork, asked: UUID) -> Hit | None:
    try:
        found = await invoices.find(uow, organization_id=call.caller.organization_id, invoice_id=asked)
    except invoice_types.InvoiceNotFound:
        return None
    return _of_invoice(found, is_exact=True)


async def _invoices(call: routing.Call, uow: db.UnitOfWork, words: str) -> list[Hit]:
    if not _NUMBER_PART.search(words):
        return []
    filters = invoice_types.Filters(number=words)
    found = await invoices.listed(uow, organization_id=call.caller.organization_id, filters=filters, page=_SOME)
    return [_of_invoice(one, is_exact=one.issued is not None and one.issued.number == words.upper()) for one in found.data]


def _of_invoice(found: invoice_types.Invoice, *, is_exact: bool) -> Hit:
    name = f"{found.state.value}, not issued yet" if found.issued is None else found.issued.number
    return Hit("Invoice", name, f"/invoices/{found.id}", is_exact=is_exact)


BY_ID: Final[hits.ById] = (
    ("accounts:read", _account),
    ("catalog:read", _plan),
    ("catalog:read", _meter),
    ("subscriptions:read", _subscription),
    ("invoices:read", _invoice),
)
BY_NAME: Final[hits.ByName] = (
    ("invoices:read", _invoices),
    ("accounts:read", _accounts),
    ("subscriptions:read", _subscriptions),
    ("catalog:read", _plans),
    ("catalog:read", _meters),
)
