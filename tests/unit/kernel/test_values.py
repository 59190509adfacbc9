"""Values of the kernel are values: nothing changes them, nothing is added to them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from carbonledger.kernel import currency, money, period, quantity, usage

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOKENS = usage.TokenBuckets(uncached_input=1)
VALUES = [
    currency.by_code("USD"),
    money.Money(Decimal(1), currency.by_code("USD")),
    quantity.EnergyWh.point(1),
    TOKENS,
    usage.Usage(provider="openai", model="gpt-4o", occurred_at=NOW, tokens=TOKENS, requests=1),
    period.Period(NOW, None),
    period.Interval(period.CalendarUnit.MONTH),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_never_changes(value: object) -> None:
    assert dataclasses.is_dataclass(value)
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)
    assert not hasattr(value, "__dict__")  # slots: small, and no room for a misspelt name
    assert value == dataclasses.replace(value)  # type: ignore[type-var]
    assert hash(value) == hash(dataclasses.replace(value))  # type: ignore[type-var]
