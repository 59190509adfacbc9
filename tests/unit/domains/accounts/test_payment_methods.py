"""What a payment method may say, and what of it would be the number of a card."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.accounts.core import payment_methods as core
from carbonledger.domains.accounts.types.payment_methods import PaymentMethod
from carbonledger.kernel import errors

METHOD = PaymentMethod(
    id=UUID(int=2),
    account_id=UUID(int=1),
    processor="stripe",
    reference="pm_1OeXampLe",
    brand="visa",
    last4="4242",
    label=None,
    is_default=True,
    created_at=datetime(2026, 11, 26, tzinfo=UTC),
)

# Numbers that processors publish for tests: docs.stripe.com/testing and docs.adyen.com/development-resources/test-cards, 2026-11-26.
CARDS = (
    "4242424242424242",  # Visa
    "4222222222222",  # Visa of 13 digits
    "5555555555554444",  # Mastercard
    "2223003122003222",  # Mastercard, the series that begins with 2
    "378282246310005",  # American Express, 15 digits
    "3056930009020004",  # Diners Club
    "6011111111111117",  # Discover
    "3566002020360505",  # JCB
    "6205500000000000004",  # UnionPay of 19 digits
)


@pytest.mark.parametrize("number", CARDS)
@pytest.mark.parametrize("form", ["{}", " {}\t", "card {}!", "pan={}"])
def test_a_number_of_a_card_is_known_wherever_it_stands(number: str, form: str) -> None:
    assert core.has_card_number(form.format(number))


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "3782 822463 10005",
        "17 4242 4242 4242 4242",  # a number of something else before it
        "4242 4242 4242 4242 12 34",  # and what may be its date behind it
        "\uff14\uff12\uff14\uff12" * 4,  # full-width digits
    ],
)
def test_a_number_of_a_card_is_known_in_groups_too(text: str) -> None:
    assert core.has_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "4242",
        "pm_1NvmFG2eZvKYlo2C42424242",
        "4242424242424241",  # a wrong check digit
        "MD000123456789",  # a mandate: twelve digits
        "DE89 3704 0044 0532 0130 00",  # an account's number, which begins with letters; its digits fail the check
        "8415736344864224",  # a processor's id in digits: no network begins with 84
        "0000000000000000",
        "42424242424242424242424242",  # 26 digits are no card
    ],
)
def test_what_is_no_number_of_a_card_is_taken(text: str | None) -> None:
    assert not core.has_card_number(text)


@pytest.mark.parametrize(
    "values, found",
    [
        ({"processor": "Stripe"}, [("/processor", "processor_invalid")]),
        ({"processor": ""}, [("/processor", "processor_invalid")]),
        ({"processor": "s" * 41}, [("/processor", "processor_invalid")]),
        ({"reference": " "}, [("/reference", "required")]),
        ({"reference": "p" * 201}, [("/reference", "too_long")]),
        ({"last4": "42"}, [("/last4", "last4_invalid")]),
        ({"last4": CARDS[0]}, [("/last4", "last4_invalid"), ("/last4", "card_number")]),
        ({"label": "a\nb"}, [("/label", "characters")]),
        ({"reference": CARDS[0]}, [("/reference", "card_number")]),
        ({"processor": f"x{CARDS[0]}"}, [("/processor", "card_number")]),
        ({"label": f"mine {CARDS[0]}", "brand": CARDS[1]}, [("/brand", "card_number"), ("/label", "card_number")]),
    ],
)
def test_what_is_wrong_with_a_payment_method_is_told_all_at_once_and_repeats_none_of_it(
    values: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        core.checked(replace(METHOD, **values))
    assert [(problem.pointer, problem.code) for problem in caught.value.problems] == found
    assert not [number for number in CARDS if number in str(caught.value)]


def test_texts_take_their_one_form() -> None:
    kept = core.checked(replace(METHOD, reference=" pm_1 ", label="Cafe\u0301", brand=" visa "))
    assert (kept.reference, kept.label, kept.brand) == ("pm_1", "Caf\u00e9", "visa")
