"""What a spreadsheet would run: text that it takes for a formula. Owns which text that is, and how it is written so that it stays text.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return gets an apostrophe before it, and so does one that begins
with the full-width form of such a sign, which spreadsheets of East Asian locales take for the sign itself (OWASP, CSV Injection).
"""

from __future__ import annotations

from typing import Final

_SIGNS: Final = ("=", "+", "-", "@")
_FULL_WIDTH: Final = tuple(chr(ord(sign) + 0xFEE0) for sign in _SIGNS)  # U+FF01 to U+FF5E are U+0021 to U+007E, in their order
_FORMULA: Final = (*_SIGNS, *_FULL_WIDTH, "\t", "\r")


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula. It is for somebody else's words: a number may begin with ``-``."""
    return f"'{text}" if text.startswith(_FORMULA) else text
