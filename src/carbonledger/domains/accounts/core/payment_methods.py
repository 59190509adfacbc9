"""Decisions about payment methods: what one may say, and what in it would be the number of a card. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from carbonledger.domains.accounts.types import payment_methods as types
from carbonledger.domains.accounts.types.payment_methods import PaymentMethod
from carbonledger.kernel import errors, line
from carbonledger.kernel.errors import Problem

_PROCESSOR: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LAST4: Final = re.compile(r"[0-9A-Z]{4}")
_GROUPED: Final = re.compile(r"[0-9](?:[ .\-]?[0-9])*")
_CARD_DIGITS: Final = range(13, 20)  # ISO/IEC 7812-1: at most 19; 13 are the fewest that a network issues
_ISSUED: Final = re.compile(r"[2-6]|8[12]|9792")
"""How numbers of cards begin: 2 to 6 are the networks', 81 and 82 RuPay's, 9792 Troy's. A processor's own ids begin with other digits."""


def checked(method: PaymentMethod) -> PaymentMethod:
    """Return the payment method with its texts in their one form. Raises ``errors.Invalid`` with everything that is wrong with it."""
    problems: list[Problem] = []
    kept = replace(
        method,
        reference=line.tidy(problems, "/reference", method.reference, max_chars=types.REFERENCE_MAX_CHARS),
        brand=_optional(problems, "/brand", method.brand, types.BRAND_MAX_CHARS),
        label=_optional(problems, "/label", method.label, types.LABEL_MAX_CHARS),
    )
    if not _PROCESSOR.fullmatch(method.processor):
        problems.append(Problem("/processor", "processor_invalid", "Name the processor in small letters, such as stripe."))
    if method.last4 is not None and not _LAST4.fullmatch(method.last4):
        problems.append(Problem("/last4", "last4_invalid", "Give the last four digits only, such as 4242."))
    # Whatever else is wrong with a number of a card, it is refused as one, and the answer does not repeat it.
    problems += [Problem(f"/{name}", "card_number", _CARD) for name in _TEXTS if has_card_number(getattr(kept, name))]
    errors.refuse(problems)
    return kept


_TEXTS: Final = ("processor", "reference", "brand", "last4", "label")
_CARD: Final = "This looks like the number of a card, which is never kept here. Give the id that the processor has for it."


def _optional(problems: list[Problem], pointer: str, value: str | None, max_chars: int) -> str | None:
    return None if value is None else line.tidy(problems, pointer, value, max_chars=max_chars)


def has_card_number(text: str | None) -> bool:
    """Say whether a text holds what looks like the number of a card: 13 to 19 digits, perhaps in groups, with a right check digit."""
    return any(_ISSUED.match(digits) and _luhn(digits) for digits in _runs(unicodedata.normalize("NFKC", text or "")))


def _runs(text: str) -> Iterator[str]:
    """Yield each run of as many digits as a card has, beginning and ending where a group of digits does."""
    for found in _GROUPED.finditer(text):
        groups = re.split(r"[ .\-]", found.group())
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                if len(digits) in _CARD_DIGITS:
                    yield digits


def _luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others: ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - of two digits their sum
    return total % 10 == 0
