"""Removal is ordered ahead once, whatever goes wrong on the way, and followed to its end; it never becomes a credit by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from carbonledger.adapters import stripe_climate
from carbonledger.domains.receipts.service import commitments as service
from carbonledger.domains.receipts.service import credits as credit_service
from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types.commitments import CommitmentState
from carbonledger.entrypoints.worker import activity
from carbonledger.infra import clock, http, outbox, queue, retry
from carbonledger.kernel import actor, errors, page
from carbonledger_sandbox import climate
from tests import standins
from tests.integration.entrypoints.worker.conftest import Bench

PRODUCT = "climsku_demo_portfolio_2030"
TONNE = 10**9
ONCE = retry.Policy(attempts_max=1, unknown_attempts_max=1, base_s=0.0, cap_s=0.0)


@pytest.fixture
def providers() -> Iterator[standins.StandIns]:
    with standins.running() as running:
        yield running


class LostAnswers(stripe_climate.StripeClimate):
    """Places orders, but what Stripe answers is lost on the way, the first times."""

    def __init__(self, client: http.Client, *, losses: int) -> None:
        super().__init__(client)
        self.losses = losses

    async def order(self, **given: Any) -> types.Order:
        placed = await super().order(**given)
        if self.losses:
            self.losses -= 1
            raise types.SellerUnavailable("The answer is lost.")
        return placed


@pytest.fixture
async def shop(bench: Bench, providers: standins.StandIns) -> AsyncIterator[Bench]:
    """The bench, with Stripe to buy from."""
    headers = {"authorization": f"Bearer {climate.KEY}"}
    async with http.Client("stripe", base_url=f"{providers.address}/stripe", headers=headers, policy=ONCE) as client:
        yield dataclasses.replace(bench, services=dataclasses.replace(bench.services, credit_seller=LostAnswers(client, losses=0)))


async def ask(bench: Bench, *, offer: str = PRODUCT, milligrams: int = TONNE, beneficiary: str | None = None) -> UUID:
    now = clock.now()
    async with bench.database.transaction(bench.organization_id) as uow:
        asked = await service.ask(
            uow,
            actor=actor.system(bench.organization_id),
            now=now,
            at=now,
            seller="stripe-climate",
            offer_id=offer,
            milligrams=milligrams,
            beneficiary=beneficiary,
        )
    return asked.id


async def find(bench: Bench, commitment_id: UUID) -> types.Commitment:
    async with bench.database.transaction(bench.organization_id) as uow:
        return await service.find(uow, commitment_id=commitment_id)


async def alerts(bench: Bench) -> list[tuple[str, str | None]]:
    async with bench.database.transaction(bench.organization_id) as uow:
        found = await outbox.events(uow, filters=outbox.Filters(action="credit_commitment.*"), request=page.PageRequest())
    return [(event.action.partition(".")[2], event.severity) for event in reversed(found.data)]


async def test_a_commitment_is_placed_followed_and_never_a_credit(shop: Bench, providers: standins.StandIns) -> None:
    commitment_id = await ask(shop, beneficiary="Example Ltd")
    assert (await find(shop, commitment_id)).state is CommitmentState.ASKED
    await shop.run_once()
    placed = await find(shop, commitment_id)
    assert placed.order is not None
    assert (placed.state, str(placed.order.total)) == (CommitmentState.PLACED, "550.00 USD")
    providers.state.clock.set(providers.state.clock.now_s() + 3600, frozen=True)
    for state in (CommitmentState.CONFIRMED, CommitmentState.DELIVERED):
        await shop.ask(service.FOLLOW_JOB)
        await shop.run_once()
        assert (await find(shop, commitment_id)).state is state
        climate.move(providers.state, placed.order.id, "delivered")
    delivered = await find(shop, commitment_id)
    assert delivered.order is not None
    assert [part.registry_url for part in delivered.order.deliveries] == [f"https://registry.example/{placed.order.id}"]
    assert await alerts(shop) == [("asked", None), ("placed", None), ("confirmed", None), ("delivered", "info")]
    async with shop.database.transaction(shop.organization_id) as uow:
        lots = await credit_service.list_lots(uow, page=page.PageRequest())
    assert lots.data == ()


async def test_an_order_whose_answer_is_lost_is_not_placed_twice(shop: Bench, providers: standins.StandIns) -> None:
    seller = shop.services.credit_seller
    assert isinstance(seller, LostAnswers)
    seller.losses = 1
    commitment_id = await ask(shop)
    await shop.run_once()
    assert (await find(shop, commitment_id)).state is CommitmentState.ASKED
    providers.state.order_keys.clear()  # as Stripe does after some days
    again = await shop.ask(service.PLACE_JOB, commitment_id=str(commitment_id))
    await shop.run_once()
    assert (await shop.job(again)).result == {"state": "placed"}
    assert len(providers.state.orders) == 1
    once_more = await shop.ask(service.PLACE_JOB, commitment_id=str(commitment_id))
    await shop.run_once()
    assert (await shop.job(once_more)).result == {"state": "placed"}
    assert len(providers.state.orders) == 1


async def test_one_whose_job_was_parked_is_placed_the_next_night(shop: Bench, providers: standins.StandIns) -> None:
    seller = shop.services.credit_seller
    commitment_id = await ask(shop)
    shop.services = dataclasses.replace(shop.services, credit_seller=None)  # the key was taken away
    await shop.run_once()
    shop.services = dataclasses.replace(shop.services, credit_seller=seller)
    assert (await find(shop, commitment_id)).state is CommitmentState.ASKED
    await shop.ask(activity.RETURN_JOB)
    await shop.run_once()
    await shop.run_once()
    assert (await find(shop, commitment_id)).state is CommitmentState.PLACED
    assert len(providers.state.orders) == 1


async def test_what_the_seller_does_not_take_is_told_to_the_operators(shop: Bench) -> None:
    commitment_id = await ask(shop, milligrams=501 * TONNE)
    await shop.run_once()
    refused = await find(shop, commitment_id)
    assert (refused.state, refused.refused_words) == (CommitmentState.REFUSED, "Stripe answered 400 (climate_product_unavailable).")
    assert (await alerts(shop))[-1] == ("refused", "warning")


async def test_an_order_that_is_canceled_over_there_is_told(shop: Bench, providers: standins.StandIns) -> None:
    commitment_id = await ask(shop)
    await shop.run_once()
    placed = await find(shop, commitment_id)
    assert placed.order is not None
    climate.move(providers.state, placed.order.id, "canceled")
    await shop.ask(service.FOLLOW_JOB)
    await shop.run_once()
    assert (await find(shop, commitment_id)).state is CommitmentState.CANCELED
    assert (await alerts(shop))[-1] == ("canceled", "warning")


async def test_one_order_that_can_not_be_asked_for_keeps_no_other_back(shop: Bench, providers: standins.StandIns) -> None:
    lost, other = await ask(shop), await ask(shop)
    await shop.run_once()
    gone = await find(shop, lost)
    assert gone.order is not None
    del providers.state.orders[gone.order.id]
    providers.state.clock.set(providers.state.clock.now_s() + 3600, frozen=True)
    job_id = await shop.ask(service.FOLLOW_JOB)
    await shop.run_once()
    assert (await find(shop, other)).state is CommitmentState.CONFIRMED
    assert (await shop.job(job_id)).state is not queue.JobState.SUCCEEDED


async def test_without_a_seller_nothing_is_ordered(bench: Bench) -> None:
    assert bench.services.credit_seller is None
    commitment_id = await ask(bench)
    await bench.run_once()
    assert (await find(bench, commitment_id)).state is CommitmentState.ASKED
    job_id = await bench.ask(service.FOLLOW_JOB)
    await bench.run_once()
    assert (await bench.job(job_id)).result == {"followed": 0}


@pytest.mark.parametrize(
    "wrong, code",
    [({"offer": ""}, "offer_invalid"), ({"milligrams": 0}, "tonnes_invalid"), ({"beneficiary": "a\nb"}, "beneficiary_invalid")],
)
async def test_nonsense_is_not_asked_for(bench: Bench, wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await ask(bench, **wrong)
    assert [problem.code for problem in refused.value.problems] == [code]
