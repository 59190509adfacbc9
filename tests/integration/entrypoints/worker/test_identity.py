"""Identity's jobs in the worker: letters that are not sent twice nor in vain, and the hourly forgetting."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import callers, house, invitations, users
from carbonledger.entrypoints.worker import identity
from carbonledger.infra import clock, mail, queue
from carbonledger.infra.queue import registry
from carbonledger.kernel.actor import Role
from tests.integration.entrypoints.worker.conftest import Bench


class Mailbox:
    """Keeps letters; refuses the first ``failures``."""

    def __init__(self, *, failures: int = 0) -> None:
        self.letters: list[mail.Message] = []
        self.failures = failures

    async def send(self, message: mail.Message, *, now: datetime) -> None:
        del now
        if self.failures:
            self.failures -= 1
            raise mail.MailUnavailable("of the test")
        self.letters.append(message)


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
