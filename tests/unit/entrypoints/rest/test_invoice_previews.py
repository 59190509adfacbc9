"""A preview says what published examples and hands worked out, and names all that is wrong with what it was sent."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pydantic
import pytest

from carbonledger.domains.invoices.service import previewing
from carbonledger.domains.invoices.types import previews
from carbonledger.entrypoints.rest import invoice_preview_lines, invoice_previews

_VECTORS: list[dict[str, Any]] = json.loads((pathlib.Path(__file__).parents[3] / "vectors/rating.json").read_text())
_STANDARD = {"charge_model": "standard", "quantity": "1", "unit_price": "1"}


def _preview(*lines: dict[str, Any], **body: Any) -> dict[str, Any]:
    sent = invoice_preview_lines.PreviewIn.model_validate({"currency": "USD", "lines": list(lines), **body})
    return invoice_previews.to_api_preview(previewing.preview(invoice_preview_lines.from_api_preview(sent))).model_dump()


def _told(*lines: dict[str, Any], **body: Any) -> list[tuple[str, str]]:
    with pytest.raises(previews.PreviewInvalid) as caught:
        _preview(*lines, **body)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize("vector", _VECTORS, ids=[f"{place}: {vector['name']}" for place, vector in enumerate(_VECTORS)])
def test_a_line_comes_to_what_its_source_says(vector: dict[str, Any]) -> None:
    (line,) = _preview(vector["line"], currency=vector["currency"])["lines"]
    assert (line["amount_unrounded"], line["amount"]) == (vector["amount_unrounded"], vector["amount"])


def test_the_example_of_the_reference_is_what_it_comes_to() -> None:
    """11,000 x 0.0012341 + 5 = 18.5751 and 40.125 x 1.2 = 48.15; 10% of 66.73 is 6.673; 19% of 90% of 66.7251 is 11.409992."""
    example = invoice_previews._REQUEST
    assert _preview(*example["lines"], discounts=example["discounts"]) == invoice_previews._RESPONSE


def test_tiers_are_told_with_what_fell_into_them() -> None:
    """Only the flat price of the first tier at zero usage, and no tier when it is not charged."""
    tiers = [{"up_to": "10", "unit_price": "1", "flat_price": "4"}, {"up_to": None, "unit_price": "2"}]
    charged, free = _preview(
        {"charge_model": "graduated", "quantity": "0", "tiers": tiers},
        {"charge_model": "graduated", "quantity": "0", "tiers": tiers, "flat_at_zero": False},
    )["lines"]
    assert charged["tiers"] == [
        {"above": "0", "up_to": "10", "quantity": "0", "unit_price": "1", "rate_percent": None, "flat_price": "4", "amount": "4"}
    ]
    assert (charged["amount"], free["amount"], free["tiers"]) == ("4.00", "0.00", [])


def test_tax_is_rounded_where_it_was_asked_for() -> None:
    """Three times 20% of 0.333: once 0.1998, three times 0.0666."""
    line = {"charge_model": "standard", "quantity": "1", "unit_price": "0.333", "tax_rate_percent": "20"}
    assert _preview(line, line, line)["tax"] == "0.20"
    assert _preview(line, line, line, tax_rounding="line")["tax"] == "0.21"


def test_tax_may_be_inside_the_price_or_owed_by_who_is_billed() -> None:
    line = {"charge_model": "flat", "amount": "119", "tax_rate_percent": "19", "tax_inclusive": True}
    inside = _preview(line)
    assert (inside["tax"], inside["tax_included"], inside["total"]) == ("0.00", "19.00", "119.00")
    assert inside["taxes"] == [{"percent": "19", "inclusive": True, "taxable": "100.00", "amount": "19.00"}]
    assert _preview(line, tax_treatment="reverse_charge")["tax_included"] == "0.00"


@pytest.mark.parametrize(
    "number, code",
    [
        ("1234567890123456789012345678901234567890", "number_unreadable"),  # 40 digits
        ("1e5", "number_unreadable"),
        ("1E+400", "number_unreadable"),
        ("NaN", "number_unreadable"),
        ("Infinity", "number_unreadable"),
        ("-Infinity", "number_unreadable"),
        ("", "number_unreadable"),
        (" 1", "number_unreadable"),
        ("+1", "number_unreadable"),
        ("01", "number_unreadable"),
        ("1_000", "number_unreadable"),
        ("1,5", "number_unreadable"),
        ("0x1", "number_unreadable"),
        ("\u0661", "number_unreadable"),  # a digit, and none of ours
        ("0.0000000000001", "too_many_places"),  # 13
        ("-1", "too_small"),
    ],
)
def test_a_quantity_that_is_none_is_refused(number: str, code: str) -> None:
    assert _told({**_STANDARD, "quantity": number}) == [("/lines/0/quantity", code)]


def test_all_that_is_wrong_with_all_lines_is_told_at_once() -> None:
    tiers = [{"up_to": "10", "unit_price": "-1"}, {"up_to": "5", "unit_price": "1"}, {"up_to": "20", "unit_price": "1"}]
    assert _told(
        {"charge_model": "graduated", "quantity": "1e9", "tiers": tiers},
        _STANDARD,
        {"charge_model": "package", "quantity": "1", "package_size": "0"},
        {"charge_model": "cost_plus", "unit_price": "3"},
        {"charge_model": "percentage", "quantity": "9", "rate_percent": "1", "fixed_fee_per_event": "1"},
        {**_STANDARD, "minimum": "2", "maximum": "1", "discounts": [{}], "tax_rate_percent": "100.5"},
        {"charge_model": "flat", "amount": "0.005", "quantity": "1", "discounts": [{"amount": "0.001"}, {"percent": "101"}]},
        discounts=[{"percent": "0"}, {"percent": "5", "amount": "5"}],
    ) == [
        ("/lines/0/tiers/0/unit_price", "too_small"),
        ("/lines/0/tiers/1/up_to", "tier_not_above"),
        ("/lines/0/tiers/2/up_to", "tier_bounded"),
        ("/lines/0/quantity", "number_unreadable"),
        ("/lines/2/package_price", "required"),
        ("/lines/3/unit_price", "not_of_this_model"),
        ("/lines/3/markup_percent", "required"),
        ("/lines/5/minimum", "minimum_above_maximum"),
        ("/lines/5/discounts/0", "one_of_two"),
        ("/lines/5/tax_rate_percent", "out_of_range"),
        ("/discounts/1", "one_of_two"),
        ("/lines/4/event_count", "required"),
        ("/lines/6/amount", "minor_unit_fraction"),
        ("/lines/6/discounts/0/amount", "minor_unit_fraction"),
        ("/lines/6/discounts/1/percent", "out_of_range"),
        ("/discounts/0/percent", "out_of_range"),
    ]


def test_numbers_of_json_floats_and_unknown_members_are_refused() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        _preview(
            {**_STANDARD, "quantity": 1.5},
            {**_STANDARD, "unit_price": 1},
            {**_STANDARD, "unitprice": "1"},
            {**_STANDARD, "charge_model": "stairstep"},
        )
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [
        (("lines", 0, "quantity"), "string_type"),
        (("lines", 1, "unit_price"), "string_type"),
        (("lines", 2, "unitprice"), "extra_forbidden"),
        (("lines", 3, "charge_model"), "literal_error"),
    ]


@pytest.mark.parametrize(
    "member, items",
    [("tiers", [{"up_to": None, "unit_price": "1"}] * 10_000), ("event_amounts", ["1"] * 10_000), ("discounts", [{"percent": "1"}] * 11)],
)
def test_lists_are_bounded(member: str, items: list[Any]) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        _preview({**_STANDARD, member: items})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [(("lines", 0, member), "too_long")]


def test_an_amount_that_is_too_long_to_be_kept_is_told_of_its_line() -> None:
    assert _told(_STANDARD, {**_STANDARD, "quantity": "9" * 38, "unit_price": "1.01"}) == [("/lines/1", "amount_too_large")]


def test_a_document_that_comes_to_too_much_is_refused() -> None:
    assert _told(*[{**_STANDARD, "quantity": "9" * 36}] * 11) == [("/lines", "number_out_of_range")]


def test_an_amount_whose_discount_makes_it_too_long_is_shown_as_far_as_it_fits() -> None:
    """Three times 10^-12 percent off 10^20: 99999999999997000000.0000000299999999999999 has 42 digits. Off 10^29: …029.99999999999999."""
    tiny = [{"percent": "0.000000000001"}] * 3
    shown, larger = _preview(*({**_STANDARD, "quantity": f"1{zeros}", "discounts": tiny} for zeros in ("0" * 20, "0" * 29)))["lines"]
    assert shown["amount_unrounded"] == "99999999999997000000.00000003"
    assert larger["amount_unrounded"] == "99999999999997000000000000030"  # nine places of it


@pytest.mark.parametrize("code", ["usd", "XXX", "US", "", "ZZZ"])
def test_a_currency_that_is_none_is_told_with_the_rest(code: str) -> None:
    assert _told({**_STANDARD, "quantity": "x"}, currency=code) == [
        ("/currency", "currency_unknown"),
        ("/lines/0/quantity", "number_unreadable"),
    ]


def test_a_price_by_another_name_is_told_by_the_name_that_was_sent() -> None:
    line = {"charge_model": "carbon", "quantity": "1"}
    assert _told({**line, "unit_price": "-1"}) == [("/lines/0/unit_price", "too_small")]
    assert _told({**line, "price_per_kg": "-1"}) == [("/lines/0/price_per_kg", "too_small")]
    assert _told({"charge_model": "cost_plus", "metered_cost": "1", "multiplier": "-1"}) == [("/lines/0/multiplier", "too_small")]
