"""Identity's jobs in the worker: letters that are not sent twice nor in vain, and the hourly forgetting."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import callers, house, invitations, links, users
from carbonledger.entrypoints.worker import identity
from carbonledger.infra import clock, mail, queue
from carbonledger.infra.queue import registry
from carbonledger.kernel.actor import Role
from tests.integration.entrypoints.worker.conftest import Bench


class Mailbox:
    """Keeps letters; refuses the first ``failures``, and takes the first ``lost`` without a word."""

    def __init__(self, *, failures: int = 0, lost: int = 0) -> None:
        self.letters: list[mail.Message] = []
        self.failures = failures
        self.lost = lost

    async def send(self, message: mail.Message, *, now: datetime) -> None:
        del now
        if self.failures:
            self.failures -= 1
            raise mail.MailUnavailable("of the test")
        self.letters.append(message)
        if self.lost:
            self.lost -= 1
            raise mail.MailUnavailable("the answer is lost")


@pytest.fixture
async def the_house(bench: Bench) -> types.House:
    async with bench.database.transaction() as uow:
        made = await house.ensure(uow, at=clock.now(), email="ann@example.com")
    bench.organization_id = made.organization_id
    return made


def with_mailbox(bench: Bench, mailbox: Mailbox | None) -> None:
    bench.services = dataclasses.replace(bench.services, mailer=mailbox)


async def ask(bench: Bench, name: str, **args: Any) -> UUID:
    return await bench.ask(name, **args)


async def test_a_mail_server_that_is_away_is_tried_again_and_one_letter_arrives(bench: Bench, the_house: types.House) -> None:
    mailbox = Mailbox(failures=1)
    with_mailbox(bench, mailbox)
    job_id = await ask(bench, users.LINK_JOB, user_id=str(the_house.owner_id), purpose="reset_password")
    await bench.run_once()
    assert (await bench.job(job_id)).state is queue.JobState.QUEUED
    await bench.run_once()
    assert (await bench.job(job_id)).state is queue.JobState.SUCCEEDED
    [letter] = mailbox.letters
    assert letter.to == "ann@example.com"
    assert "?token=" in letter.text


async def test_a_repeated_letter_with_a_link_has_a_message_id_of_its_own(bench: Bench, the_house: types.House) -> None:
    """The first letter came and its link is dead: a mail reader that hides what it has seen must not hide the second one."""
    mailbox = Mailbox(lost=2)
    with_mailbox(bench, mailbox)
    job_id = await ask(bench, users.LINK_JOB, user_id=str(the_house.owner_id), purpose="reset_password")
    for _ in range(3):
        await bench.run_once()
    assert (await bench.job(job_id)).state is queue.JobState.SUCCEEDED
    assert len({letter.text for letter in mailbox.letters}) == len({letter.key for letter in mailbox.letters}) == 3
    assert not await opens(bench, mailbox.letters[1])
    assert await opens(bench, mailbox.letters[2])


async def test_a_repeated_invitation_has_a_message_id_of_its_own(bench: Bench, the_house: types.House) -> None:
    mailbox = Mailbox(lost=1)
    with_mailbox(bench, mailbox)
    now, house_id = clock.now(), the_house.organization_id
    async with bench.database.transaction(house_id) as uow:
        await invitations.invite(
            uow,
            actor=callers.operator_actor(house_id),
            now=now,
            at=now,
            organization_id=house_id,
            email="ben@example.com",
            role=Role.VIEWER,
            by_mail=True,
        )
    for _ in range(2):
        await bench.run_once()
    first, second = mailbox.letters
    assert first.text != second.text
    assert first.key != second.key


async def test_a_repeated_letter_without_a_link_is_the_same_letter(bench: Bench, the_house: types.House) -> None:
    mailbox = Mailbox(lost=1)
    with_mailbox(bench, mailbox)
    await ask(bench, users.EXISTS_JOB, user_id=str(the_house.owner_id))
    for _ in range(2):
        await bench.run_once()
    first, second = mailbox.letters
    assert first == second


async def opens(bench: Bench, letter: mail.Message) -> bool:
    """Say whether the link in a letter works."""
    token = letter.text.partition("token=")[2].split()[0]
    async with bench.database.transaction() as uow:
        try:
            return await links.address(uow, at=clock.now(), token=token, purpose=types.LinkPurpose.RESET_PASSWORD) == letter.to
        except types.LinkUnusable:
            return False


async def test_a_mail_server_that_was_taken_away_parks_the_letter(bench: Bench, the_house: types.House) -> None:
    with_mailbox(bench, None)
    job_id = await ask(bench, users.LINK_JOB, user_id=str(the_house.owner_id), purpose="reset_password")
    await bench.run_once()
    job = await bench.job(job_id)
    assert job.state is queue.JobState.PARKED
    assert "CARBONLEDGER_SMTP_URL" in (job.error or "")


async def test_nobody_is_asked_to_confirm_what_is_confirmed(bench: Bench, the_house: types.House) -> None:
    mailbox = Mailbox()
    with_mailbox(bench, mailbox)
    job_id = await ask(bench, users.LINK_JOB, user_id=str(the_house.owner_id), purpose="verify_email")
    await bench.run_once()
    assert (await bench.job(job_id)).state is queue.JobState.SUCCEEDED
    assert mailbox.letters == []


async def test_an_invitation_that_was_withdrawn_before_its_letter_is_not_sent(bench: Bench, the_house: types.House) -> None:
    mailbox = Mailbox()
    with_mailbox(bench, mailbox)
    now, house_id = clock.now(), the_house.organization_id
    actor = callers.operator_actor(house_id)
    async with bench.database.transaction(house_id) as uow:
        made = await invitations.invite(
            uow, actor=actor, now=now, at=now, organization_id=house_id, email="ben@example.com", role=Role.VIEWER, by_mail=True
        )
    assert made.token is None
    async with bench.database.transaction(house_id) as uow:
        await invitations.revoke(uow, actor=actor, now=now, at=now, organization_id=house_id, invitation_id=made.invitation.id)
    await bench.run_once()
    assert mailbox.letters == []


async def test_the_purge_is_scheduled_and_runs(bench: Bench, the_house: types.House) -> None:
    assert registry.declared.schedules[identity.PURGE_JOB].job == identity.PURGE_JOB
    job_id = await ask(bench, identity.PURGE_JOB)
    await bench.run_once()
    job = await bench.job(job_id)
    assert (job.state, job.result) == (queue.JobState.SUCCEEDED, {"rows": 0})


def test_each_purpose_of_a_link_has_its_letter() -> None:
    assert set(identity._LETTERS) == set(types.LinkPurpose)
    for subject, text in identity._LETTERS.values():
        assert subject
        assert "LINK" in text.format(link="LINK")
