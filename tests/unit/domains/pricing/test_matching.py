"""Which entry a model's name means: the first that has an alternative that fits."""

from __future__ import annotations

import pytest

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.core import matching

ENTRIES: list[list[object]] = [
    ["=gpt-4o", "=gpt-4o-2024-08-06"],
    ["^claude-3"],
    ["*gpt-4"],  # after the exact one: it gets what is left
    ["=gpt-4-turbo"],  # never reached: the pattern before it fits
    ["$:free"],
    [r"~^o[0-9](-mini)?$"],
    [{"all": [["^gemini", "^models/gemini"], ["~^(?!.*-tts)"]]}],
    ["=gpt-5.2-2025-12-11"],
    ["=dated-20250101"],
]


@pytest.mark.parametrize(
    "name, place",
    [
        ("gpt-4o", 0),
        ("gpt-4o-2024-08-06", 0),
        ("GPT-4O", 0),  # case does not matter
        ("claude-3-opus", 1),
        ("my-claude-3", None),  # a start is a start
        ("azure-gpt-4-x", 2),
        ("gpt-4-turbo", 2),  # order decides, not exactness
        ("anything:free", 4),
        ("o3", 5),
        ("o3-mini", 5),
        ("o3-minis", None),
        ("gemini-2", 6),
        ("models/gemini-2", 6),
        ("gemini-2-tts", None),  # one of the two conditions fails
        ("gpt-5.2-20251211", 7),  # the compact date of gateways
        ("dated-20250101", 8),  # and where the book itself has it so
        ("gpt-5.2-20259911", None),  # that is no date
        ("", None),
    ],
)
def test_the_first_entry_that_fits(name: str, place: int | None) -> None:
    assert matching.Names(ENTRIES).find(name) == place


@pytest.mark.parametrize(
    "alternative",
    ["", "=", "gpt-4o", "!gpt", 1, None, {"any": []}, {"all": "=x"}, {"all": ["=x"]}, {"all": [["?x"]]}, "~("],
)
def test_an_alternative_that_means_nothing_is_refused(alternative: object) -> None:
    with pytest.raises(types.BookUnreadable):
        matching.Names([[alternative]]).find("x")
