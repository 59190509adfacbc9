"""Stripe Climate: carbon removal ordered ahead through Frontier, for the operator's own Stripe account.

Source: Stripe's own library (github.com/stripe/stripe-python, ``stripe/climate`` and ``stripe/params/climate``, generated from its OpenAPI
description), October 2026. What is easily read wrongly:

- an order is a reservation: ``confirmed`` is not delivered, and delivery is years ahead. Only ``delivery_details`` with a ``registry_url``
  says that something was retired
- tonnes are decimals as texts, amounts are whole minor units of a currency in small letters
- a body is a form, not JSON; ``Idempotency-Key`` makes the same order again the same order, for 24 hours at least
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import quote, urlencode

import pydantic

from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types.commitments import CommitmentState, Delivery, Offer, Order
from carbonledger.domains.receipts.types.credits import MG_PER_TONNE, QUANTITY_MAX_MG
from carbonledger.infra import http, settings
from carbonledger.kernel import currency, decimals
from carbonledger.kernel.money import Money
from carbonledger.kernel.secret import SecretText

_STATES: Final = {
    "open": CommitmentState.PLACED,
    "awaiting_funds": CommitmentState.PLACED,
    "confirmed": CommitmentState.CONFIRMED,
    "delivered": CommitmentState.DELIVERED,
    "canceled": CommitmentState.CANCELED,
}
_PAGE: Final = 100  # Stripe's own most
_PAGES_MAX: Final = 100
_COMMITMENT: Final = "commitment"  # the member of an order's metadata that holds our key
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_CODE: Final = re.compile(r"[a-z_]{1,64}")  # no key is one: those have digits
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
M = TypeVar("M", bound=pydantic.BaseModel)
Text = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=1000)]


class _Part(pydantic.BaseModel):
    """Members that Stripe adds are passed over; those that are read have to be as described."""

    model_config = pydantic.ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


class _Price(_Part):
    amount_total: int = pydantic.Field(ge=0)


class _Product(_Part):
    id: Text
    name: Text
    metric_tons_available: str
    delivery_year: int | None
    current_prices_per_metric_ton: dict[str, _Price]


class _Products(_Part):
    data: list[_Product]


class _Supplier(_Part):
    name: Text


class _DeliveryDetail(_Part):
    delivered_at: int
    metric_tons: str
    registry_url: Text | None
    supplier: _Supplier


class _Order(_Part):
    id: Text
    status: Literal["open", "awaiting_funds", "confirmed", "delivered", "canceled"]
    metric_tons: str
    amount_total: int = pydantic.Field(ge=0)
    currency: str
    expected_delivery_year: int = pydantic.Field(ge=2000, le=2200)
    certificate: Text | None
    delivery_details: list[_DeliveryDetail]
    metadata: dict[str, str]


class _Orders(_Part):
    data: list[_Order]
    has_more: bool


class _Error(_Part):
    code: str | None = None
    type: str | None = None


class _Refusal(_Part):
    error: _Error


class StripeClimate:
    """A ``types.ports.CreditSeller``."""

    name = "stripe-climate"

    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def offers(self) -> tuple[Offer, ...]:
        """Return the products; see ``CreditSeller``."""
        found = _read(_Products, await self._ask("GET", f"/v1/climate/products?limit={_PAGE}"))
        return tuple(_offer(one) for one in found.data)

    async def order(self, *, key: str, offer_id: str, milligrams: int, beneficiary: str | None) -> Order:
        """Reserve tonnes of a product; see ``CreditSeller``."""
        form = {"product": offer_id, "metric_tons": _tonnes(milligrams)}
        if beneficiary is not None:
            form["beneficiary[public_name]"] = beneficiary
        form[f"metadata[{_COMMITMENT}]"] = key
        headers = {**_FORM, "idempotency-key": key}
        return _order(_read(_Order, await self._ask("POST", "/v1/climate/orders", content=urlencode(form).encode(), headers=headers)))

    async def placed(self, key: str) -> Order | None:
        """Look for the order among all of the account, as Stripe forgets its idempotency keys; see ``CreditSeller``."""
        after = ""
        for _ in range(_PAGES_MAX):
            page = _read(_Orders, await self._ask("GET", f"/v1/climate/orders?limit={_PAGE}{after}"))
            for one in page.data:
                if one.metadata.get(_COMMITMENT) == key:
                    return _order(one)
            if not page.has_more or not page.data:
                return None
            after = f"&starting_after={quote(page.data[-1].id, safe='')}"
        raise types.SellerAnswerUnreadable(f"Stripe has more than {_PAGES_MAX * _PAGE} orders.")

    async def find(self, order_id: str) -> Order:
        """Return an order as it is now; see ``CreditSeller``."""
        return _order(_read(_Order, await self._ask("GET", f"/v1/climate/orders/{quote(order_id, safe='')}")))

    async def _ask(self, method: str, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> http.Answer:
        try:
            # An order carries its idempotency key, so that it may be sent again.
            answer = await self._client.request(method, path, content=content, headers=headers, repeatable=True)
        except http.RequestRefused:
            raise  # our own defect
        except http.HttpFault as fault:
            raise types.SellerUnavailable(f"Stripe: {fault.title()}") from fault
        if answer.is_success:
            return answer
        raise _refusal(answer)


def seller(configuration: settings.Settings) -> StripeClimate | None:
    """Return the seller that the settings name, or None where they have no key."""
    if configuration.stripe_climate_key is None:
        return None
    key = SecretText(configuration.stripe_climate_key.get_secret_value())
    headers = {"authorization": f"Bearer {key.reveal()}", "accept": "application/json"}
    return StripeClimate(http.Client("stripe-climate", base_url=configuration.stripe_url, headers=headers))


def _refusal(answer: http.Answer) -> types.SellerFault:
    """Return what a status means. Stripe's words may quote the key, so only its codes are told."""
    status = answer.status
    asked_s = None if answer.retry_after_s is None else round(answer.retry_after_s)
    if status in {401, 403}:
        return types.SellerKeyRefused("Stripe does not take CARBONLEDGER_STRIPE_CLIMATE_KEY, or it may not order climate products.")
    # 409: another request with this key is on its way.
    if status in {408, 409, 425, 429} or 500 <= status <= 599:  # noqa: PLR2004 - the numbers are the names
        return types.SellerUnavailable(f"Stripe answered {status}.", retry_after_s=asked_s)
    if not 400 <= status <= 499:  # noqa: PLR2004
        return types.SellerAnswerUnreadable(f"Stripe answered {status}.")
    try:
        error = _Refusal.model_validate_json(answer.body).error
    except pydantic.ValidationError:
        return types.OrderRefused(f"Stripe answered {status}.")
    code = error.code or error.type or ""
    words = f" ({code})" if _CODE.fullmatch(code) else ""
    return types.OrderRefused(f"Stripe answered {status}{words}.")


def _read(model: type[M], answer: http.Answer) -> M:
    try:
        return model.model_validate_json(answer.body)
    except pydantic.ValidationError as error:
        places = ", ".join("/".join(str(part) for part in problem["loc"]) for problem in error.errors(include_input=False)[:5])
        raise types.SellerAnswerUnreadable(f"Stripe's answer is not as described: {places or 'no JSON'}.") from None


def _offer(product: _Product) -> Offer:
    prices = product.current_prices_per_metric_ton
    return Offer(
        id=product.id,
        name=product.name,
        available_mg=_milligrams(product.metric_tons_available, floor=True),
        delivery_year=product.delivery_year,
        prices_per_tonne=tuple(_money(price.amount_total, code) for code, price in sorted(prices.items())),
    )


def _order(order: _Order) -> Order:
    return Order(
        id=order.id,
        state=_STATES[order.status],
        quantity_mg=_milligrams(order.metric_tons),
        total=_money(order.amount_total, order.currency),
        expected_year=order.expected_delivery_year,
        certificate_url=order.certificate,
        deliveries=tuple(
            Delivery(_instant(one.delivered_at), _milligrams(one.metric_tons), one.supplier.name, one.registry_url)
            for one in order.delivery_details
        ),
    )


def _money(minor: int, code: str) -> Money:
    try:
        return Money.from_minor(minor, currency.by_code(code.upper()))
    except currency.CurrencyUnknown as fault:
        raise types.SellerAnswerUnreadable("Stripe names a currency that is none.") from fault


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise types.SellerAnswerUnreadable("Stripe names a time that is none.") from error


def _tonnes(milligrams: int) -> str:
    return decimals.to_api_decimal(decimals.shifted(Decimal(milligrams), -9))


def _milligrams(tonnes: str, *, floor: bool = False) -> int:
    """Return tonnes as milligrams. Raises ``SellerAnswerUnreadable``; ``floor`` cuts what is finer, for what is only shown."""
    if not _NUMBER.fullmatch(tonnes):
        raise types.SellerAnswerUnreadable("Stripe names tonnes that are no number.")
    exact = Decimal(tonnes) * MG_PER_TONNE
    if not floor and (exact != int(exact) or exact > QUANTITY_MAX_MG):
        raise types.SellerAnswerUnreadable("Stripe names tonnes that can't be.")
    return int(exact)
