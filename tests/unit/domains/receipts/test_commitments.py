"""The states of a commitment: what a seller says of it, in any order, never leads it back."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import commitments as core
from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types.commitments import Commitment, CommitmentState, Order
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money

S = CommitmentState
NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = datetime(2026, 11, 27, tzinfo=UTC)
ID = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
USD = currency.by_code("USD")
SAID = (S.PLACED, S.CONFIRMED, S.DELIVERED, S.CANCELED)
# How far along each is; whoever is at an end stays there.
RANK = {S.ASKED: 0, S.PLACED: 1, S.CONFIRMED: 2, S.DELIVERED: 3, S.CANCELED: 3, S.REFUSED: 3}


def order(state: CommitmentState, *, order_id: str = "o", quantity_mg: int = 7) -> Order:
    total = Money.from_minor(55_000, USD)
    return Order(id=order_id, state=state, quantity_mg=quantity_mg, total=total, expected_year=2030, certificate_url=None, deliveries=())


def commitment(state: CommitmentState = S.ASKED) -> Commitment:
    return Commitment(
        id=ID,
        seller="s",
        offer_id="o",
        quantity_mg=7,
        beneficiary=None,
        state=state,
        order=None if state in {S.ASKED, S.REFUSED} else order(state),
        refused_words="no" if state is S.REFUSED else None,
        asked_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize("old", S)
@pytest.mark.parametrize("new", SAID)
def test_a_commitment_goes_forward_or_stays(old: CommitmentState, new: CommitmentState) -> None:
    one = commitment(old)
    if old is new:
        assert core.seen(one, order(new), now=LATER) is one
    elif RANK[old] < RANK[new]:
        seen = core.seen(one, order(new), now=LATER)
        assert (seen.state, seen.order, seen.updated_at) == (new, order(new), LATER)
    else:
        with pytest.raises(types.CommitmentReversed):
            core.seen(one, order(new), now=LATER)


@pytest.mark.parametrize("state", S)
def test_only_what_was_asked_can_be_refused(state: CommitmentState) -> None:
    if state is S.ASKED:
        refused = core.refused(commitment(state), "w" * 2000, now=LATER)
        assert (refused.state, refused.refused_words, refused.order) == (S.REFUSED, "w" * 1000, None)
    else:
        with pytest.raises(types.CommitmentReversed):
            core.refused(commitment(state), "no", now=LATER)


def test_a_later_year_is_news_of_the_same_order() -> None:
    delayed = dataclasses.replace(order(S.CONFIRMED), expected_year=2031)
    seen = core.seen(commitment(S.CONFIRMED), delayed, now=LATER)
    assert (seen.state, seen.order) == (S.CONFIRMED, delayed)


@pytest.mark.parametrize("other", [order(S.CONFIRMED, order_id="another"), order(S.CONFIRMED, quantity_mg=8)])
def test_another_order_is_not_this_commitments(other: Order) -> None:
    with pytest.raises(types.CommitmentReversed):
        core.seen(commitment(S.PLACED), other, now=LATER)


@given(st.lists(st.sampled_from((*SAID, S.REFUSED)), max_size=20))
def test_whatever_a_seller_says_in_whatever_order_an_end_is_an_end(said: list[CommitmentState]) -> None:
    one, reached = commitment(), S.ASKED
    for state in said:
        try:
            one = core.refused(one, "no", now=LATER) if state is S.REFUSED else core.seen(one, order(state), now=LATER)
        except types.CommitmentReversed:
            assert one.state is reached, "what is refused changes nothing"
        assert RANK[one.state] >= RANK[reached]
        if RANK[reached] == 3:
            assert one.state is reached
        reached = one.state
    first = next((state for state in said), None)
    assert reached is S.ASKED if first is None else reached is not S.ASKED
