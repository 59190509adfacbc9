"""What an operation demands of its caller: declared beside each route, shown in OpenAPI as ``x-access``, checked before any work.

Owns the words and the check. It does not know who the caller is (``callers``) nor how often one may call (``gate``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from carbonledger.kernel import errors

if TYPE_CHECKING:
    from carbonledger.domains.identity import types as identity_types

Counter = Literal["organization", "sign_in", "public", "verify", "none"]
"""Which limit counts the operation: the organization's, one of those per address, or none."""


class ScopeMissing(errors.Forbidden):
    """The caller's key or role does not have the scope that this operation needs."""

    code = "scope_missing"


class HouseOnly(errors.Forbidden):
    """Only the house organization, the operator of this installation, may do this."""

    code = "house_only"


class Kind(enum.Enum):
    """Who may call."""

    SCOPE = "scope"  # a caller that holds the scope
    HOUSE = "house"  # the same, of the house organization
    CALLER = "caller"  # any caller
    PUBLIC = "public"  # anybody; no credentials are read


@dataclass(frozen=True, slots=True)
class Access:
    """A demand. ``scope`` is set for ``SCOPE`` and ``HOUSE``."""

    kind: Kind
    scope: str | None = None
    counter: Counter = "organization"

    @property
    def is_public(self) -> bool:
        """Whether no credentials are asked for."""
        return self.kind is Kind.PUBLIC

    def check(self, caller: identity_types.Caller) -> None:
        """Raise ``ScopeMissing`` or ``HouseOnly`` unless ``caller`` meets the demand."""
        if self.scope is not None and self.scope not in caller.actor.scopes:
            raise ScopeMissing(f"This needs the scope {self.scope}. Use a key or a role that has it.")
        if self.kind is Kind.HOUSE and not caller.is_house:
            raise HouseOnly

    def described(self) -> dict[str, str]:
        """Return the demand as OpenAPI's ``x-access`` shows it."""
        shown = {"kind": self.kind.value, "limit": self.counter}
        if self.scope is not None:
            shown["scope"] = self.scope
        return shown


def scope(name: str) -> Access:
    """Demand a caller that holds the scope."""
    return Access(Kind.SCOPE, scope=name)


def house(name: str) -> Access:
    """Demand a caller of the house organization that holds the scope."""
    return Access(Kind.HOUSE, scope=name)


def caller() -> Access:
    """Demand any caller: for what everybody may do with their own credentials, such as signing out."""
    return Access(Kind.CALLER)


def public(*, limit: Literal["sign_in", "public", "verify", "none"]) -> Access:
    """Demand nothing; ``limit`` names the count per address."""
    return Access(Kind.PUBLIC, counter=limit)
