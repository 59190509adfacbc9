"""Lets a request in: who calls, how often they may, and whether they may at all, in that order.

Owns the order and the counting. It knows callers through a port, because how credentials are checked is ``callers``' matter, and
every edge (REST, GraphQL, gateway) passes through the same gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from starlette.requests import cookie_parser

from carbonledger.entrypoints.shared import access, exchange
from carbonledger.infra import crypto, limits, settings
from carbonledger.infra.observe import metrics
from carbonledger.kernel import actor, address, errors

if TYPE_CHECKING:
    from carbonledger.domains.identity import types as identity_types

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER: Final = "x-csrf-token"
_MINUTE_S: Final = 60


class RateLimited(errors.Limited):
    """Too many requests in a short time."""

    code = "rate_limited"


class AttemptsLimited(errors.Limited):
    """Too many failed attempts to authenticate from this address."""

    code = "attempts_limited"


class CsrfTokenWrong(errors.Forbidden):
    """A request of a browser session that changes something must repeat the session's CSRF token."""

    code = "csrf_token_wrong"


class Callers(Protocol):
    """Finds out who calls."""

    async def identify(self, *, authorization: str | None, cookies: Mapping[str, str], at: datetime) -> identity_types.Caller:
        """Return the caller. Raises ``Unauthenticated``, or ``NotFound`` for a token of an unknown organization."""
        ...


class Gate:
    """Admits requests. One for each process."""

    def __init__(self, callers: Callers, limiter: limits.Limiter, configuration: settings.Settings) -> None:
        self._callers = callers
        self._limiter = limiter
        free = limits.Policy("organization", configuration.rate_free_per_s, 1)
        paid = limits.Policy("organization", configuration.rate_paid_per_s, 1)
        self._tiers: dict[str, limits.Policy | None] = {
            "free": free,
            "starter": paid,
            "growth": paid,
            "scale": paid,
            "enterprise": None,
        }
        self._addresses: dict[access.Counter, limits.Policy] = {
            "sign_in": limits.Policy("sign_in", configuration.rate_sign_in_per_min, _MINUTE_S),
            "public": limits.Policy("public", configuration.rate_public_per_min, _MINUTE_S),
            "verify": limits.Policy("verify", configuration.rate_verify_per_min, _MINUTE_S),
        }
        self._failures = limits.Policy("failed_authentication", configuration.rate_sign_in_per_min, _MINUTE_S)

    async def admit(
        self, request: exchange.Exchange, demand: access.Access, *, csrf_token: str | None = None
    ) -> identity_types.Caller | None:
        """Return the caller, None on a public route. Raises what stands in the way.

        ``csrf_token`` is what a page's form repeats; without one it is the header's.
        """
        if demand.is_public:
            policy = self._addresses.get(demand.counter)
            if policy is not None:
                await self._count(request, policy, address.customer(request.address))
            return None
        caller = await self._identify(request, csrf_token)
        request.actor = caller.actor
        policy = None if caller.is_house else self._tiers[caller.tier.value]
        if policy is not None:
            await self._count(request, policy, str(caller.actor.organization_id))
        demand.check(caller)
        return caller

    async def recognize(self, request: exchange.Exchange) -> None:
        """Raise ``Unauthenticated`` for who is nobody: before a form is read that is too large to be read from strangers."""
        await self._known(request)

    async def _identify(self, request: exchange.Exchange, csrf_token: str | None) -> identity_types.Caller:
        caller = await self._known(request)
        if caller.credential == "session" and request.method not in SAFE_METHODS:
            _check_csrf(request.headers.get(CSRF_HEADER, "") if csrf_token is None else csrf_token, caller)
        return caller

    async def _known(self, request: exchange.Exchange) -> identity_types.Caller:
        authorization = request.headers.get("authorization")
        cookie = request.headers.get("cookie")
        cookies = cookie_parser(cookie) if cookie is not None and authorization is None else {}
        try:
            return await self._callers.identify(authorization=authorization, cookies=cookies, at=request.at)
        except errors.Unauthenticated as failure:
            # Only failures count and only they are refused, so that one broken client does not lock out its whole network.
            if authorization is not None or cookies:
                decision = await self._limiter.hit(self._failures, address.customer(request.address), request.at)
                if not decision.allowed:
                    metrics.REQUESTS_LIMITED.labels(decision.policy.name).inc()
                    detail = "Too many of this address's credentials were refused. Wait, and check the key."
                    raise AttemptsLimited(detail, retry_after_s=decision.reset_s) from failure
            raise

    async def _count(self, request: exchange.Exchange, policy: limits.Policy, identity: str) -> None:
        decision = await self._limiter.hit(policy, identity, request.at)
        request.answer_headers += rate_headers(decision)
        if not decision.allowed:
            metrics.REQUESTS_LIMITED.labels(policy.name).inc()
            per = "second" if policy.window_s == 1 else "minute"
            raise RateLimited(f"The limit is {policy.amount} a {per}. Wait as Retry-After says.", retry_after_s=decision.reset_s)


def _check_csrf(given: str, caller: identity_types.Caller) -> None:
    if caller.csrf_token is None or not crypto.same(given.encode(), caller.csrf_token.encode()):
        raise CsrfTokenWrong(f"Send the token that sign-in gave you as {CSRF_HEADER}.")


def rate_headers(decision: limits.Decision) -> list[exchange.Header]:
    """Return the decision as headers: draft-ietf-httpapi-ratelimit-headers-10, and the older three that clients still read."""
    policy = decision.policy
    name = f'"{policy.name}"'
    return [
        (b"ratelimit-policy", f"{name};q={policy.amount};w={policy.window_s}".encode()),
        (b"ratelimit", f"{name};r={decision.remaining};t={decision.reset_s}".encode()),
        (b"ratelimit-limit", str(policy.amount).encode()),
        (b"ratelimit-remaining", str(decision.remaining).encode()),
        (b"ratelimit-reset", str(decision.reset_s).encode()),
    ]


def as_actor(caller: identity_types.Caller | None, request_id: str) -> actor.Actor:
    """Return who acts in this request: the caller, or somebody unknown."""
    if caller is None:
        return actor.Actor(kind=actor.ActorKind.ANONYMOUS, id=None, organization_id=None, request_id=request_id)
    known = caller.actor
    return actor.Actor(
        kind=known.kind,
        id=known.id,
        organization_id=known.organization_id,
        role=known.role,
        scopes=known.scopes,
        request_id=request_id,
    )
