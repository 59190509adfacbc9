"""Periods as the API's own document shows them, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from carbonledger_client import client, errors, periods

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


def shown(path: str) -> dict[str, Any]:
    """The example of the API's document, deep-copied by reading it."""
    content = json.loads(DOCUMENT.read_text())["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    example: dict[str, Any] = content.get("example") or next(iter(content["examples"].values()))["value"]
    return example


def test_a_period_of_the_document_is_understood() -> None:
    whole = periods.whole_from_api(shown("/v1/periods/{period_id}"))
    assert (whole.period.month, whole.period.state) == ("2026-10", "closed")
    assert whole.period.ends_at == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert whole.totals is not None
    assert (whole.totals.events, whole.totals.cost.amount, whole.totals.cost.currency) == (2, Decimal("0.0075"), "USD")
    assert whole.totals.energy_wh is not None
    assert whole.totals.energy_wh.mid == Decimal("0.45")
    assert [one.month for one in whole.adjusted] == ["2026-10"]


def test_a_list_of_the_document_is_understood() -> None:
    page = periods.page_from_api(shown("/v1/periods"))
    assert ([one.month for one in page.data], page.next_cursor) == (["2026-10"], None)


@pytest.mark.parametrize(
    "name, value",
    [
        ("id", None),
        ("starts_at", "soon"),
        ("root", 5),
        ("totals", []),
        ("totals", {"events": "2"}),
        ("adjustments", None),
        ("adjusted", [{"period_id": "x"}]),
    ],
)
def test_what_is_garbled_is_refused(name: str, value: object) -> None:
    with pytest.raises(errors.Garbled):
        periods.whole_from_api({**shown("/v1/periods/{period_id}"), name: value})


@pytest.mark.parametrize("amount", ["NaN", "1e", None, 5])
def test_an_amount_that_is_no_number_is_refused(amount: object) -> None:
    document = shown("/v1/periods/{period_id}")
    document["totals"]["cost"]["amount"] = amount
    with pytest.raises(errors.Garbled):
        periods.whole_from_api(document)


def test_an_id_that_is_none_never_becomes_a_path() -> None:
    with client.Client("http://127.0.0.1:9", "cl_live_x") as ledger, pytest.raises(errors.Misused):
        ledger.period("../projects")
