"""Jobs of identity: letters with links, the clock of a sandbox, and what is forgotten by itself.

A link's token is made when the letter is written and is in no job: what lies in the queue opens nothing. So each attempt at a letter makes
another link, which ends the one before, and its letter has a Message-Id of its own: under the same one a mail reader would go on showing
the first, whose link is dead.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import invitations, links, test_clock, upkeep, users
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import clock, mail, queue

PURGE_JOB: Final = "identity.purge"
_STEPS_AT_ONE_INSTANT_MAX: Final = 1_000  # what is due is done in one step; a thousand means that it never ends
_SETTLE_S: Final = 20.0  # then the job gives its place up for a moment and is tried again
_LOOK_S: Final = 0.05
# A worker of one place at a time can do what the clock waits for only while the clock's job is set aside, so that happens often.
_CLOCK_ATTEMPTS_MAX: Final = 50
_CLOCK_TIMEOUT_S: Final = 4 * 3600.0

queue.schedule(PURGE_JOB, "41 * * * *")


@queue.steps(PURGE_JOB)
async def purge(work: runner.StepsJob) -> dict[str, Any]:
    """Delete sessions and links that ran out, old tallies, old message ids."""
    gone, batch = 0, 1
    while batch:
        async with work.transaction() as uow:
            batch = await upkeep.purge_people(uow, at=work.at)
        gone += batch
    async with work.transaction() as uow:
        gone += await upkeep.purge_tallies(uow, at=work.at)
    return {"rows": gone}


# --- letters


@queue.steps(users.LINK_JOB)
async def mail_link(work: runner.StepsJob) -> None:
    """Mail a one-use link to a person."""
    user_id, purpose = UUID(work.args["user_id"]), types.LinkPurpose(work.args["purpose"])
    await work.outside("mail", lambda: _mail_link(work, user_id, purpose))


async def _mail_link(work: runner.StepsJob, user_id: UUID, purpose: types.LinkPurpose) -> None:
    async with work.transaction() as uow:
        user = await users.find(uow, user_id=user_id)
        if user.email is None or (purpose is types.LinkPurpose.VERIFY_EMAIL and user.verified_at is not None):
            return  # erased or confirmed meanwhile
        token = await links.make(uow, at=clock.now(), user_id=user_id, purpose=purpose)
    link = links.url(work.services.settings.address, purpose=purpose, token=token)
    subject, text = _LETTERS[purpose]
    await _send(work, user.email, subject=subject, text=text.format(link=link), key=_link_key(work))


@queue.steps(users.EXISTS_JOB)
async def mail_user_exists(work: runner.StepsJob) -> None:
    """Tell a person who signed up again that they did so before."""
    user_id = UUID(work.args["user_id"])
    await work.outside("mail", lambda: _mail_user_exists(work, user_id))


async def _mail_user_exists(work: runner.StepsJob, user_id: UUID) -> None:
    async with work.transaction() as uow:
        user = await users.find(uow, user_id=user_id)
    if user.email is not None:
        await _send(
            work, user.email, subject=_EXISTS_SUBJECT, text=_EXISTS.format(address=work.services.settings.address), key=work.key("mail")
        )


@queue.steps(invitations.MAIL_JOB)
async def mail_invitation(work: runner.StepsJob) -> None:
    """Mail an invitation."""
    invitation_id = UUID(work.args["invitation_id"])
    await work.outside("mail", lambda: _mail_invitation(work, invitation_id))


async def _mail_invitation(work: runner.StepsJob, invitation_id: UUID) -> None:
    async with work.transaction() as uow:
        made = await invitations.new_token(uow, at=clock.now(), organization_id=work.organization_id, invitation_id=invitation_id)
        if made is None:
            return  # revoked, accepted or run out meanwhile
        offered = await invitations.offer(uow, at=clock.now(), token=made[1])
    invitation, token = made
    link = links.invitation_url(work.services.settings.address, token=token)
    text = _INVITATION.format(organization=offered.organization_name, role=offered.role.value, link=link)
    await _send(work, invitation.email or "", subject=_INVITATION_SUBJECT, text=text, key=_link_key(work))


def _link_key(work: runner.StepsJob) -> str:
    """Return the key of a letter with a one-use link: of this attempt, as the link is."""
    return f"{work.key('mail')}:{work.attempt.number}"


async def _send(work: runner.StepsJob, to: str, *, subject: str, text: str, key: str) -> None:
    if work.services.mailer is None:
        raise mail.MailSetupRefused("No mail server is configured any more (CARBONLEDGER_SMTP_URL).")
    await work.services.mailer.send(mail.Message(to=to, subject=subject, text=text, key=key), now=work.at)


_LETTERS: Final = {
    types.LinkPurpose.VERIFY_EMAIL: (
        "Confirm your e-mail address",
        "Somebody, probably you, signed up at Carbon Ledger with this address.\n\n"
        "Confirm it here (works once, for three days):\n{link}\n\n"
        "If it was not you, do nothing.\n",
    ),
    types.LinkPurpose.RESET_PASSWORD: (
        "Set a new password",
        "Somebody, probably you, asked for a new password at Carbon Ledger.\n\n"
        "Set it here (works once, for an hour):\n{link}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
    ),
    types.LinkPurpose.SIGN_IN: (
        "Your sign-in link",
        "Sign in to Carbon Ledger here (works once, for a day):\n{link}\n",
    ),
}
_EXISTS_SUBJECT: Final = "You have signed up already"
_EXISTS: Final = (
    "Somebody, probably you, signed up at Carbon Ledger again with this address.\n\n"
    "Sign in, or set a new password, at {address}\n\n"
    "If it was not you, do nothing.\n"
)
_INVITATION_SUBJECT: Final = "You are invited to Carbon Ledger"
_INVITATION: Final = (
    "You are invited to join {organization} at Carbon Ledger, as {role}.\n\n"
    "Accept here (works once, for seven days):\n{link}\n\n"
    "If you don't know who invites you, do nothing.\n"
)

# --- the clock of a sandbox


@queue.steps(test_clock.ADVANCE_JOB, timeout_s=_CLOCK_TIMEOUT_S, attempts_max=_CLOCK_ATTEMPTS_MAX)
async def advance_clock(work: runner.StepsJob) -> dict[str, Any]:
    """Move the clock from one thing due to the next; before each step all that followed from the last one has ended.

    Where the clock stands is in the organization's own row, so a job that died goes on from there.
    """
    last: datetime | None = None
    at_once = done = 0
    while True:
        await _settled(work)
        async with work.transaction() as uow:
            stop = await test_clock.step(uow, actor=work.actor, at=clock.now(), organization_id=work.organization_id)
        if stop.is_end:
            await _settled(work)
            return {"clock_at": stop.clock_at.isoformat(), "steps": done}
        at_once = at_once + 1 if stop.clock_at == last else 1
        if at_once > _STEPS_AT_ONE_INSTANT_MAX:
            raise types.ClockStuck(f"At {stop.clock_at.isoformat()} there is always something left to do.")
        last, done = stop.clock_at, done + 1
        await work.progress(done, words=f"The clock shows {stop.clock_at.isoformat()}.")


async def _settled(work: runner.StepsJob) -> None:
    """Wait until no other work of the organization is under way; look at least once. Raises ``ClockWaits``."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _SETTLE_S
    while not await _is_settled(work):
        if loop.time() >= end:
            raise types.ClockWaits(f"Other jobs have not ended within {_SETTLE_S:.0f} s.")
        await asyncio.sleep(_LOOK_S)


async def _is_settled(work: runner.StepsJob) -> bool:
    async with work.database.transaction(work.organization_id, read_only=True) as uow:
        return await test_clock.is_settled(uow, at=clock.now(), organization_id=work.organization_id, job_id=work.job.id)
