"""Each cost of the vectors, worked by hand from published prices, comes out of the shipped book to the digit, with its flags."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from carbonledger.kernel.usage import RequestSize
from tests.unit.domains.pricing import books

CASES = json.loads((Path(__file__).parents[3] / "vectors/pricing.json").read_text())["cases"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_cost(case: dict[str, Any]) -> None:
    usage = books.usage(
        case["provider"],
        case["model"],
        at=datetime.fromisoformat(case["at"]),
        requests=case.get("requests", 1),
        batch=case.get("batch", False),
        service_tier=case.get("service_tier"),
        region=case.get("region"),
        **case["tokens"],
    )

    cost = books.shipped().price(usage, size=RequestSize(*case["size"]) if "size" in case else None)

    assert cost.amount == (None if case["amount"] is None else Decimal(case["amount"]))
    assert [flag.value for flag in cost.flags] == case["flags"]
    assert cost.amount is None or sum(part.amount for part in cost.parts) == cost.amount
    assert cost.is_covered is all(flag.is_covered for flag in cost.flags)
