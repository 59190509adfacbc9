"""Subscriptions: the list, and one with its life, its invoices, and the next one as it would be."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.invoices.service import billing, standing, upcoming
from carbonledger.domains.invoices.types.invoices import Filters, NothingUpcoming
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.types import View
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import routes, screens
from carbonledger.entrypoints.web.sections.invoices import wording as invoices
from carbonledger.entrypoints.web.sections.subscriptions import wording
from carbonledger.infra import db
from carbonledger.kernel import errors, page

router = routes.Router()
READ: Final = access.scope("subscriptions:read")
PATH: Final = "/subscriptions"
_FACTS: Final = 100
_BILLS: Final = 50


@router.page(PATH, READ)
async def every(call: routing.CallDep) -> exchange.Answer:
    """Show the subscriptions."""
    fields, organization_id = screens.query(call), call.caller.organization_id
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    async with screens.reading(call) as uow:
        found = await subscriptions.some(uow, organization_id=organization_id, now=call.now, page=request)
        account_ids = [one.subscription.account_id for one in found.data]
        names = await accounts.find_many(uow, organization_id=organization_id, account_ids=account_ids)
        plans = await _plans(call, uow, found.data)
        return await screens.show(
            call,
            uow,
            "subscriptions/list.html",
            section="subscriptions",
            title="Subscriptions",
            rows=[(one, names[one.subscription.account_id].name, plans[one.version.id]) for one in found.data],
            next_cursor=found.next_cursor,
            wording=wording,
        )


async def _plans(call: routing.Call, uow: db.UnitOfWork, views: tuple[View, ...]) -> dict[UUID, str]:
    """Return the names of plans by version."""
    found = await catalog.find_plans(
        uow, organization_id=call.caller.organization_id, plan_ids=[one.version.plan_id for one in views], now=call.now
    )
    return {one.version.id: f"{found[one.version.plan_id].name}, version {one.version.number}" for one in views}


@router.page(PATH + "/{subscription_id}", READ)
async def one(call: routing.CallDep, subscription_id: UUID) -> exchange.Answer:
    """Show a subscription with its life."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        view = await subscriptions.find(uow, organization_id=organization_id, now=call.now, subscription_id=subscription_id)
        facts = await subscriptions.history(
            uow, organization_id=organization_id, subscription_id=subscription_id, page=page.PageRequest(limit=_FACTS)
        )
        bills = await standing.listed(
            uow,
            organization_id=organization_id,
            filters=Filters(account_id=view.subscription.account_id, subscription_id=subscription_id),
            page=page.PageRequest(limit=_BILLS),
        )
        versions = await catalog.find_versions(
            uow,
            organization_id=organization_id,
            version_ids=[fact.plan_version_id for fact in facts.data if fact.plan_version_id is not None],
        )
        heads = await catalog.find_plans(
            uow, organization_id=organization_id, plan_ids=[each.plan_id for each in versions.values()], now=call.now
        )
        plans = {each.id: f"{heads[each.plan_id].name}, version {each.number}" for each in versions.values()}
        account = await accounts.find(uow, organization_id=organization_id, account_id=view.subscription.account_id)
        return await screens.show(
            call,
            uow,
            "subscriptions/one.html",
            section="subscriptions",
            title=view.subscription.name or f"{account.name}: subscription",
            view=view,
            account=account,
            mark=wording.mark(view.standing.status),
            plan=(await _plans(call, uow, (view,)))[view.version.id],
            life=wording.life(view, facts.data, bills.data, plans, now=call.now),
            has_more=facts.next_cursor is not None or bills.next_cursor is not None,
            coming=await _coming(call, uow, subscription_id),
            invoices=invoices,
        )


async def _coming(call: routing.Call, uow: db.UnitOfWork, subscription_id: UUID) -> billing.Document | None:
    """Return the next invoice as it would be; None where there is none, or it can't be worked out yet."""
    try:
        return await upcoming.next_invoice(
            uow,
            actor=call.actor,
            now=call.now,
            at=call.at,
            organization_id=call.caller.organization_id,
            subscription_id=subscription_id,
        )
    except (NothingUpcoming, errors.Invalid):
        return None
