"""The table of states, walked in any order; and the name that an organization has in public."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.receipts.core import stating
from carbonledger.domains.receipts.types.receipts import ReceiptEnded, State

# As it was decided: what was issued never changes but by these, written out a second time.
ALLOWED = {
    (State.DEFERRED, State.ISSUED),
    (State.ISSUED, State.SUPERSEDED),
    (State.ISSUED, State.REVOKED),
}


@given(st.lists(st.sampled_from(State)))
def test_no_walk_leaves_the_table_nor_comes_back(tried: list[State]) -> None:
    state, been = State.DEFERRED, [State.DEFERRED]
    for to in tried:
        if (state, to) in ALLOWED:
            state = stating.move(state, to)
            been.append(state)
        else:
            with pytest.raises(ReceiptEnded):
                stating.move(state, to)
    assert len(set(been)) == len(been) <= 3


def test_a_pseudonym_is_the_same_each_time_and_tells_nothing_without_its_salt() -> None:
    mine, other = UUID(int=1), UUID(int=2)
    # HMAC-SHA256 of "carbon-ledger/organization/v1", newline, 15 zero bytes and a one, under 32 zero bytes; by openssl.
    assert stating.pseudonym(bytes(32), mine) == "1d8de6519640995fa7e042250143112f6948f5123fe13048467cdc05a7bae7d7"
    assert len({stating.pseudonym(bytes(32), mine), stating.pseudonym(bytes(32), other), stating.pseudonym(b"\x01" * 32, mine)}) == 3
