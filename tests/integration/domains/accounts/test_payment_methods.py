"""Payment methods in the database: one default, one reference for one account, and what the trail and an erasure leave of them."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from carbonledger.domains.accounts import service, types
from carbonledger.domains.accounts.service import payment_methods
from carbonledger.domains.accounts.types.payment_methods import (
    METHODS_MAX,
    PaymentMethod,
    PaymentMethodNotFound,
    PaymentMethodsFull,
    PaymentMethodTaken,
)
from tests.integration.domains.accounts.conftest import Desk


async def defaults(desk: Desk, account_id: UUID) -> list[tuple[str, bool]]:
    """Return references with whether each is the default, as they are listed."""
    return [(one.reference, one.is_default) for one in await desk.see(payment_methods.every, account_id=account_id)]


async def test_a_payment_method_comes_back_as_it_was_added_and_the_first_is_the_default(desk: Desk) -> None:
    account = await desk.account()
    made = await desk.method(account.id, reference="pm_1", brand="visa", last4="4242", label="Office")
    assert made.is_default
    assert await desk.see(payment_methods.every, account_id=account.id) == (made,)
    await desk.method(account.id, reference="pm_2")
    await desk.method(account.id, reference="pm_3")
    assert await defaults(desk, account.id) == [("pm_1", True), ("pm_3", False), ("pm_2", False)]


async def test_there_is_one_default_and_another_may_take_its_place(desk: Desk) -> None:
    account = await desk.account()
    await desk.method(account.id, reference="pm_1")
    second = await desk.method(account.id, reference="pm_2", is_default=True)
    assert await defaults(desk, account.id) == [("pm_2", True), ("pm_1", False)]
    third = await desk.method(account.id, reference="pm_3")
    await desk.do(payment_methods.make_default, account_id=account.id, method_id=third.id)
    await desk.do(payment_methods.make_default, account_id=account.id, method_id=third.id)  # again: nothing to tell
    assert await defaults(desk, account.id) == [("pm_3", True), ("pm_2", False), ("pm_1", False)]
    await desk.do(payment_methods.remove, account_id=account.id, method_id=third.id)
    assert await defaults(desk, account.id) == [("pm_2", False), ("pm_1", False)]  # nobody is charged by a guess
    await desk.do(payment_methods.make_default, account_id=account.id, method_id=second.id)
    trail = [(action, (after or before)["is_default"]) for action, before, after in (await desk.trail(account.id))[1:]]
    assert trail == [
        ("account.payment_method_added", True),
        ("account.payment_method_added", True),
        ("account.payment_method_added", False),
        ("account.payment_method_default", True),
        ("account.payment_method_removed", True),
        ("account.payment_method_default", True),
    ]


async def test_of_many_that_are_to_be_the_default_at_once_one_is(desk: Desk) -> None:
    account = await desk.account()
    made = [await desk.method(account.id, reference=f"pm_{number}") for number in range(4)]
    calls = (desk.do(payment_methods.make_default, account_id=account.id, method_id=one.id) for one in made)
    await asyncio.gather(*calls)
    assert sum(is_default for _, is_default in await defaults(desk, account.id)) == 1


async def test_the_trail_tells_neither_the_reference_nor_what_one_would_know_it_by(desk: Desk) -> None:
    account = await desk.account()
    made = await desk.method(account.id, reference="pm_secret", brand="visa", last4="4242", label="Ann's card")
    await desk.do(payment_methods.remove, account_id=account.id, method_id=made.id)
    trail = await desk.trail(account.id)
    said = {"payment_method_id": str(made.id), "processor": "stripe", "is_default": True}
    assert trail[1:] == [("account.payment_method_added", None, said), ("account.payment_method_removed", said, None)]


async def test_one_reference_is_one_accounts(desk: Desk) -> None:
    first, second = await desk.account(), await desk.account()
    made = await desk.method(first.id, reference="pm_1")
    for account in (first, second):
        with pytest.raises(PaymentMethodTaken):
            await desk.method(account.id, reference="pm_1")
    await desk.method(second.id, processor="adyen", reference="pm_1")
    await desk.do(payment_methods.remove, account_id=first.id, method_id=made.id)
    await desk.method(second.id, reference="pm_1")


async def test_of_many_that_add_one_reference_at_once_one_does(desk: Desk) -> None:
    account = await desk.account()
    outcomes = await asyncio.gather(*(desk.method(account.id, reference="same") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, PaymentMethod) for one in outcomes) == 1
    assert sum(isinstance(one, PaymentMethodTaken) for one in outcomes) == 4


async def test_an_account_has_so_many_and_no_more(desk: Desk) -> None:
    account = await desk.account()
    for number in range(METHODS_MAX):
        await desk.method(account.id, reference=f"pm_{number}")
    with pytest.raises(PaymentMethodsFull, match="20"):
        await desk.method(account.id, reference="pm_more")


async def test_a_deleted_account_takes_none_keeps_its_own_and_loses_them_with_its_personal_data(desk: Desk) -> None:
    account = await desk.account()
    made = await desk.method(account.id, reference="pm_1", label="Ann's card")
    await desk.method(account.id, reference="pm_2")
    await desk.do(service.delete, account_id=account.id)
    with pytest.raises(types.AccountDeleted):
        await desk.method(account.id, reference="pm_3")
    with pytest.raises(types.AccountDeleted):
        await desk.do(payment_methods.make_default, account_id=account.id, method_id=made.id)
    assert len(await desk.see(payment_methods.every, account_id=account.id)) == 2  # what is still owed may be paid by them
    await desk.do(payment_methods.remove, account_id=account.id, method_id=made.id)
    await desk.do(service.erase, account_id=account.id)
    assert await desk.see(payment_methods.every, account_id=account.id) == ()


async def test_what_is_not_there_is_said_to_be_so(desk: Desk) -> None:
    account, other = await desk.account(), await desk.account()
    made = await desk.method(other.id, reference="pm_1")
    for use_case in (payment_methods.make_default, payment_methods.remove):
        for method_id in (uuid4(), made.id):  # another account's is not this one's
            with pytest.raises(PaymentMethodNotFound):
                await desk.do(use_case, account_id=account.id, method_id=method_id)
    with pytest.raises(types.AccountNotFound):
        await desk.see(payment_methods.every, account_id=uuid4())
