"""The adapter of Stripe Climate: against the stand-in, and against a Stripe that refuses, fails and lies."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carbonledger.adapters import stripe_climate
from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types.commitments import CommitmentState
from carbonledger.infra import http, retry, settings
from carbonledger.kernel.money import to_api_money
from carbonledger_sandbox import climate
from tests import standins
from tests.contract.sandbox import kit
from tests.integration.infra.http import peer

ONCE = retry.Policy(attempts_max=1, unknown_attempts_max=1, base_s=0.0, cap_s=0.0)
PRODUCT = "climsku_demo_portfolio_2030"
SECRET = "rk_live_0123456789"
ORDER: dict[str, Any] = {
    "id": "climorder_1",
    "object": "climate.order",
    "amount_fees": 5000,
    "amount_subtotal": 50000,
    "amount_total": 55000,
    "beneficiary": None,
    "canceled_at": None,
    "cancellation_reason": None,
    "certificate": None,
    "confirmed_at": None,
    "created": 1795478400,
    "currency": "usd",
    "delayed_at": None,
    "delivered_at": None,
    "delivery_details": [],
    "expected_delivery_year": 2030,
    "livemode": False,
    "metadata": {},
    "metric_tons": "1",
    "product": PRODUCT,
    "product_substituted_at": None,
    "status": "open",
}


@pytest.fixture
def providers() -> Iterator[standins.StandIns]:
    with standins.running() as running:
        yield running


@pytest.fixture
async def seller(providers: standins.StandIns) -> AsyncIterator[stripe_climate.StripeClimate]:
    made = stripe_climate.seller(settings.Settings(stripe_url=f"{providers.address}/stripe", stripe_climate_key=climate.KEY))
    assert made is not None
    yield made
    await made.aclose()


@contextlib.asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[tuple[stripe_climate.StripeClimate, peer.Peer]]:
    """A seller whose Stripe says the same to everything."""
    headers = {"authorization": f"Bearer {SECRET}"}
    async with (
        peer.running(peer.always(answer)) as server,
        http.Client("stripe", base_url=server.url, headers=headers, policy=ONCE, rng=random.Random(1)) as client,
    ):
        yield stripe_climate.StripeClimate(client), server


def test_without_a_key_there_is_no_seller() -> None:
    assert stripe_climate.seller(settings.Settings()) is None


async def test_offers_have_tonnes_a_year_and_a_price_with_all_fees(seller: stripe_climate.StripeClimate) -> None:
    portfolio, weathering = await seller.offers()
    assert (portfolio.id, portfolio.available_mg, portfolio.delivery_year) == (PRODUCT, 500 * 10**9, 2030)
    assert [to_api_money(price) for price in weathering.prices_per_tonne] == [{"amount": "330.00", "currency": "USD"}]


async def test_an_order_is_placed_once_and_followed_to_its_delivery(
    seller: stripe_climate.StripeClimate, providers: standins.StandIns
) -> None:
    assert await seller.placed("commitment-1") is None
    made = await seller.order(key="commitment-1", offer_id=PRODUCT, milligrams=1_500_000_000, beneficiary="Example & Söhne")
    again = await seller.order(key="commitment-1", offer_id=PRODUCT, milligrams=1_500_000_000, beneficiary="Example & Söhne")
    assert made == again == await seller.placed("commitment-1") == await seller.find(made.id)
    assert (made.state, made.quantity_mg, str(made.total), made.expected_year) == (
        CommitmentState.PLACED,
        1_500_000_000,
        "825.00 USD",
        2030,
    )
    assert providers.state.orders[made.id]["beneficiary"] == {"public_name": "Example & Söhne"}
    providers.state.clock.set(providers.state.clock.now_s() + 3600, frozen=True)
    assert (await seller.find(made.id)).state is CommitmentState.CONFIRMED
    climate.move(providers.state, made.id, "delivered")
    delivered = await seller.find(made.id)
    assert delivered.state is CommitmentState.DELIVERED
    [part] = delivered.deliveries
    assert (part.quantity_mg, part.registry_url) == (1_500_000_000, f"https://registry.example/{made.id}")


async def test_an_order_is_found_among_many(seller: stripe_climate.StripeClimate) -> None:
    first = await seller.order(key="first", offer_id=PRODUCT, milligrams=10**6, beneficiary=None)
    for number in range(101):  # beyond a page
        await seller.order(key=f"other {number}", offer_id=PRODUCT, milligrams=10**6, beneficiary=None)
    assert await seller.placed("first") == first
    assert await seller.placed("none") is None


async def test_what_is_sent_is_what_stripe_describes() -> None:
    async with saying(peer.answer(body=json.dumps(ORDER).encode())) as (stripe, server):
        await stripe.order(key="k-1", offer_id=PRODUCT, milligrams=1_000_000_001, beneficiary="Example")
    (sent,) = server.requests
    form = dict(parse_qsl(sent.body.decode(), strict_parsing=True))
    kit.valid(form, "stripe_climate.schema.json", {"$ref": "#/$defs/OrderCreate"})
    assert (form["metric_tons"], form["metadata[commitment]"]) == ("1.000000001", "k-1")
    assert sent.headers["idempotency-key"] == "k-1"
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "status, body, fault",
    [
        (401, {"error": {"type": "invalid_request_error", "message": f"Invalid API Key provided: {SECRET}"}}, types.SellerKeyRefused),
        (403, {}, types.SellerKeyRefused),
        (400, {"error": {"type": "invalid_request_error", "code": "amount_too_small"}}, types.OrderRefused),
        (402, {"error": {"type": "card_error", "code": "insufficient_funds", "message": SECRET}}, types.OrderRefused),
        (404, {"error": {"type": "invalid_request_error"}}, types.OrderRefused),
        (400, {"error": {"type": SECRET}}, types.OrderRefused),
        (409, {}, types.SellerUnavailable),
        (429, {}, types.SellerUnavailable),
        (500, {}, types.SellerUnavailable),
        (302, {}, types.SellerAnswerUnreadable),
    ],
)
async def test_a_refusal_says_what_to_do_and_never_the_key(status: int, body: dict[str, Any], fault: type[types.SellerFault]) -> None:
    async with saying(peer.answer(status=status, body=json.dumps(body).encode())) as (stripe, _):
        with pytest.raises(fault) as refused:
            await stripe.order(key="k", offer_id=PRODUCT, milligrams=10**9, beneficiary=None)
    assert SECRET not in str(refused.value) + repr(refused.value.__cause__)


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"status": "retired"},
        {"metric_tons": 1},
        {"metric_tons": "1e9"},
        {"metric_tons": "1.0000000001"},
        {"metric_tons": "-1"},
        {"amount_total": "55000"},
        {"amount_total": -1},
        {"currency": "euros"},
        {"expected_delivery_year": 20300},
        {"delivery_details": [{"delivered_at": 10**30, "metric_tons": "1", "registry_url": None, "supplier": {"name": "A"}}]},
        {"delivery_details": None},
    ],
)
async def test_an_order_that_is_not_as_described_is_not_believed(change: dict[str, Any]) -> None:
    async with saying(peer.answer(body=json.dumps({**ORDER, **change}).encode())) as (stripe, _):
        with pytest.raises(types.SellerAnswerUnreadable):
            await stripe.find("climorder_1")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data": {}}', b"\xff"])
async def test_a_list_that_is_none_is_not_believed(body: bytes) -> None:
    async with saying(peer.answer(body=body)) as (stripe, _):
        with pytest.raises(types.SellerAnswerUnreadable):
            await stripe.offers()


async def test_an_order_id_stays_in_its_place() -> None:
    async with saying(peer.answer(body=json.dumps(ORDER).encode())) as (stripe, server):
        await stripe.find("../charges?x=1")
    assert server.requests[0].target == "/v1/climate/orders/..%2Fcharges%3Fx%3D1"
