"""The activity over HTTP: each sees their organization's trail, the alerts for their role, and the state of what they asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.identity.service import members
from carbonledger.domains.identity.types import Member
from carbonledger.infra import clock, db, mail, outbox, queue
from carbonledger.kernel import actor as actors
from carbonledger.kernel import page
from tests.integration.entrypoints.rest.identity.conftest import KEY, OWNER, Installation, Opener, install, ledger

__all__ = ["install", "ledger"]  # fixtures


async def alert(ledger: Installation, organization_id: UUID, *audience: str, action: str = "tests.alarm") -> UUID:
    """Let something happen that these people should know."""
    now = clock.now()
    async with ledger.services.database.transaction(organization_id) as uow:
        return await outbox.emit(
            uow,
            actor=actors.system(organization_id, request_id="req-1"),
            now=now,
            action=action,
            target_type="test",
            target_id="t-1",
            after={"reason": "because"},
            severity="warning",
            audience=audience,
        )


async def ok(client: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def ids(listed: dict[str, Any]) -> list[str]:
    return [item["id"] for item in listed["data"]]


async def test_the_trail_tells_who_did_what_and_for_which_request(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await client.post("/v1/api-keys", json={"label": "second", "scopes": ["events:read"]}, headers={"x-request-id": "mine-1"})
    assert made.status_code == 201, made.text
    [event] = (await ok(client, "/v1/events", action="api_key.created", target_id=made.json()["id"]))["data"]
    assert event["actor"]["kind"] == "api_key"
    assert event["target"] == {"type": "api_key", "id": made.json()["id"]}
    assert event["request_id"] == "mine-1"
    assert event["after"]["scopes"] == ["events:read"]
    assert made.json()["secret"] not in str(event)
    assert ids(await ok(client, "/v1/events", actor_id=event["actor"]["id"])) == [event["id"]]


async def test_the_trail_is_read_page_by_page(ledger: Installation) -> None:
    made, client = await ledger.open_organization()
    expected = [str(await alert(ledger, UUID(made["id"]), "owner")) for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await ok(client, "/v1/events", action="tests.*", limit=2, **({} if cursor is None else {"cursor": cursor}))
        seen += ids(page)
        cursor = page["next_cursor"]
    assert seen == list(reversed(expected))
    assert cursor is None


async def test_no_organization_sees_anothers_trail_alerts_or_jobs(ledger: Installation) -> None:
    made, _ = await ledger.open_organization()
    _, stranger = await ledger.open_organization()
    await alert(ledger, UUID(made["id"]), "owner", "operators")
    async with ledger.services.database.transaction(UUID(made["id"])) as uow:
        job_id = await queue.enqueue(uow, name="activity.purge", args={}, now=clock.now())
    assert ids(await ok(stranger, "/v1/events", action="tests.alarm")) == []
    assert ids(await ok(stranger, "/v1/notifications")) == []
    assert (await stranger.get(f"/v1/jobs/{job_id}")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/events", "/v1/notifications", "/v1/jobs/01932d3c-4444-7c3e-9b4d-2f1a6e8c0d11"])
async def test_a_key_without_the_scope_is_refused(ledger: Installation, path: str) -> None:
    made, _ = await ledger.open_organization(first_key={"scopes": ["organization:read"]})
    assert (await ledger.client(made["first_key"]["secret"]).get(path)).status_code == 403


async def test_alerts_are_for_the_roles_they_name(ledger: Installation) -> None:
    made, client = await ledger.open_organization()
    viewer = await ledger.join(client, "vic@example.com", role="viewer")
    billing = await ledger.join(client, "bea@example.com", role="billing")
    for_billing = str(await alert(ledger, UUID(made["id"]), "billing", "owner"))
    for_all = str(await alert(ledger, UUID(made["id"]), "billing", "owner", "admin", "viewer"))
    await alert(ledger, UUID(made["id"]), "operators")
    assert ids(await ok(viewer.client, "/v1/notifications")) == [for_all]
    assert ids(await ok(billing.client, "/v1/notifications")) == [for_all, for_billing]
    assert ids(await ok(client, "/v1/notifications")) == [for_all, for_billing]
    assert (await viewer.client.get("/v1/events")).status_code == 403  # the trail is for owners and admins


async def test_operators_are_told_what_customers_alerts_say_to_them(ledger: Installation) -> None:
    made, _ = await ledger.open_organization()
    told = await alert(ledger, UUID(made["id"]), "operators")
    [shown] = (await ok(ledger.client(KEY), "/v1/notifications"))["data"]
    assert (shown["id"], shown["organization_id"], shown["details"]) == (str(told), made["id"], {"reason": "because"})


async def test_a_job_tells_its_state_and_end(ledger: Installation) -> None:
    house = ledger.client(KEY)
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        job_id = await queue.enqueue(uow, name="activity.purge", args={}, now=clock.now(), request_id="mine-2")
    before = await ok(house, f"/v1/jobs/{job_id}")
    assert (before["state"], before["request_id"], before["finished_at"]) == ("queued", "mine-2", None)
    await ledger.run_jobs()
    after = await ok(house, f"/v1/jobs/{job_id}")
    assert (after["state"], after["result"]["jobs"], after["attempts"]) == ("succeeded", 0, 1)


@pytest.mark.parametrize(
    "params,pointers",
    [
        ({"action": "DROP TABLE"}, ["/query/action"]),
        ({"severity": "loud", "limit": 0}, ["/query/severity", "/query/limit"]),  # all at once
        ({"since": "2026-01-01T00:00:00"}, ["/query/since"]),  # no offset, so no instant
        ({"until": "9999-12-31T23:59:59-23:59"}, ["/query/until"]),
        ({"since": "0001-01-01T00:00:00+23:59"}, ["/query/since"]),
        ({"target_id": "a'b"}, ["/query/target_id"]),
        ({"actor_id": "me"}, ["/query/actor_id"]),
        ({"unknown": "1"}, ["/query/unknown"]),
    ],
)
async def test_a_filter_that_means_nothing_is_refused(ledger: Installation, params: dict[str, Any], pointers: list[str]) -> None:
    answer = await ledger.client(KEY).get("/v1/events", params=params)
    assert answer.status_code == 422, answer.text
    assert {problem["pointer"] for problem in answer.json()["errors"]} == set(pointers)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "WyJhIl0",  # ["a"]: of another list
        "WyJhIiwiYiJd",  # ["a","b"]
        "WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTIzOjU5IiwiMDE5MzJkM2MtNWY2YS03YzNlLTliNGQtMmYxYTZlOGMwZDExIl0",  # beyond the last instant
    ],
)
async def test_a_cursor_of_somebodys_making_is_refused(ledger: Installation, cursor: str) -> None:
    for path in ("/v1/events", "/v1/notifications"):
        assert (await ledger.client(KEY).get(path, params={"cursor": cursor})).status_code == 400


# --- letters


async def test_an_alert_is_mailed_to_everybody_it_is_for_and_to_nobody_else(ledger: Installation) -> None:
    made, client = await ledger.open_organization(name="Lamps")
    await ledger.join(client, "vic@example.com", role="viewer")
    await ledger.join(client, "bea@example.com", role="billing")
    ledger.mailbox.letters.clear()
    event_id = await alert(ledger, UUID(made["id"]), "billing", "operators")
    await ledger.run_jobs()
    assert sorted(letter.to for letter in ledger.mailbox.letters) == [OWNER, "bea@example.com"]
    letter = ledger.mailbox.letters[0]
    assert letter.subject == "[warning] Tests alarm (Lamps)"
    assert "Reason: because" in letter.text
    assert str(event_id) in letter.text
    assert len({letter.key for letter in ledger.mailbox.letters}) == 2


async def test_an_event_that_is_no_alert_is_mailed_to_nobody(ledger: Installation) -> None:
    await ledger.open_organization()
    await ledger.run_jobs()
    assert ledger.mailbox.letters == []


async def test_one_address_that_is_refused_keeps_no_letter_from_another_and_starts_no_circle(
    ledger: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, client = await ledger.open_organization()
    await ledger.join(client, "bea@example.com", role="billing")
    await ledger.join(client, "bob@example.com", role="billing")
    ledger.mailbox.letters.clear()
    send = ledger.mailbox.send

    async def picky(message: mail.Message, **given: Any) -> None:
        if message.to == "bea@example.com":
            raise mail.MailRefused("No such box.")
        await send(message, **given)

    monkeypatch.setattr(ledger.mailbox, "send", picky)
    await alert(ledger, UUID(made["id"]), "billing")
    await ledger.run_jobs()
    assert [letter.to for letter in ledger.mailbox.letters] == ["bob@example.com"]
    [parked] = (await ok(client, "/v1/events", action="job.parked"))["data"]
    assert parked["after"]["name"] == "alerts.mail_person"
    assert parked["id"] in ids(await ok(client, "/v1/notifications"))  # it is seen, though nobody is written to about it


async def test_who_has_left_before_the_letter_was_written_is_told_nothing(ledger: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    made, client = await ledger.open_organization()
    await ledger.join(client, "bea@example.com", role="billing")
    [user_id] = [one["user_id"] for one in (await client.get("/v1/members")).json()["data"] if one["email"] == "bea@example.com"]
    ledger.mailbox.letters.clear()
    find = members.page

    async def leaving(uow: db.UnitOfWork, **given: Any) -> page.Page[Member]:
        found = await find(uow, **given)
        assert (await client.delete(f"/v1/members/{user_id}")).status_code == 204
        monkeypatch.setattr(members, "page", find)
        return found

    monkeypatch.setattr(members, "page", leaving)
    await alert(ledger, UUID(made["id"]), "billing")
    await ledger.run_jobs()
    assert ledger.mailbox.letters == []
    assert ids(await ok(client, "/v1/events", action="job.parked")) == []


async def test_without_a_mail_server_alerts_are_shown_and_nothing_fails(install: Opener) -> None:
    ledger = await install(mailer=False)
    told = await alert(ledger, ledger.house_id, "owner")
    await ledger.run_jobs()
    assert ids(await ok(ledger.client(KEY), "/v1/notifications")) == [str(told)]
    assert ids(await ok(ledger.client(KEY), "/v1/events", action="job.parked")) == []
