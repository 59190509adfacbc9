"""What ``credits`` does with offers and commitments."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import typer

from carbonledger import bootstrap
from carbonledger.domains.receipts.service import commitments as service
from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types import ports
from carbonledger.entrypoints.cli import console, operating
from carbonledger.entrypoints.rest import credit_lots
from carbonledger.kernel import decimals, errors, money


@contextlib.asynccontextmanager
async def _seller(operator: operating.Operator) -> AsyncIterator[ports.CreditSeller]:
    async with contextlib.AsyncExitStack() as stack:
        yield service.seller_of(bootstrap.credit_seller(operator.configuration, stack))


def offers(*, json: bool) -> None:
    """Print what can be ordered. Raises ``SellerMissing``, a ``SellerFault``."""

    async def work(operator: operating.Operator) -> tuple[types.Offer, ...]:
        async with _seller(operator) as seller:
            return await seller.offers()

    found = operating.run(work)
    if json:
        console.json({"data": [_offer(one) for one in found]})
        return
    rows = [(one.id, one.name, _tonnes(one.available_mg), str(one.delivery_year or ""), _prices(one)) for one in found]
    console.table(("offer", "name", "tonnes", "delivery", "a tonne costs"), rows)


def order(offer_id: str, tonnes: str, *, beneficiary: str | None, yes: bool, json: bool) -> None:
    """Order, after a question that names the price. Raises ``SellerMissing``, ``Invalid``, a ``SellerFault``."""
    milligrams = _milligrams(tonnes)

    async def look(operator: operating.Operator) -> types.Offer:
        async with _seller(operator) as seller:
            found = [one for one in await seller.offers() if one.id == offer_id]
        if not found:
            raise errors.Invalid(f"There is no offer {offer_id!r}; `carbonledger credits offers` shows them.")
        return found[0]

    async def work(operator: operating.Operator) -> types.Commitment:
        house_id = await operator.organization(operating.HOUSE)
        async with _seller(operator) as seller, operator.database.transaction(house_id) as uow:
            return await service.ask(
                uow,
                actor=operator.acting_in(house_id),
                now=operator.at,
                at=operator.at,
                seller=seller.name,
                offer_id=offer_id,
                milligrams=milligrams,
                beneficiary=beneficiary,
            )

    offer = operating.run(look)
    if not yes:
        typer.confirm(f"Order {tonnes} t of {offer.name}, at {_prices(offer)} a tonne, delivered in {offer.delivery_year}?", abort=True)
    asked = operating.run(work)
    if json:
        console.json(_commitment(asked))
        return
    console.say(f"Asked for {tonnes} t: commitment {asked.id}. A job orders it; `carbonledger credits commitments` shows how it stands.")


def list_all(*, json: bool) -> None:
    """Print every commitment."""

    async def work(operator: operating.Operator) -> tuple[types.Commitment, ...]:
        house_id = await operator.organization(operating.HOUSE)
        async with operator.database.transaction(house_id, read_only=True) as uow:
            return await service.every(uow)

    found = operating.run(work)
    if json:
        console.json({"data": [_commitment(one) for one in found]})
        return
    head = ("commitment", "offer", "tonnes", "state", "order", "total", "delivery")
    console.table(head, [_row(one) for one in found])


def _milligrams(tonnes: str) -> int:
    try:
        exact = decimals.shifted(decimals.from_api_decimal(tonnes), 9)
    except errors.Invalid as fault:
        raise errors.Invalid(f"{tonnes!r} is no amount of tonnes; give it as 1.5.") from fault
    if exact != int(exact):
        raise errors.Invalid("Give tonnes with at most nine digits after the point.")
    return int(exact)


def _tonnes(milligrams: int) -> str:
    return credit_lots.to_api_tonnes(milligrams)


def _prices(offer: types.Offer) -> str:
    return ", ".join(str(price) for price in offer.prices_per_tonne)


def _offer(offer: types.Offer) -> dict[str, object]:
    return {
        "id": offer.id,
        "name": offer.name,
        "available_t": _tonnes(offer.available_mg),
        "delivery_year": offer.delivery_year,
        "prices_per_tonne": [money.to_api_money(price) for price in offer.prices_per_tonne],
    }


def _commitment(one: types.Commitment) -> dict[str, object]:
    order = one.order
    return {
        "id": str(one.id),
        "seller": one.seller,
        "offer": one.offer_id,
        "quantity_t": _tonnes(one.quantity_mg),
        "beneficiary": one.beneficiary,
        "state": one.state.value,
        "order": None if order is None else order.id,
        "total": None if order is None else money.to_api_money(order.total),
        "expected_year": None if order is None else order.expected_year,
        "certificate_url": None if order is None else order.certificate_url,
        "registry_urls": [] if order is None else [one.registry_url for one in order.deliveries if one.registry_url is not None],
        "refused_words": one.refused_words,
    }


def _row(one: types.Commitment) -> tuple[str, ...]:
    order = one.order
    told = ("", "", "") if order is None else (order.id, str(order.total), str(order.expected_year))
    return (str(one.id), one.offer_id, _tonnes(one.quantity_mg), one.state.value, *told)
