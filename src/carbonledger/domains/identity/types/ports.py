"""Outside systems as identity sees them: an issuer of JWTs and a sender of signed messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class TokenVerifier(Protocol):
    """Checks a JWT of the configured issuer."""

    async def verify(self, token: str, *, at: datetime) -> Mapping[str, object]:
        """Return the claims of a token that is genuine, meant for us and in its time at the real instant ``at``.

        Raises ``CredentialsMissing``, or ``IssuerUnavailable`` where the issuer's keys are not to be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Trust:
    """The outside issuer whose JWTs are taken, and the claim that names the organization by its id or external id."""

    tokens: TokenVerifier
    issuer: str
    organization_claim: str


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message whose signature fits: the sender's id of it, and its text."""

    id: str
    body: bytes


class MessageVerifier(Protocol):
    """Checks the signature of an incoming message."""

    def verify(self, body: bytes, *, headers: Mapping[str, str], at: datetime) -> SignedMessage:
        """Return the message of ``body`` if its headers sign it and it is of now. Raises ``SignatureRefused``."""
        ...
