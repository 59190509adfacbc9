"""Text that a spreadsheet would run stays text, and all other text stays what it is."""

from __future__ import annotations

import pytest

from carbonledger.kernel import spreadsheet


@pytest.mark.parametrize(
    "cell, written",
    [
        ("=1+1", "'=1+1"),
        ("=HYPERLINK('http://evil')", "'=HYPERLINK('http://evil')"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\uff1d1+1", "'\uff1d1+1"),  # full-width =, which a Japanese spreadsheet takes for =
        ("\uff0b1", "'\uff0b1"),  # +
        ("\uff0d1", "'\uff0d1"),  # -
        ("\uff20SUM(A1)", "'\uff20SUM(A1)"),  # @
        ("acme", "acme"),
        ("a=b", "a=b"),
        ("a\uff1db", "a\uff1db"),
        ("\uff21cme", "\uff21cme"),  # a full-width letter
        ("", ""),
        ("'=1", "'=1"),
    ],
)
def test_text_that_a_spreadsheet_would_run_is_made_inert(cell: str, written: str) -> None:
    assert spreadsheet.inert(cell) == written
