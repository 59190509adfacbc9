"""Organizations, keys and what a plan allows, over HTTP."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import callers, entitlements
from carbonledger.infra import clock
from tests import until
from tests.integration.entrypoints.rest.identity.conftest import KEY, OWNER, Installation


async def test_the_house_opens_an_organization_with_a_way_in(ledger: Installation) -> None:
    asked = {
        "name": "  Exämple Ltd ",
        "external_id": "customer-4711",
        "tier": "growth",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "first_key": {"label": "theirs", "scopes": ["*"]},
        "owner_email": "Ben@example.com",
    }
    answer = await ledger.client(KEY).post("/v1/organizations", json=asked)
    made = answer.json()
    assert answer.status_code == 201
    assert (made["name"], made["tier"], made["is_house"], made["is_sandbox"], made["clock_at"]) == (
        "Exämple Ltd",
        "growth",
        False,
        False,
        None,
    )
    assert made["first_key"]["secret"].startswith("cl_live_")
    assert (made["invitation"]["email"], made["invitation"]["role"], made["invitation"]["link"]) == ("ben@example.com", "owner", None)
    client = ledger.client(made["first_key"]["secret"])
    own = (await client.get("/v1/organizations/me")).json()
    assert own == {name: value for name, value in made.items() if name not in {"first_key", "invitation"}}
    await ledger.run_jobs()
    assert ledger.mailbox.token("ben@example.com")


async def test_the_trail_of_both_says_who_opened_it(ledger: Installation) -> None:
    made, _ = await ledger.open_organization()
    for organization_id in (UUID(made["id"]), ledger.house_id):
        async with ledger.services.database.transaction(organization_id) as uow:
            rows = await uow.conn.fetch("SELECT * FROM events WHERE action = 'organization.created' AND target_id = $1", made["id"])
        assert [row["actor_kind"] for row in rows] == ["api_key"]


async def test_an_opening_that_is_repeated_under_its_key_opens_one_and_gives_the_same_secret(ledger: Installation) -> None:
    client = ledger.client(KEY)
    asked = {"name": "Once", "first_key": {"scopes": ["*"]}}
    first = await client.post("/v1/organizations", json=asked, headers={"idempotency-key": "one"})
    second = await client.post("/v1/organizations", json=asked, headers={"idempotency-key": "one"})
    assert first.status_code == second.status_code == 201
    assert second.json() == first.json()
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        kept = await uow.conn.fetch("SELECT t::text FROM idempotent_answers t")
    assert kept
    assert first.json()["first_key"]["secret"] not in "".join(row[0] for row in kept)


async def test_only_the_house_opens_organizations(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    answer = await client.post("/v1/organizations", json={"name": "Mine"})
    assert (answer.status_code, answer.json()["code"]) == (403, "house_only")


async def test_an_external_id_is_one_organizations(ledger: Installation) -> None:
    await ledger.open_organization(external_id="one")
    answer = await ledger.client(KEY).post("/v1/organizations", json={"name": "Other", "external_id": "one"})
    assert (answer.status_code, answer.json()["code"]) == (409, "external_id_taken")


async def test_all_that_is_wrong_with_an_organization_is_said_at_once(ledger: Installation) -> None:
    asked = {"name": "\u200b", "external_id": "", "time_zone": "Mars/Base", "currency": "XXX", "clock_start": "2026-01-01T00:00:00Z"}
    answer = await ledger.client(KEY).post("/v1/organizations", json=asked)
    assert answer.status_code == 422
    pointers = {problem["pointer"] for problem in answer.json()["errors"]}
    assert pointers == {"/name", "/external_id", "/time_zone", "/currency", "/clock_start"}


@pytest.mark.parametrize(
    "changed, status",
    [
        ({"name": "Renamed"}, 200),
        ({"time_zone": "Asia/Tokyo", "currency": "JPY"}, 200),
        ({}, 200),
        ({"time_zone": "Mars/Base"}, 422),
        ({"tier": "enterprise"}, 422),  # the tier follows from the plan
        ({"external_id": "x"}, 422),
        ({"is_house": True}, 422),
        ({"name": None}, 200),  # left out
        ({"name": 7}, 422),
    ],
)
async def test_an_organization_changes_its_own_settings_only(ledger: Installation, changed: dict[str, object], status: int) -> None:
    made, client = await ledger.open_organization()
    answer = await client.patch("/v1/organizations/me", json=changed)
    assert answer.status_code == status
    after = (await client.get("/v1/organizations/me")).json()
    wanted = {name: value for name, value in changed.items() if value is not None} if status == 200 else {}
    assert after == {name: made[name] for name in after} | wanted


async def test_what_the_plan_allows_is_shown(ledger: Installation) -> None:
    made, client = await ledger.open_organization()
    organization_id, now = UUID(made["id"]), clock.now()
    agents, receipts = types.Quota("agents", default=3), types.Feature("receipts", default=False)
    async with ledger.services.database.transaction(organization_id) as uow:
        assert await entitlements.quota(uow, organization_id=organization_id, key=agents) == 3
        with pytest.raises(types.UpgradeRequired):
            await entitlements.require(uow, organization_id=organization_id, key=receipts, upgrade_url="https://ledger.test/plans")
        await entitlements.require_room(uow, organization_id=organization_id, key=agents, used=2)
        with pytest.raises(types.QuotaReached):
            await entitlements.require_room(uow, organization_id=organization_id, key=agents, used=3)
        actor = callers.operator_actor(organization_id)
        granted = {"quotas": {agents: None}, "features": {receipts: True}}
        await entitlements.grant(uow, actor=actor, now=now, at=now, organization_id=organization_id, **granted)  # type: ignore[arg-type]
        await entitlements.require(uow, organization_id=organization_id, key=receipts, upgrade_url="https://ledger.test/plans")
        await entitlements.require_room(uow, organization_id=organization_id, key=agents, used=10**9)
    answer = await client.get("/v1/organizations/me/entitlements")
    assert answer.json() == {
        "data": [{"name": "agents", "quota": None, "enabled": None}, {"name": "receipts", "quota": None, "enabled": True}]
    }


async def test_a_key_is_shown_once_and_never_again(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = (await client.post("/v1/api-keys", json={"label": "ingest", "scopes": ["members:read"]})).json()
    secret = made.pop("secret")
    assert (made["prefix"], made["last_four"]) == (secret[:12], secret[-4:])
    assert (await client.get(f"/v1/api-keys/{made['id']}")).json() == made
    listed = await client.get("/v1/api-keys")
    assert [one["label"] for one in listed.json()["data"]] == ["ingest", "First key"]
    assert secret not in listed.text


async def test_a_key_reaches_what_its_scopes_say_and_nothing_else(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    secret = (await client.post("/v1/api-keys", json={"label": "few", "scopes": ["members:read"]})).json()["secret"]
    few = ledger.client(secret)
    assert (await few.get("/v1/members")).status_code == 200
    for method, path in (
        ("GET", "/v1/organizations/me"),
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/api-keys"),
        ("PATCH", "/v1/organizations/me"),
    ):
        answer = await few.request(method, path, json={} if method != "GET" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), path


@pytest.mark.parametrize("asked", [["*"], ["members:write"], ["members:read", "organization:write"]])
async def test_a_key_makes_no_key_that_holds_more(ledger: Installation, asked: list[str]) -> None:
    _, client = await ledger.open_organization()
    secret = (await client.post("/v1/api-keys", json={"label": "few", "scopes": ["api_keys:write", "members:read"]})).json()["secret"]
    few = ledger.client(secret)
    answer = await few.post("/v1/api-keys", json={"label": "more", "scopes": asked})
    assert (answer.status_code, answer.json()["code"]) == (403, "scopes_exceeded")
    same = await few.post("/v1/api-keys", json={"label": "same", "scopes": ["api_keys:read", "members:read"]})
    assert same.status_code == 201


@pytest.mark.parametrize(
    "changed, pointers",
    [
        ({"scopes": []}, {"/scopes"}),
        ({"scopes": ["members:read", "nonsense", "members:read"]}, {"/scopes/1", "/scopes/2"}),
        ({"label": " "}, {"/label"}),
        ({"expires_at": "2020-01-01T00:00:00Z"}, {"/expires_at"}),
        ({"expires_at": "2199-01-01T00:00:00Z"}, {"/expires_at"}),
        ({"expires_at": "2027-01-01T00:00:00"}, {"/expires_at"}),  # without its offset it is no instant
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, {"/expires_at"}),
        ({"label": "", "scopes": ["x"], "expires_at": "2020-01-01T00:00:00Z"}, {"/label", "/scopes/0", "/expires_at"}),
    ],
)
async def test_all_that_is_wrong_with_a_key_is_said_at_once(ledger: Installation, changed: dict[str, object], pointers: set[str]) -> None:
    _, client = await ledger.open_organization()
    answer = await client.post("/v1/api-keys", json={"label": "x", "scopes": ["members:read"], **changed})
    assert answer.status_code == 422
    assert {problem["pointer"] for problem in answer.json()["errors"]} == pointers


async def test_a_revoked_key_is_refused_at_the_next_request(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = (await client.post("/v1/api-keys", json={"label": "x", "scopes": ["*"]})).json()
    own = ledger.client(made["secret"])
    assert (await own.get("/v1/organizations/me")).status_code == 200
    assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 204

    async def is_refused() -> bool:
        return (await own.get("/v1/organizations/me")).status_code == 401

    await until.comes(is_refused)  # the announcement takes its way through the database
    assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
    assert (await client.get(f"/v1/api-keys/{made['id']}")).json()["revoked_at"] is not None


async def test_another_organizations_keys_are_not_there(ledger: Installation) -> None:
    made, client = await ledger.open_organization()
    _, other = await ledger.open_organization()
    for target in (made["first_key"]["id"], str(uuid4())):
        for method in ("GET", "DELETE"):
            answer = await other.request(method, f"/v1/api-keys/{target}")
            assert (answer.status_code, answer.json()["code"]) == (404, "api_key_unknown")
    assert (await client.get("/v1/organizations/me")).status_code == 200


async def test_an_owner_uses_keys_like_anybody_who_holds_the_scope(ledger: Installation) -> None:
    browser = ledger.browser()
    await browser.sign_in(OWNER)
    made = await browser.send("POST", "/v1/api-keys", json={"label": "by hand", "scopes": ["*"], "expires_at": "2030-01-01T00:00:00+01:00"})
    assert made.status_code == 201
    assert datetime.fromisoformat(made.json()["expires_at"]) == datetime.fromisoformat("2029-12-31T23:00:00Z")
    assert made.json()["created_by"] == str(ledger.owner_id)
