"""A string that never shows itself: not in a log, an f-string, an error, a debugger's repr or a pickle.

Only ``reveal()`` gives the text, so that a search for that word finds every place where a secret leaves its wrapping.
Pure: standard library only, so that the words of a domain may use it.
"""

from __future__ import annotations

import hmac
from typing import Any, Never, final

REDACTED = "[redacted]"


@final
class SecretText:
    """A secret string. Two compare in constant time; it can't be hashed, changed, subclassed or pickled."""

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """Return the text itself. The caller must not log, store or raise it."""
        return self._text

    def __repr__(self) -> str:
        return f"SecretText({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretText):
            return NotImplemented
        # surrogatepass: a lone surrogate is comparable too, an error here would hold the text
        return hmac.compare_digest(self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass"))

    __hash__ = None  # type: ignore[assignment]  # a secret as a key of a dict outlives its use

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError("a SecretText can't be changed")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError("a SecretText can't be changed")

    def __copy__(self) -> SecretText:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SecretText:
        return self

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a SecretText can't be pickled")

    def __getstate__(self) -> Never:
        raise TypeError("a SecretText can't be pickled")
