"""From a provider's name of a model to the rule that knows it.

Owns how a name is normalised and what a pattern means: both as the factor set states them. It does not own the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from carbonledger.domains.emissions import types

_CLASS = re.compile(r"(\[!?[a-z0-9-]+\]|\?)")


def normalised(model: str) -> str:
    """Return the name in lower case, without ``ft:`` and what a fine-tuned name has after its base, and without a path before it."""
    name = model.lower()
    if name.startswith("ft:"):
        name = name.removeprefix("ft:").partition(":")[0]
    return name.rpartition("/")[2]


def compiled(rules: Iterable[types.ModelRule]) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of the rules as regular expressions for ``first``."""
    return tuple(re.compile(_expression(rule.pattern), re.DOTALL) for rule in rules)


def first(patterns: Sequence[re.Pattern[str]], name: str) -> int | None:
    """Return the place of the first pattern that a normalised name fits as a whole, None if none does."""
    return next((place for place, pattern in enumerate(patterns) if pattern.fullmatch(name)), None)


def _expression(pattern: str) -> str:
    """Return what fnmatch's pattern means. Each star but the last is settled for good at its first fit, so no name is slow to refuse."""
    start, *parts = (_without_star(part) for part in pattern.split("*"))
    if not parts:
        return start
    return start + "".join(f"(?>.*?{part})" for part in parts[:-1] if part) + f".*{parts[-1]}"


def _without_star(part: str) -> str:
    return "".join(
        piece.replace("[!", "[^") if piece.startswith("[") else "." if piece == "?" else re.escape(piece) for piece in _CLASS.split(part)
    )
