"""The scenes of reading a provider, for each of the three.

- **first poll**: an account with some days of usage is read for the first time
- **hourly poll**: some hours later, over a midnight: new calls, an hour of yesterday that says more, another that is told no more
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from carbonledger_sandbox import state
from tests import standins
from tests.soak.bystep import parts
from tests.soak.bystep.asking import Request
from tests.soak.bystep.provider import Told, Truth
from tests.soak.bystep.scenes import FIRST, Scene
from tests.soak.bystep.sendings import post
from tests.soak.bystep.stage import Stage

_LATER: Final = datetime(2026, 11, 25, 3, 20, tzinfo=UTC)
_IDLE: Final = "SELECT count(*) = 0 FROM jobs WHERE state IN ('queued', 'running')"


@dataclass(frozen=True, slots=True)
class Account:
    """A provider's account of the stand-ins, and what is otherwise when it is read again."""

    provider: str
    name: str
    days: int
    """How many are read at first, the day of the poll included."""
    revised: state.Revision
    vanished: state.Vanished
    is_telling_writes: bool = True
    """Whether the provider says what was written to a cache; else the ledger must say that it is unknown."""

    @property
    def reads_from(self) -> datetime:
        """Where the first poll begins."""
        return FIRST.replace(hour=0, minute=0) - timedelta(days=self.days - 1)


ACCOUNTS: Final = (
    Account("anthropic", "acme-anthropic", 10, state.Revision("ant-chat", -1, 10, rows=2), state.Vanished("ant-label", -1, 2)),
    Account("openai", "acme-openai", 2, state.Revision("oai-shop", -1, 10, rows=2), state.Vanished("oai-nightly", -1, 2)),
    Account(
        "openrouter",
        "acme-openrouter",
        3,
        state.Revision("or-gemini", -1, 10, rows=2),
        state.Vanished("or-llama", -1, 2),
        is_telling_writes=False,
    ),
)


async def scenes(stage: Stage, account: Account, *, kept: str) -> list[Scene]:
    """Make the states from which the account is read, from the state ``kept``, and return its scenes."""
    await stage.back_to(kept)
    first, names = Told(int(FIRST.timestamp()), (), ()), [f"first_{account.provider}", f"later_{account.provider}"]
    stage.provider.goes_back(first)
    async with stage.running(parts.API):
        named = {"provider": account.provider, "label": "steps", "api_key": standins.KEYS[account.provider]}
        connected = await stage.ask(post("/v1/connections", named, key="connect"))
        assert connected.status == 201, connected.body
    await stage.do("UPDATE connections SET reads_from = $1", account.reads_from)
    await stage.keep(names[0])
    # It is hidden until it was read: a poll that is killed and reads again would rightly see more than one that is not.
    stage.provider.goes_back(Told(first.now_s, (account.revised,), ()))
    async with stage.running(parts.WORKER):
        await stage.comes(_IDLE)
    later = Told(int(_LATER.timestamp()), stage.provider.tells().revisions, (account.vanished,))
    assert all(revision.read_at_s is not None for revision in later.revisions)
    stage.provider.goes_back(later)
    await stage.do("UPDATE organizations SET clock_at = $1 WHERE id = $2", _LATER, stage.organization_id)
    async with stage.running(parts.API):
        sync = Request("POST", f"/v1/connections/{connected.document['id']}/sync", headers={"Idempotency-Key": "later"})
        asked = await stage.ask(sync)
        assert asked.status < 300, asked.body
    await stage.keep(names[1])
    return [_scene(stage, account, *which) for which in zip(("first poll", "hourly poll"), names, (first, later), strict=True)]


def _scene(stage: Stage, account: Account, name: str, kept: str, told: Told) -> Scene:
    stage.provider.goes_back(told)
    truth: Truth = stage.provider.truth(account.name, since=account.reads_from)
    if not account.is_telling_writes:
        truth = {place: (uncached, cached, None, None, output) for place, (uncached, cached, _, _, output) in truth.items()}
    return Scene(f"{name}, {account.provider}", parts.WORKER, kept, told, truth=truth)
