"""The algebra of scopes: what a set of them amounts to, and who may hand it on."""

from __future__ import annotations

from collections.abc import Iterable

from carbonledger.domains.identity import types
from carbonledger.kernel.errors import Problem

_WRITE, _READ = ":write", ":read"
SCOPES_MAX = 100  # several times what there is; a longer list is not meant seriously


def expand(granted: Iterable[str], *, known: frozenset[str] = types.SCOPE_NAMES) -> frozenset[str]:
    """Return every scope that the granted ones amount to.

    ``*`` is all of them, writing includes reading, and a scope that this version does not know counts for nothing.
    """
    given = frozenset(granted)
    if types.EVERY_SCOPE in given:
        return known
    readable = {scope.removesuffix(_WRITE) + _READ for scope in given if scope.endswith(_WRITE)}
    return (given | readable) & known


def problems(granted: tuple[str, ...], *, known: frozenset[str] = types.SCOPE_NAMES) -> tuple[Problem, ...]:
    """Return what is wrong with a list of scopes for a new key, in its order; empty if nothing is."""
    if not granted:
        return (Problem("/scopes", "required", "Give at least one scope."),)
    if len(granted) > SCOPES_MAX:
        return (Problem("/scopes", "too_many", f"Give at most {SCOPES_MAX} scopes."),)
    found = []
    for place, scope in enumerate(granted):
        if scope != types.EVERY_SCOPE and scope not in known:
            found.append(Problem(f"/scopes/{place}", "scope_unknown", "There is no such scope; see the list in the API reference."))
        elif scope in granted[:place]:
            found.append(Problem(f"/scopes/{place}", "duplicate", "This scope is in the list already."))
    return tuple(found)


def missing(granted: Iterable[str], *, held: frozenset[str], known: frozenset[str] = types.SCOPE_NAMES) -> tuple[str, ...]:
    """Return the scopes that ``granted`` amounts to and its giver does not hold, in alphabetical order.

    Only who holds every scope may hand on ``*``, which grows with later versions.
    """
    return tuple(sorted(expand(granted, known=known) - expand(held, known=known)))
