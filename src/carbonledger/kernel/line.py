"""One line of text that people type: a name, a label, an outside id. Owns its normal form and bounds.

Text is put into NFC, so that what looks the same is the same. Control characters, line breaks and lone surrogates are refused: they
have no place in a name, and PostgreSQL can't store some of them. Markup is text like any other: whoever shows it escapes it.
"""

from __future__ import annotations

import unicodedata

from carbonledger.kernel.errors import Problem

_NOT_IN_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
_INVISIBLE_EDGES = frozenset({"Cf", "Zs"})


def tidy(problems: list[Problem], pointer: str, value: str, *, max_chars: int) -> str:
    """Return ``value`` in NFC without blanks at its ends; adds to ``problems`` what is wrong with it."""
    kept = unicodedata.normalize("NFC", value).strip()
    if any(unicodedata.category(char) in _NOT_IN_TEXT for char in kept):
        problems.append(Problem(pointer, "characters", "Leave out line breaks and control characters."))
    elif all(unicodedata.category(char) in _INVISIBLE_EDGES for char in kept):
        problems.append(Problem(pointer, "required", "Write at least one visible character."))
    elif len(kept) > max_chars:
        problems.append(Problem(pointer, "too_long", f"Use at most {max_chars} characters."))
    return kept
