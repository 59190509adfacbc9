"""Who may give, take and change a role.

- An owner may do everything, as long as one owner stays. An owner's token that names fewer scopes gives no more than these.
- Everybody else deals only with members who are no owners, makes nobody an owner, and gives no role that holds more than they do.
- Everybody may leave, but for the last owner.

A key or token without a role ranks below an owner; what it may give is bounded by its scopes alone.
"""

from __future__ import annotations

import enum

from carbonledger.domains.identity import types
from carbonledger.kernel.actor import Role


class Verdict(enum.Enum):
    """What the rules say."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    LAST_OWNER = "last_owner"


def may_give(role: Role, *, giver: Role | None, scopes: frozenset[str]) -> bool:
    """Say whether a caller with this role and these scopes may make somebody ``role``."""
    return types.scopes_of(role) <= scopes and (role is not Role.OWNER or giver is Role.OWNER)


def change(old: Role, new: Role, *, by: Role | None, scopes: frozenset[str], owners: int) -> Verdict:
    """Judge making a member who is ``old`` a ``new``. ``owners`` counts them before the change."""
    if old is Role.OWNER and by is not Role.OWNER:
        return Verdict.REFUSED
    if not may_give(new, giver=by, scopes=scopes):
        return Verdict.REFUSED
    if old is Role.OWNER and new is not Role.OWNER and owners <= 1:
        return Verdict.LAST_OWNER
    return Verdict.ALLOWED


def removal(role: Role, *, by: Role | None, is_self: bool, may_write: bool, owners: int) -> Verdict:
    """Judge taking a member of this role out. ``may_write``: the caller holds ``members:write``, which leaving does not need."""
    if not is_self and (not may_write or (role is Role.OWNER and by is not Role.OWNER)):
        return Verdict.REFUSED
    if role is Role.OWNER and owners <= 1:
        return Verdict.LAST_OWNER
    return Verdict.ALLOWED
