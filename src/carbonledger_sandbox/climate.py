"""A stand-in of Stripe Climate: products, orders, their states, idempotency keys (`/v1/climate/*`).

Answers as Stripe's own library describes it. An order is `open` when it is made, `confirmed` an hour later by the stand-ins' clock; it is
delivered or canceled when ``control`` says so. What is ordered is no longer available. The demo's products and suppliers are invented.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from carbonledger_sandbox.refusals import Refused
from carbonledger_sandbox.state import State

KEY = "rk_demo_stripe_climate"
CONFIRMED_AFTER_S = 3600
PAGE_MAX = 100
PARAMETERS = frozenset({"amount", "beneficiary[public_name]", "currency", "metric_tons", "product"})
_LOCATION = {"city": None, "country": "NO", "latitude": None, "longitude": None, "region": None}
_SUPPLIER = {
    "id": "climsup_demo_north",
    "info_url": "https://supplier.example/north",
    "livemode": False,
    "locations": [_LOCATION],
    "name": "Demo North",
    "object": "climate.supplier",
    "removal_pathway": "enhanced_weathering",
}
# id: name, tonnes, year, cents a tonne without and with fees
PRODUCTS = {
    "climsku_demo_portfolio_2030": ("Demo portfolio 2030", Decimal(500), 2030, 50_000, 55_000),
    "climsku_demo_weathering_2028": ("Demo weathering 2028", Decimal(20), 2028, 30_000, 33_000),
}


def _authorize(request: Request) -> None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or secret.strip() != KEY:
        raise Refused(401, "Invalid API Key provided")


async def products(state: State, request: Request) -> dict[str, Any]:
    """`GET /v1/climate/products`."""
    _authorize(request)
    return _list([_product(state, product_id) for product_id in PRODUCTS], "/v1/climate/products", has_more=False)


async def orders(state: State, request: Request) -> dict[str, Any]:
    """`GET /v1/climate/orders`, the last one first."""
    _authorize(request)
    limit = int(request.query_params.get("limit", "10"))
    if not 1 <= limit <= PAGE_MAX:
        raise Refused(400, "Invalid integer", param="limit")
    known = list(reversed(state.orders.values()))
    after = request.query_params.get("starting_after")
    if after is not None:
        known = known[1 + next(place for place, one in enumerate(known) if one["id"] == after) :]
    shown = [_shown(state, one) for one in known[:limit]]
    return _list(shown, "/v1/climate/orders", has_more=len(known) > limit)


async def order(state: State, request: Request) -> dict[str, Any]:
    """`GET /v1/climate/orders/{id}`."""
    _authorize(request)
    found = state.orders.get(request.path_params["order"])
    if found is None:
        raise Refused(404, "No such climate order", code="resource_missing", param="id")
    return _shown(state, found)


async def make(state: State, request: Request) -> dict[str, Any]:
    """`POST /v1/climate/orders`: the same idempotency key again is the same order."""
    _authorize(request)
    body = (await request.body()).decode()
    key = request.headers.get("idempotency-key")
    if key is not None and key in state.order_keys:
        known_body, order_id = state.order_keys[key]
        if known_body != body:
            raise Refused(400, "Keys for idempotent requests can only be used with the same parameters.", code="idempotency_key_in_use")
        return _shown(state, state.orders[order_id])
    made = _made(state, dict(parse_qsl(body, keep_blank_values=True)))
    state.orders[made["id"]] = made
    if key is not None:
        state.order_keys[key] = body, made["id"]
    return _shown(state, made)


def move(state: State, order_id: str, status: str) -> None:
    """Deliver or cancel an order, as ``control`` asks."""
    found = state.orders[order_id]
    if status == "delivered":
        found["delivered_at"] = state.clock.now_s()
        found["certificate"] = f"https://climate.example/certificates/{order_id}"
        found["delivery_details"] = [
            {
                "delivered_at": state.clock.now_s(),
                "location": _LOCATION,
                "metric_tons": found["metric_tons"],
                "registry_url": f"https://registry.example/{order_id}",
                "supplier": _SUPPLIER,
            }
        ]
    elif status == "canceled":
        found["canceled_at"], found["cancellation_reason"] = state.clock.now_s(), "requested"
    else:
        raise ValueError("status is delivered or canceled")


def _made(state: State, form: dict[str, str]) -> dict[str, Any]:
    metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[") and name.endswith("]")}
    unknown = [name for name in form if name not in PARAMETERS and not name.startswith("metadata[")]
    if unknown:
        raise Refused(400, f"Received unknown parameter: {unknown[0]}", code="parameter_unknown", param=unknown[0])
    product_id = form.get("product", "")
    if product_id not in PRODUCTS:
        raise Refused(400, "No such climate product", code="resource_missing", param="product")
    if ("metric_tons" in form) == ("amount" in form):
        raise Refused(400, "Specify exactly one of amount and metric_tons.")
    _, _, year, subtotal, total = PRODUCTS[product_id]
    tonnes = _tonnes(form["metric_tons"]) if "metric_tons" in form else Decimal(form["amount"]) / total
    if tonnes > _available(state, product_id):
        raise Refused(400, "There is not enough inventory.", code="climate_product_unavailable", param="metric_tons")
    name = form.get("beneficiary[public_name]")
    number = hashlib.sha256(f"{len(state.orders)}".encode()).hexdigest()[:14]
    return {
        "id": f"climorder_demo{number}",
        "object": "climate.order",
        "amount_fees": int((total - subtotal) * tonnes),
        "amount_subtotal": int(subtotal * tonnes),
        "amount_total": int(total * tonnes),
        "beneficiary": None if name is None else {"public_name": name},
        "canceled_at": None,
        "cancellation_reason": None,
        "certificate": None,
        "created": state.clock.now_s(),
        "currency": form.get("currency", "usd"),
        "delayed_at": None,
        "delivered_at": None,
        "delivery_details": [],
        "expected_delivery_year": year,
        "livemode": False,
        "metadata": metadata,
        "metric_tons": f"{tonnes:f}",
        "product": product_id,
        "product_substituted_at": None,
    }


def _tonnes(text: str) -> Decimal:
    try:
        tonnes = Decimal(text)
    except InvalidOperation as error:
        raise Refused(400, "Invalid decimal", param="metric_tons") from error
    if not tonnes.is_finite() or tonnes <= 0:
        raise Refused(400, "Invalid decimal", param="metric_tons")
    return tonnes


def _shown(state: State, order: dict[str, Any]) -> dict[str, Any]:
    """Return an order with its state as of now."""
    confirmed_at = order["created"] + CONFIRMED_AFTER_S
    is_confirmed = state.clock.now_s() >= confirmed_at or order["delivered_at"] is not None
    status = "confirmed" if is_confirmed else "open"
    if order["delivered_at"] is not None:
        status = "delivered"
    if order["canceled_at"] is not None:
        status = "canceled"
    return {**order, "confirmed_at": confirmed_at if is_confirmed else None, "status": status}


def _available(state: State, product_id: str) -> Decimal:
    taken = (one for one in state.orders.values() if one["product"] == product_id and one["canceled_at"] is None)
    return PRODUCTS[product_id][1] - sum((Decimal(one["metric_tons"]) for one in taken), Decimal(0))


def _product(state: State, product_id: str) -> dict[str, Any]:
    name, _, year, subtotal, total = PRODUCTS[product_id]
    prices = {"amount_fees": total - subtotal, "amount_subtotal": subtotal, "amount_total": total}
    return {
        "id": product_id,
        "object": "climate.product",
        "created": state.midnight_s,
        "current_prices_per_metric_ton": {"usd": prices},
        "delivery_year": year,
        "livemode": False,
        "metric_tons_available": f"{_available(state, product_id):f}",
        "name": name,
        "suppliers": [_SUPPLIER],
    }


def _list(found: list[dict[str, Any]], url: str, *, has_more: bool) -> dict[str, Any]:
    return {"object": "list", "data": found, "has_more": has_more, "url": url}
