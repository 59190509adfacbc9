"""Mails alerts to the people they are for: members by role, and for operators the owners and admins of the house.

One job finds the people, one more for each of them sends the letter, so that an address that is refused keeps nobody else from reading it.
Without a mail server alerts are shown (activity, notifications) and nothing is sent.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import house, members, organizations
from carbonledger.entrypoints.shared import places
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, mail, outbox, queue
from carbonledger.kernel import instant, page
from carbonledger.kernel.actor import Role

FIND_JOB: Final = "alerts.mail"
SEND_JOB: Final = "alerts.mail_person"
_PEOPLE_MAX: Final = 1_000  # of one alert; more than that read it on the activity page
_OPERATOR_ROLES: Final = frozenset({Role.OWNER, Role.ADMIN})

queue.subscriber("*", job=FIND_JOB, alerts_only=True)


@queue.steps(FIND_JOB, delivers=True)
async def find_people(work: runner.StepsJob) -> dict[str, Any]:
    """Ask for a letter to each person that the alert is for."""
    if work.services.mailer is None:
        return {"people": 0}
    async with work.transaction() as uow:
        event = await outbox.event(uow, event_id=UUID(work.args["event_id"]))
        people = await _members(uow, work.organization_id, frozenset(role for role in Role if role.value in event.audience))
        house_id = await house.find(uow)
    if outbox.OPERATORS in event.audience and house_id is not None:
        async with work.database.transaction(house_id, read_only=True) as uow:
            people = await _members(uow, house_id, _OPERATOR_ROLES) | people  # who is both reads it as a member
    await work.step("ask", lambda uow: _ask(uow, work, people))
    return {"people": len(people)}


async def _members(uow: db.UnitOfWork, organization_id: UUID, roles: frozenset[Role]) -> dict[UUID, UUID]:
    """Return the members with one of these roles, each with the organization that knows the address."""
    found: dict[UUID, UUID] = {}
    request = page.PageRequest(limit=page.LIMIT_MAX)
    while roles and len(found) < _PEOPLE_MAX:
        some = await members.page(uow, organization_id=organization_id, request=request)
        found |= {member.user_id: organization_id for member in some.data if member.role in roles}
        if some.next_cursor is None:
            break
        request = page.PageRequest(limit=page.LIMIT_MAX, after=page.decode_cursor(some.next_cursor, parts=2))
    return found


async def _ask(uow: db.UnitOfWork, work: runner.StepsJob, people: dict[UUID, UUID]) -> None:
    for user_id, organization_id in people.items():
        args = {"event_id": work.args["event_id"], "user_id": str(user_id), "member_of": str(organization_id)}
        await queue.enqueue(uow, name=SEND_JOB, args=args, now=work.now, actor=work.actor)


@queue.steps(SEND_JOB, delivers=True)
async def send(work: runner.StepsJob) -> None:
    """Mail the alert to one person."""
    await work.outside("mail", lambda: _send(work))


async def _send(work: runner.StepsJob) -> None:
    mailer, member_of = work.services.mailer, UUID(work.args["member_of"])
    if mailer is None:
        raise mail.MailSetupRefused("No mail server is configured any more (CARBONLEDGER_SMTP_URL).")
    async with work.transaction() as uow:
        event = await outbox.event(uow, event_id=UUID(work.args["event_id"]))
        organization = await organizations.find(uow, organization_id=work.organization_id)
    try:
        async with work.database.transaction(member_of, read_only=True) as uow:
            person = await members.find(uow, organization_id=member_of, user_id=UUID(work.args["user_id"]))
    except types.MemberUnknown:
        return  # who has left meanwhile is told nothing
    if person.email is None:
        return  # erased meanwhile
    letter = mail.Message(
        to=person.email,
        subject=f"[{event.severity}] {_words(event.action)} ({organization.name})"[: mail.SUBJECT_CHARS_MAX],
        text=_text(event, organization.name, address=work.services.settings.address),
        key=work.key("mail"),
    )
    await mailer.send(letter, now=work.at)


def _text(event: outbox.Event, organization: str, *, address: str) -> str:
    facts = event.after if isinstance(event.after, dict) else {}
    lines = [
        f"{_words(event.action)}, {event.severity}, at {organization}.",
        "",
        *(f"{_words(name)}: {value}" for name, value in facts.items() if value is not None),
        "",
        f"{_words(event.target_type)}: {event.target_id}",
        *_page(event, address),
        f"When: {instant.to_api_instant(event.occurred_at)}",
        f"Event: {event.id}",
        "",
        f"Carbon Ledger at {address}",
    ]
    return "\n".join(lines) + "\n"


def _page(event: outbox.Event, address: str) -> list[str]:
    path = places.page_of(action=event.action, target_type=event.target_type, target_id=event.target_id)
    return [] if path is None else [f"See: {address}{path}"]


def _words(name: str) -> str:
    """Return a name of ours as words: ``job.parked`` becomes ``Job parked``."""
    return name.replace(".", " ").replace("_", " ").capitalize()
