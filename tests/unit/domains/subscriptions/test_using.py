"""One number of several stretches: only where it follows from theirs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from carbonledger.domains.catalog.types import Aggregation
from carbonledger.domains.subscriptions.core import using


@pytest.mark.parametrize(
    "aggregation, expected",
    [
        (Aggregation.COUNT, Decimal(10)),
        (Aggregation.SUM, Decimal(10)),
        (Aggregation.MAX, Decimal(7)),
        (Aggregation.LATEST, Decimal(3)),
        (Aggregation.UNIQUE, None),  # the same user may be in both
        (Aggregation.WEIGHTED_SUM, None),
    ],
)
def test_stretches_make_one_number_where_they_can(aggregation: Aggregation, expected: Decimal | None) -> None:
    assert using.together(aggregation, [Decimal(7), Decimal(3)]) == expected
    assert using.together(aggregation, [Decimal(7)]) == Decimal(7)
    assert using.together(aggregation, []) == 0
