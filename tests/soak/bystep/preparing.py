"""The states from which scenes begin, made by the product's own means."""

from __future__ import annotations

from uuid import UUID

from tests.soak.bystep import parts, polls, sendings
from tests.soak.bystep.scenes import FIRST, Scene
from tests.soak.bystep.stage import Stage

_OPENED = "opened"


async def prepare(stage: Stage) -> list[Scene]:
    """Make the states of every scene."""
    await stage.ground.copy("template1")
    assert await stage.part("migrate", is_owner=True).run() == 0, stage.log.read_text()
    async with stage.running(parts.WORKER):
        await stage.comes("SELECT count(*) > 0 FROM pgqueuer_schedules")
    # What is due by the clock is not part of any scene.
    await stage.do("UPDATE pgqueuer_schedules SET next_run = next_run + interval '10 years'")
    async with stage.running(parts.API):
        await _open(stage)
    await stage.keep(_OPENED)
    return [scene for account in polls.ACCOUNTS for scene in await polls.scenes(stage, account, kept=_OPENED)] + sendings.scenes(_OPENED)


async def _open(stage: Stage) -> None:
    """Open the organization, and send the events that are known before."""
    opening = {"name": "Steps", "sandbox": True, "clock_start": FIRST.isoformat(), "first_key": {"scopes": ["*"]}}
    made = await stage.ask(sendings.post("/v1/organizations", opening, key="open"))
    assert made.status == 201, made.body
    stage.token, stage.organization_id = made.document["first_key"]["secret"], UUID(made.document["id"])
    known = await stage.ask(sendings.known())
    assert known.document["accepted"] == 20, known.body
