"""How to call each operation so that it succeeds, where its example alone is not enough.

An operation without path parameters whose example can be sent as it is needs no recipe. The others say here where the row comes from that
they name, what to send, who calls. The suite fails for an operation that it can't call: adding one means adding its recipe.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import standardwebhooks

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements, links
from carbonledger.domains.invoices.service import billing, printing
from carbonledger.domains.projects import service as project_service
from carbonledger.domains.receipts.service import log
from carbonledger.domains.receipts.service import periods as period_service
from carbonledger.domains.receipts.types import packs as pack_types
from carbonledger.domains.receipts.types import receipts as receipt_types
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import clock
from carbonledger.kernel import actor
from tests import standins
from tests.contract import worlds
from tests.integration.domains.telemetry import kit as ledger
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.unit.domains.receipts import credit_files

World = worlds.World
Body = dict[str, Any]
Who = Literal["key", "session", "house", "nobody"]
_units = itertools.count(1)


async def _nothing(world: World) -> dict[str, str]:
    del world
    return {}


async def _no_headers(body: bytes) -> dict[str, str]:
    del body
    return {}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to call one operation. ``place`` makes the row that the path names, ``body`` what is sent instead of the example; both anew."""

    who: Who | None = None
    place: Callable[[World], Awaitable[dict[str, str]]] = _nothing
    body: Callable[[World], Awaitable[Body]] | None = None
    headers: Callable[[bytes], Awaitable[dict[str, str]]] = _no_headers
    sandbox: bool = False
    query: dict[str, str] = field(default_factory=dict)
    reads_itself: bool = False
    """Whether the endpoint reads its body itself, and so has words of its own for one that it can't read."""
    is_everybodys: bool = False
    """What the path names belongs to no organization, and is no id."""


# --- rows


async def an_api_key(world: World) -> dict[str, str]:
    made = await world.post("/v1/api-keys", {"label": worlds.a_name("key"), "scopes": ["jobs:read"]})
    return {"key_id": made["id"]}


async def an_llm_key(world: World) -> dict[str, str]:
    body = {"provider": "openai", "label": worlds.a_name("label"), "api_key": f"sk-proj-{uuid4().hex}{uuid4().hex}"}
    return {"key_id": (await world.post("/v1/llm-keys", body))["id"]}


async def an_invitation(world: World) -> dict[str, str]:
    made = await world.post("/v1/invitations", {"email": worlds.an_email(), "role": "viewer"})
    return {"invitation_id": made["id"]}


async def a_member(world: World) -> dict[str, str]:
    browser = await world.ledger.join(world.key.client, worlds.an_email(), role="viewer")
    return {"user_id": (await browser.send("GET", "/v1/auth/me")).json()["id"]}


async def another_session(world: World) -> dict[str, str]:
    """Another session of the same person."""
    other = world.ledger.browser()
    answer = await other.sign_in(email=world.email)
    assert answer.is_success, answer.text
    sessions = (await world.browser.send("GET", "/v1/auth/sessions")).json()["data"]
    return {"session_id": next(session["id"] for session in sessions if not session["is_current"])}


async def a_factor_set(world: World) -> dict[str, str]:
    del world
    return {"version": "1.0"}


async def a_job(world: World) -> dict[str, str]:
    made = await world.post("/v1/test-clock/advance", {"to": worlds.SANDBOX_START})
    return {"job_id": made["job_id"]}


async def a_project(world: World) -> dict[str, str]:
    return {"project_id": (await world.post("/v1/projects", {"name": worlds.a_name("project")}))["id"]}


async def a_project_with_workloads(world: World) -> dict[str, str]:
    place, now = await a_project(world), clock.now()
    async with world.ledger.services.database.transaction(world.organization_id) as uow:
        for name in ("openai", "anthropic"):
            await project_service.open_workload(
                uow,
                actor=actor.system(world.organization_id),
                now=now,
                at=now,
                organization_id=world.organization_id,
                project_id=UUID(place["project_id"]),
                name=name,
            )
    return place


async def a_connection(world: World) -> dict[str, str]:
    return {"connection_id": (await world.post("/v1/connections", await an_account(world)))["id"]}


async def an_agent(world: World) -> dict[str, str]:
    return {"agent_id": (await world.post("/v1/agents", {"name": worlds.a_name("agent")}))["id"]}


async def a_telemetry_event(world: World) -> dict[str, str]:
    """An event with properties, told by a program."""
    now, draft = clock.now(), ledger.draft(worlds.a_name("call"), at=clock.now(), properties={"feature": "search"})
    done = await ledger.accept(world.ledger.services.database, world.organization_id, draft, at=now)
    return {"event_id": str(done.results[0].event_id)}


async def a_period(world: World) -> dict[str, str]:
    """A month that is over, free, and long enough ago to be closed now."""
    now = clock.now()
    draft = ledger.draft(worlds.a_name("call"), at=now - timedelta(days=70))
    await ledger.accept(world.ledger.services.database, world.organization_id, draft, at=now)
    async with world.ledger.services.database.transaction(world.organization_id) as uow:
        found = await period_service.ensure(uow, organization_id=world.organization_id, now=now)
    return {"period_id": str(found[0].id)}


async def a_receipt(world: World) -> dict[str, str]:
    """The receipt of a closed month, with bundle and page."""
    at = clock.now()
    async with world.ledger.services.database.transaction(world.organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=actor.system(world.organization_id),
            now=at,
            at=at,
            organization_id=world.organization_id,
            quotas={},
            features={receipt_types.RECEIPTS: True},
        )
    lot = await world.house.send("POST", "/v1/credit-lots", json=await a_file_of_lots(world))
    assert lot.is_success, lot.text
    period = await a_period(world)
    answer = await world.key.send("POST", f"/v1/periods/{period['period_id']}/close")
    assert answer.is_success, answer.text
    await world.ledger.run_jobs()
    found = (await world.key.send("GET", "/v1/receipts")).json()["data"]
    (receipt,) = [one for one in found if one["period_id"] == period["period_id"]]
    assert receipt["is_proven"], receipt
    return {"receipt_id": receipt["id"]}


async def the_plan_has_receipts(world: World) -> dict[str, str]:
    await a_receipt(world)
    return {}


async def a_serial(world: World) -> dict[str, str]:
    place = await a_receipt(world)
    return {"serial": (await world.key.send("GET", f"/v1/receipts/{place['receipt_id']}")).json()["serial"]}


async def a_closed_month(world: World) -> dict[str, str]:
    """A month that can be packed, of a plan that has audit packs."""
    at = clock.now()
    async with world.ledger.services.database.transaction(world.organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=actor.system(world.organization_id),
            now=at,
            at=at,
            organization_id=world.organization_id,
            quotas={},
            features={pack_types.AUDIT_PACKS: True},
        )
    period = await a_period(world)
    answer = await world.key.send("POST", f"/v1/periods/{period['period_id']}/close")
    assert answer.is_success, answer.text
    await world.ledger.run_jobs()
    return {}


async def the_month_to_pack(world: World) -> Body:
    found = (await world.key.send("GET", "/v1/periods")).json()["data"]
    closed = [period["month"] for period in found if period["state"] == "closed"]
    return {"month": closed[-1] if closed else "2019-01"}


async def a_pack(world: World) -> dict[str, str]:
    """A pack that was made, by the month that it is of."""
    await a_closed_month(world)
    asked = await the_month_to_pack(world)
    answer = await world.key.send("POST", "/v1/exports/audit-packs", json=asked)
    assert answer.is_success, answer.text
    await world.ledger.run_jobs()
    year, month = str(asked["month"]).split("-")
    return {"year": year, "month": str(int(month))}


async def a_receipt_and_its_event(world: World) -> dict[str, str]:
    place = await a_receipt(world)
    since = (clock.now() - timedelta(days=80)).isoformat()
    events = (await world.key.send("GET", "/v1/telemetry/events", params={"from": since})).json()["data"]
    return {**place, "event_id": events[0]["id"]}


async def a_draft(world: World) -> dict[str, str]:
    """An invoice that was written by hand, of one line."""
    return {"invoice_id": (await world.post("/v1/invoices", await an_invoices_body(world)))["id"]}


async def an_issued_invoice(world: World) -> dict[str, str]:
    place = await a_draft(world)
    await world.post(f"/v1/invoices/{place['invoice_id']}/finalize", {})
    return place


async def a_printed_invoice(world: World) -> dict[str, str]:
    place = await an_issued_invoice(world)
    await world.ledger.run_jobs()
    return place


async def an_invoices_line(world: World) -> dict[str, str]:
    place = await an_issued_invoice(world)
    lines = (await world.key.send("GET", f"/v1/invoices/{place['invoice_id']}/lines")).json()["data"]
    return {**place, "line_id": lines[0]["id"]}


async def a_line_of_usage(world: World) -> dict[str, str]:
    """A line that counts three events."""
    meter = {"code": _code("meter"), "name": "Pages", "aggregation": "sum", "event": "pages", "measure": "quantity"}
    await world.post("/v1/meters", meter)
    account = await world.post("/v1/accounts", {"name": worlds.a_name("customer"), "external_id": worlds.a_name("external")})
    charge = {"code": "pages", "name": "Pages", "charge_model": "standard", "unit_price": "0.10", "meter_code": meter["code"]}
    plan = await world.post("/v1/plans", {"code": _code("plan"), "name": "Pages", "currency": "EUR", "charges": [charge]})
    now = clock.now()
    used = {"occurred_at": (now - timedelta(days=40)).isoformat(), "event": "pages", "quantity": "1", "account": account["external_id"]}
    await world.post("/v1/telemetry/events", {"events": [{**used, "idempotency_key": str(uuid4())} for _ in range(3)]})
    terms = {"account_id": account["id"], "plan_id": plan["id"], "start_at": (now - timedelta(days=41)).isoformat()}
    await world.post("/v1/subscriptions", terms)
    now = clock.now()
    async with world.ledger.services.database.transaction(world.organization_id) as uow:
        await billing.run(
            uow,
            actor=actor.system(world.organization_id),
            now=now,
            at=now,
            organization_id=world.organization_id,
            account_ids=[UUID(account["id"])],
        )
    found = (await world.key.send("GET", "/v1/invoices", params={"account_id": account["id"]})).json()["data"]
    lines = (await world.key.send("GET", f"/v1/invoices/{found[0]['id']}/lines")).json()["data"]
    return {"invoice_id": found[0]["id"], "line_id": lines[0]["id"]}


async def an_invoice_of_many_lines(world: World) -> dict[str, str]:
    body = await an_invoices_body(world)
    return {"invoice_id": (await world.post("/v1/invoices", {**body, "lines": body["lines"] * 3}))["id"]}


async def a_billing_failure(world: World) -> dict[str, str]:
    """An invoice of which no PDF could be made."""
    place, now = await an_issued_invoice(world), clock.now()
    invoice_id = UUID(place["invoice_id"])
    async with world.ledger.services.database.transaction(world.organization_id) as uow:
        (prepared,) = await printing.unprinted(uow, organization_id=world.organization_id, invoice_ids=[invoice_id])
        await printing.failed(uow, now=now, at=now, organization_id=world.organization_id, prepared=prepared, detail="TypstError")
    failures = (await world.key.send("GET", "/v1/billing-failures")).json()["data"]
    return {"failure_id": next(one["id"] for one in failures if one["invoice_id"] == place["invoice_id"])}


# --- what is sent


async def an_invoices_body(world: World) -> Body:
    return {**await a_customer(world), "currency": "EUR", "lines": [{"description": "Work", "unit_price": "120.00"}]}


async def a_series_body(world: World) -> Body:
    del world
    return {"code": _code("series"), "prefix": f"S{next(_units)}-"}


async def a_file_of_lots(world: World) -> Body:
    """A lot that no other test has."""
    del world
    unit = next(_units)
    return {"csv": credit_files.written(credit_files.block(unit, unit, batch="2024-17")).decode()}


async def credentials(world: World) -> Body:
    return {"email": world.email, "password": kit.PASSWORD}


async def own_organization(world: World) -> Body:
    return {"organization_id": str(world.organization_id)}


async def password_of_one_of_two_owners(world: World) -> Body:
    await world.ledger.join(world.key.client, worlds.an_email(), role="owner")
    return {"password": kit.PASSWORD}


async def new_password(world: World) -> Body:
    del world
    return {"password": "another plenty of otters", "current_password": kit.PASSWORD}


async def a_sign_in_link(world: World) -> Body:
    user_id = (await world.browser.send("GET", "/v1/auth/me")).json()["id"]
    async with world.ledger.services.database.transaction() as uow:
        return {"token": await links.make(uow, at=clock.now(), user_id=user_id, purpose=identity_types.LinkPurpose.SIGN_IN)}


async def a_sign_up(world: World) -> Body:
    del world
    return {"email": worlds.an_email(), "name": "Ann Lee", "password": kit.PASSWORD, "organization_name": "Example Ltd"}


async def a_verification(world: World) -> Body:
    body = await a_sign_up(world)
    assert (await world.nobody.send("POST", "/v1/auth/sign-up", json=body)).is_success
    await world.ledger.run_jobs()
    return {"token": world.ledger.mailbox.token(body["email"])}


async def a_reset(world: World) -> Body:
    assert (await world.nobody.send("POST", "/v1/auth/password-reset", json={"email": world.email})).is_success
    await world.ledger.run_jobs()
    return {"token": world.ledger.mailbox.token(world.email), "password": "another plenty of otters"}


async def _offer(world: World, email: str) -> str:
    other = await worlds.make(world.ledger)
    await other.post("/v1/invitations", {"email": email, "role": "viewer"})
    await world.ledger.run_jobs()
    return world.ledger.mailbox.token(email)


async def an_offer_to_me(world: World) -> Body:
    return {"token": await _offer(world, world.email)}


async def an_offer_to_a_stranger(world: World) -> Body:
    return {"token": await _offer(world, worlds.an_email())}


async def a_strangers_acceptance(world: World) -> Body:
    return {"token": await _offer(world, worlds.an_email()), "name": "Ben", "password": kit.PASSWORD}


async def an_organization(world: World) -> Body:
    del world
    return {"name": "Customer", "external_id": worlds.a_name("external")}


async def an_invitation_body(world: World) -> Body:
    del world
    return {"email": worlds.an_email(), "role": "viewer"}


async def a_provider_key(world: World) -> Body:
    del world
    return {"provider": "openai", "label": worlds.a_name("label"), "api_key": f"sk-proj-{uuid4().hex}{uuid4().hex}"}


async def an_account(world: World) -> Body:
    del world
    return {"provider": "openai", "label": worlds.a_name("account"), "api_key": standins.new_account("openai")}


async def an_untold_account(world: World) -> dict[str, str]:
    # OpenRouter does not tell whose key it is, so any key of it may be the new one of any connection.
    body = {"provider": "openrouter", "label": worlds.a_name("account"), "api_key": standins.new_key("openrouter")}
    return {"connection_id": (await world.post("/v1/connections", body))["id"]}


async def an_accounts_new_key(world: World) -> Body:
    del world
    return {"api_key": standins.new_key("openrouter")}


async def another_project(world: World) -> Body:
    return await a_project(world)


async def a_customer(world: World) -> dict[str, str]:
    body = {"name": worlds.a_name("customer"), "external_id": worlds.a_name("external")}
    return {"account_id": (await world.post("/v1/accounts", body))["id"]}


async def a_payment_methods_body(world: World) -> Body:
    del world
    return {"processor": "stripe", "reference": f"pm_{uuid4().hex}", "brand": "visa", "last4": "4242"}


async def a_payment_method(world: World) -> dict[str, str]:
    place = await a_customer(world)
    made = await world.post(f"/v1/accounts/{place['account_id']}/payment-methods", await a_payment_methods_body(world))
    return {**place, "payment_method_id": made["id"]}


async def a_former_customer(world: World) -> dict[str, str]:
    place = await a_customer(world)
    assert (await world.key.send("DELETE", f"/v1/accounts/{place['account_id']}")).status_code == 204
    return place


async def a_plan(world: World) -> dict[str, str]:
    return {"plan_id": (await world.post("/v1/plans", await a_plans_body(world)))["id"]}


async def a_first_version(world: World) -> dict[str, str]:
    return {**await a_plan(world), "number": "1"}


async def a_meter(world: World) -> dict[str, str]:
    return {"meter_id": (await world.post("/v1/meters", await a_meters_body(world)))["id"]}


async def a_tax_rate(world: World) -> dict[str, str]:
    return {"tax_rate_id": (await world.post("/v1/tax-rates", await a_tax_rates_body(world)))["id"]}


async def a_subscription(world: World) -> dict[str, str]:
    return {"subscription_id": (await world.post("/v1/subscriptions", await a_subscriptions_body(world)))["id"]}


async def a_paused_subscription(world: World) -> dict[str, str]:
    place = await a_subscription(world)
    await world.post(f"/v1/subscriptions/{place['subscription_id']}/pause", {})
    return place


async def a_canceled_subscription(world: World) -> dict[str, str]:
    place = await a_subscription(world)
    await world.post(f"/v1/subscriptions/{place['subscription_id']}/cancel", {})
    return place


async def a_subscriptions_body(world: World) -> Body:
    return {**await a_customer(world), **await a_plan(world), "quantity": 2}


async def a_subscription_that_might_be(world: World) -> Body:
    return {**await a_plan(world), "periods": 2}


async def another_plan(world: World) -> Body:
    return dict(await a_plan(world))


async def a_plans_body(world: World) -> Body:
    del world
    charge = {"code": "seat", "name": "Seat", "charge_model": "flat", "amount": "20.00", "per_seat": True}
    return {"code": _code("plan"), "name": "Team", "currency": "EUR", "charges": [charge]}


async def a_meters_body(world: World) -> Body:
    del world
    return {"code": _code("meter"), "name": "Calls", "aggregation": "count"}


async def a_tax_rates_body(world: World) -> Body:
    del world
    return {"code": _code("tax"), "name": "VAT", "percent": "19"}


def _code(kind: str) -> str:
    return f"{kind}-{next(_units)}"


async def a_customers_body(world: World) -> Body:
    del world
    return {"name": worlds.a_name("customer"), "external_id": worlds.a_name("external")}


async def a_new_value(world: World) -> Body:
    del world
    return {"api_key": f"sk-proj-{uuid4().hex}{uuid4().hex}"}


async def a_name(world: World) -> Body:
    del world
    return {"name": worlds.a_name("new")}


async def a_later_time(world: World) -> Body:
    del world
    return {"to": worlds.SANDBOX_START}


async def a_message_of_clerk(world: World) -> Body:
    del world
    return {"type": "organization.created", "data": {"id": worlds.a_name("org"), "name": "Clerk's"}}


async def clerks_signature(body: bytes) -> dict[str, str]:
    message_id, now = f"msg_{uuid4().hex}", clock.now()
    signature = standardwebhooks.Webhook(worlds.CLERK_SECRET).sign(message_id, now, body.decode())
    return {"svix-id": message_id, "svix-timestamp": str(int(now.timestamp())), "svix-signature": signature}


async def a_signed_log(world: World) -> dict[str, str]:
    await signing.ready(world.ledger.services, at=clock.now())
    async with world.ledger.services.database.transaction(world.ledger.house_id) as uow:
        await log.checkpoint(uow, at=clock.now())
    return {}


async def a_tile(world: World) -> dict[str, str]:
    await a_signed_log(world)
    return {"tile": "entries/000.p/1"}


RECIPES: dict[str, Recipe] = {
    "getLogCheckpoint": Recipe(place=a_signed_log),
    "getLogTile": Recipe(place=a_tile, is_everybodys=True),
    "getLogInclusion": Recipe(place=a_signed_log, query={"index": "0"}),
    "getLogConsistency": Recipe(place=a_signed_log, query={"old": "1", "new": "2"}),
    "login": Recipe(body=credentials),
    "signInByLink": Recipe(body=a_sign_in_link),
    "switchOrganization": Recipe(body=own_organization),
    "endSession": Recipe(place=another_session),
    "signUp": Recipe(body=a_sign_up),
    "verifyEmail": Recipe(body=a_verification),
    "resetPassword": Recipe(body=a_reset),
    "changePassword": Recipe(body=new_password),
    "eraseMe": Recipe(body=password_of_one_of_two_owners),
    "takeClerkMessage": Recipe(body=a_message_of_clerk, headers=clerks_signature),
    "createOrganization": Recipe(body=an_organization),
    "getMember": Recipe(place=a_member),
    "changeMember": Recipe(place=a_member),
    "removeMember": Recipe(place=a_member),
    "eraseMember": Recipe(place=a_member),
    "createInvitation": Recipe(body=an_invitation_body),
    "getInvitation": Recipe(place=an_invitation),
    "revokeInvitation": Recipe(place=an_invitation),
    "showOffer": Recipe(body=an_offer_to_a_stranger),
    "acceptInvitation": Recipe(body=an_offer_to_me),
    "acceptInvitationAsNew": Recipe(body=a_strangers_acceptance),
    "getApiKey": Recipe(place=an_api_key),
    "revokeApiKey": Recipe(place=an_api_key),
    "getTestClock": Recipe(sandbox=True),
    "advanceTestClock": Recipe(body=a_later_time, sandbox=True),
    "createLlmKey": Recipe(body=a_provider_key),
    "rotateLlmKey": Recipe(place=an_llm_key, body=a_new_value),
    "deleteLlmKey": Recipe(place=an_llm_key),
    "createProject": Recipe(body=a_name),
    "createAccount": Recipe(body=a_customers_body),
    "getAccount": Recipe(place=a_customer),
    "changeAccount": Recipe(place=a_customer),
    "deleteAccount": Recipe(place=a_customer),
    "eraseAccount": Recipe(place=a_former_customer),
    "addPaymentMethod": Recipe(place=a_customer, body=a_payment_methods_body),
    "listPaymentMethods": Recipe(place=a_customer),
    "setDefaultPaymentMethod": Recipe(place=a_payment_method),
    "removePaymentMethod": Recipe(place=a_payment_method),
    "createPlan": Recipe(body=a_plans_body),
    "getPlan": Recipe(place=a_plan),
    "changePlan": Recipe(place=a_plan),
    "deletePlan": Recipe(place=a_plan),
    "listPlanVersions": Recipe(place=a_plan),
    "getPlanVersion": Recipe(place=a_first_version),
    "createMeter": Recipe(body=a_meters_body),
    "getMeter": Recipe(place=a_meter),
    "getMeterUsage": Recipe(place=a_meter, query={"account": "nobody"}),
    "changeMeter": Recipe(place=a_meter),
    "deleteMeter": Recipe(place=a_meter),
    "createTaxRate": Recipe(body=a_tax_rates_body),
    "getTaxRate": Recipe(place=a_tax_rate),
    "changeTaxRate": Recipe(place=a_tax_rate),
    "deleteTaxRate": Recipe(place=a_tax_rate),
    "previewSubscription": Recipe(body=a_subscription_that_might_be),
    "createSubscription": Recipe(body=a_subscriptions_body),
    "getSubscription": Recipe(place=a_subscription),
    "getSubscriptionHistory": Recipe(place=a_subscription),
    "getSubscriptionUsage": Recipe(place=a_subscription),
    "changeSubscriptionPlan": Recipe(place=a_subscription, body=another_plan),
    "changeSubscriptionQuantity": Recipe(place=a_subscription),
    "pauseSubscription": Recipe(place=a_subscription),
    "resumeSubscription": Recipe(place=a_paused_subscription),
    "cancelSubscription": Recipe(place=a_subscription),
    "reactivateSubscription": Recipe(place=a_canceled_subscription),
    "getProject": Recipe(place=a_project),
    "changeProject": Recipe(place=a_project, body=a_name),
    "deleteProject": Recipe(place=a_project),
    "listWorkloads": Recipe(place=a_project_with_workloads),
    "createAgent": Recipe(body=a_name),
    "getAgent": Recipe(place=an_agent),
    "changeAgent": Recipe(place=an_agent, body=a_name),
    "deleteAgent": Recipe(place=an_agent),
    "createConnection": Recipe(body=an_account),
    "getConnection": Recipe(place=a_connection),
    "getConnectionCosts": Recipe(place=a_connection),
    "deleteConnection": Recipe(place=a_connection),
    "syncConnection": Recipe(place=a_connection),
    "moveConnection": Recipe(place=a_connection, body=another_project),
    "rekeyConnection": Recipe(place=an_untold_account, body=an_accounts_new_key),
    "getJob": Recipe(place=a_job, sandbox=True),
    "listPrices": Recipe(query={"provider": "openai", "model": "gpt-4o"}),
    "getCarbonFactors": Recipe(place=a_factor_set, is_everybodys=True),
    "sendEvents": Recipe(reads_itself=True),
    "sendSpans": Recipe(reads_itself=True),
    "importCreditLots": Recipe(body=a_file_of_lots, reads_itself=True),
    "getPeriod": Recipe(place=a_period),
    "closePeriod": Recipe(place=a_period),
    "listAuditPacks": Recipe(place=a_closed_month),
    "orderAuditPack": Recipe(place=a_closed_month, body=the_month_to_pack),
    "getAuditPack": Recipe(place=a_pack, is_everybodys=True),
    "listReceipts": Recipe(place=the_plan_has_receipts),
    "getReceipt": Recipe(place=a_receipt),
    "getReceiptPdf": Recipe(place=a_receipt),
    "getReceiptBundle": Recipe(place=a_receipt),
    "getReceiptEventProof": Recipe(place=a_receipt_and_its_event),
    "verifyReceipt": Recipe(place=a_serial, is_everybodys=True),
    "createInvoice": Recipe(body=an_invoices_body),
    "getInvoice": Recipe(place=a_draft),
    "deleteInvoice": Recipe(place=a_draft),
    "listInvoiceLines": Recipe(place=an_invoice_of_many_lines),
    "explainInvoiceLine": Recipe(place=an_invoices_line),
    "listInvoiceLineEvents": Recipe(place=a_line_of_usage),
    "getInvoicePdf": Recipe(place=a_printed_invoice),
    "finalizeInvoice": Recipe(place=a_draft),
    "voidInvoice": Recipe(place=an_issued_invoice),
    "payInvoice": Recipe(place=an_issued_invoice),
    "markInvoiceUncollectible": Recipe(place=an_issued_invoice),
    "createInvoiceSeries": Recipe(body=a_series_body),
    "retryBillingFailure": Recipe(place=a_billing_failure),
    "getTelemetryEvent": Recipe(place=a_telemetry_event),
    "eraseTelemetryProperties": Recipe(place=a_telemetry_event),
}
