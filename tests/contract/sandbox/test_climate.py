"""The stand-in of Stripe Climate against what Stripe's own library says of products and orders."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from carbonledger_sandbox import climate
from tests.contract.sandbox.kit import World, valid

FILE = "stripe_climate.schema.json"
KEY = {"authorization": f"Bearer {climate.KEY}"}
PORTFOLIO = "climsku_demo_portfolio_2030"
FORM = {"product": PORTFOLIO, "metric_tons": "1.5", "beneficiary[public_name]": "Example Ltd", "metadata[commitment]": "7"}


async def ask(world: World, path: str, method: str = "GET", **more: Any) -> httpx2.Response:
    return await world.client.request(method, f"/stripe/v1/climate/{path}", **{"headers": KEY, **more})


async def order(world: World, form: dict[str, str] | None = None, key: str | None = None) -> dict[str, Any]:
    headers = KEY if key is None else {**KEY, "idempotency-key": key}
    answer = await ask(world, "orders", "POST", data=form or FORM, headers=headers)
    assert answer.status_code == 200, answer.text
    valid(answer.json(), FILE, {"$ref": "#/$defs/Order"})
    made: dict[str, Any] = answer.json()
    return made


async def available(world: World) -> str:
    answer = (await ask(world, "products")).json()
    valid(answer, FILE, {"$ref": "#/$defs/Products"})
    tonnes: str = answer["data"][0]["metric_tons_available"]
    return tonnes


async def test_an_order_takes_from_what_is_available(world: World) -> None:
    assert await available(world) == "500"
    made = await order(world)
    # 550 dollars a tonne, 50 of them fees, as in Stripe's documentation
    assert (made["amount_total"], made["amount_subtotal"], made["amount_fees"]) == (82_500, 75_000, 7_500)
    assert (made["status"], made["metadata"], made["certificate"]) == ("open", {"commitment": "7"}, None)
    assert await available(world) == "498.5"


async def test_the_same_key_is_the_same_order(world: World) -> None:
    first, again = [await order(world, key="a") for _ in range(2)]
    assert first == again
    other = await ask(world, "orders", "POST", data={**FORM, "metric_tons": "2"}, headers={**KEY, "idempotency-key": "a"})
    assert other.status_code == 400
    assert (await order(world, key="b"))["id"] != first["id"]


async def test_an_order_is_confirmed_after_an_hour_and_delivered_or_canceled_when_told(world: World) -> None:
    made, other = await order(world), await order(world)
    await world.control("clock", {"advance_s": 3600})
    assert (await ask(world, f"orders/{made['id']}")).json()["status"] == "confirmed"
    await world.control("orders", {"order": made["id"], "status": "delivered"})
    await world.control("orders", {"order": other["id"], "status": "canceled"})
    listed = (await ask(world, "orders")).json()
    valid(listed, FILE, {"$ref": "#/$defs/Orders"})
    assert [one["status"] for one in listed["data"]] == ["canceled", "delivered"]
    assert listed["data"][1]["delivery_details"][0]["metric_tons"] == "1.5"
    assert await available(world) == "498.5"


async def test_orders_are_paged(world: World) -> None:
    made = [(await order(world))["id"] for _ in range(3)]
    first = (await ask(world, "orders", params={"limit": "2"})).json()
    rest = (await ask(world, "orders", params={"limit": "2", "starting_after": first["data"][-1]["id"]})).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize(
    "form",
    [
        {**FORM, "product": "climsku_none"},
        {**FORM, "metric_tons": "501"},
        {**FORM, "metric_tons": "-1"},
        {**FORM, "metric_tons": "many"},
        {**FORM, "amount": "100"},
        {"product": PORTFOLIO},
        {**FORM, "colour": "green"},
    ],
)
async def test_what_can_not_be_ordered_is_a_400(world: World, form: dict[str, str]) -> None:
    answer = await ask(world, "orders", "POST", data=form)
    assert answer.status_code == 400
    valid(answer.json(), FILE, {"$ref": "#/$defs/Error"})
    assert await available(world) == "500"


async def test_who_has_no_key_is_401_and_what_is_not_there_404(world: World) -> None:
    assert (await ask(world, "products", headers={})).status_code == 401
    assert (await ask(world, "orders/climorder_none")).status_code == 404
    assert (await ask(world, "reservations")).status_code == 404
