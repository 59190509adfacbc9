"""What an answer of a seller makes of a commitment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from carbonledger.domains.receipts.types import commitments as types
from carbonledger.domains.receipts.types.commitments import Commitment, CommitmentState, Order


def seen(commitment: Commitment, order: Order, *, now: datetime) -> Commitment:
    """Return the commitment as the seller says it is; itself where nothing has changed.

    Raises ``CommitmentReversed`` for another order, another quantity, or a state that can't follow the one that was seen before.
    """
    known = commitment.order
    if known == order:
        return commitment
    if (known is not None and known.id != order.id) or order.quantity_mg != commitment.quantity_mg:
        raise types.CommitmentReversed(f"Order {order.id} is of {order.quantity_mg} mg; commitment {commitment.id} is another.")
    if order.state is not commitment.state and order.state not in types.FOLLOWS[commitment.state]:
        raise types.CommitmentReversed(f"Order {order.id} was {commitment.state.value} and is said to be {order.state.value}.")
    return replace(commitment, state=order.state, order=order, updated_at=now)


def refused(commitment: Commitment, words: str, *, now: datetime) -> Commitment:
    """Return the commitment as one that the seller did not take. Raises ``CommitmentReversed`` for one that it took."""
    if CommitmentState.REFUSED not in types.FOLLOWS[commitment.state]:
        raise types.CommitmentReversed(f"Commitment {commitment.id} is {commitment.state.value}.")
    return replace(commitment, state=CommitmentState.REFUSED, refused_words=words[: types.WORDS_CHARS_MAX], updated_at=now)
