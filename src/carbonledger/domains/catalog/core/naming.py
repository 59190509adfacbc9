"""Codes, names and descriptions: what each may be. Adds what is wrong with one to the problems it is given."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from carbonledger.domains.catalog.types import plans
from carbonledger.kernel import line
from carbonledger.kernel.errors import Problem

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NOT_IN_TEXT: Final = frozenset({"Cc", "Cs"})


def check_code(problems: list[Problem], pointer: str, code: str) -> None:
    """A code is 1 to 64 letters A to Z, digits, hyphens, dots and underscores, the first of them a letter or digit."""
    if not _CODE.fullmatch(code):
        said = f"Give 1 to {plans.CODE_MAX_CHARS} of A-Z, a-z, 0-9, hyphen, dot and underscore, beginning with a letter or digit."
        problems.append(Problem(pointer, "code_invalid", said))


def name(problems: list[Problem], pointer: str, value: str) -> str:
    """Return a name of 1 to 200 printable characters in its one form."""
    return line.tidy(problems, pointer, value, max_chars=plans.NAME_MAX_CHARS)


def description(problems: list[Problem], pointer: str, value: str | None) -> str | None:
    """Return a text of several lines, None if it is blank."""
    if value is None:
        return None
    kept = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if any(unicodedata.category(char) in _NOT_IN_TEXT and char not in "\n\t" for char in kept):
        problems.append(Problem(pointer, "characters", "Leave out control characters."))
    elif len(kept) > plans.DESCRIPTION_MAX_CHARS:
        problems.append(Problem(pointer, "too_long", f"Use at most {plans.DESCRIPTION_MAX_CHARS} characters."))
    return kept or None
