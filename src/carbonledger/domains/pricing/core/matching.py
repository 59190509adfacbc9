"""Which entry of a list a model's name means.

Owns the alternatives of an entry (``=equal``, ``^start``, ``$end``, ``*inside``, ``~regular expression``, or ``{"all": …}`` for several
that must hold at once) and the rule that the first entry with one that fits is the one. Names are compared in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from carbonledger.domains.pricing import types

_COMPACT_DATE = re.compile(r"-(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(?=-|:|$)")


class Names:
    """Entries by name. Exact names are looked up, the rest is tried in order, so a long list of exact names costs nothing."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, entries: Iterable[Sequence[object]]) -> None:
        """Take the alternatives of each entry. Raises ``BookUnreadable`` for one that means nothing."""
        self._exact: dict[str, int] = {}
        self._patterns: list[tuple[int, Callable[[str], bool]]] = []
        for place, alternatives in enumerate(entries):
            for alternative in alternatives:
                if isinstance(alternative, str) and alternative.startswith("=") and len(alternative) > 1:
                    self._exact.setdefault(alternative[1:], place)
                else:
                    self._patterns.append((place, _test(alternative)))

    def find(self, name: str) -> int | None:
        """Return the place of the entry that ``name`` means, or None.

        A date written without hyphens (gpt-5.2-20251211), as gateways do, is tried with them where nothing fits as it stands.
        """
        small = name.lower()
        found = self._find(small)
        return self._find(_COMPACT_DATE.sub(r"-\1-\2-\3", small)) if found is None else found

    def _find(self, name: str) -> int | None:
        exact = self._exact.get(name)
        for place, fits in self._patterns:
            if exact is not None and place > exact:
                return exact
            if fits(name):
                return place
        return exact


def _test(alternative: object) -> Callable[[str], bool]:
    match alternative:
        case {"all": list(groups)}:
            tests = [_any(group) for group in groups]
            return lambda name: all(test(name) for test in tests)
        case str(text) if len(text) > 1:
            return _text_test(text[0], text[1:])
    raise types.BookUnreadable(f"{alternative!r} is no way to match a name.")


def _any(group: object) -> Callable[[str], bool]:
    if not isinstance(group, list):
        raise types.BookUnreadable(f"{group!r} is no list of ways to match a name.")
    tests = [_test(alternative) for alternative in group]
    return lambda name: any(test(name) for test in tests)


def _text_test(mark: str, text: str) -> Callable[[str], bool]:
    match mark:
        case "=":
            return text.__eq__
        case "^":
            return lambda name: name.startswith(text)
        case "$":
            return lambda name: name.endswith(text)
        case "*":
            return lambda name: text in name
        case "~":
            return _searched(text)
        case _:
            raise types.BookUnreadable(f"{mark!r} is no way to match a name.")


def _searched(text: str) -> Callable[[str], bool]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise types.BookUnreadable(f"{text!r} is no regular expression.") from error
    return lambda name: pattern.search(name) is not None
