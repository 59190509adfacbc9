"""JWTs of the configured issuer, checked against its key set (JWKS, RFC 7517).

Only asymmetric algorithms that the settings name are taken, and only with a key of the fitting sort from the issuer's set: never ``none``,
never an HMAC keyed with something public, never a key or address that the token itself brings. Keys are kept for an hour. A key id that
is not among them causes one fetch, as after a rotation, and not another for a while, so that made-up ids can't hammer the issuer.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import errors, jwk, jws, jwt

from carbonledger.domains.identity import types
from carbonledger.infra import http, settings
from carbonledger.kernel.errors import Fault

LEEWAY_S: Final = 60  # clocks differ; more would lengthen every token's life
KEPT_FOR: Final = timedelta(hours=1)
_ASKED_AGAIN_AFTER: Final = timedelta(seconds=10)  # at the most six fetches a minute, whatever ids are made up
_KEYS_MAX: Final = 100  # a set has a handful; rotation doubles it
_HEADER_MAX_BYTES: Final = 4096
_RSA_LEAST_BITS: Final = 2048  # RFC 7518, section 3.3
_SORTS: Final = {  # algorithm -> sort of key (RFC 7518, section 3.1; RFC 8037; RFC 9864)
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}

Fetch = Callable[[], Awaitable[bytes]]
"""Returns the issuer's key set as it is served."""


class _Algorithms(jws.JWSRegistry):
    """The algorithms we take. Header members that we don't know mean nothing to us (RFC 7515, section 4)."""

    max_header_length = _HEADER_MAX_BYTES

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__(algorithms=allowed, strict_check_header=False)

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - the library does not export the type
        if name not in (self.allowed or ()):
            raise errors.UnsupportedAlgorithmError
        return self.algorithms[name]  # without the library's warning that EdDSA has a newer name


class IssuerTokens:
    """A ``types.TokenVerifier`` for one issuer. One for each process, so that its keys are fetched once."""

    def __init__(self, fetch: Fetch, *, issuer: str, audience: str, algorithms: frozenset[str]) -> None:
        """Raises ``ValueError`` for an algorithm that is not asymmetric, or not known."""
        strange = sorted(algorithms - _SORTS.keys())
        if strange or not algorithms:
            raise ValueError(f"JWT algorithms must be among {', '.join(_SORTS)}; {', '.join(strange) or 'none'} is not.")
        self._fetch = fetch
        self._issuer = issuer
        self._audience = audience
        self._algorithms = _Algorithms(algorithms)
        self._allowed = algorithms
        self._keys: dict[str | None, jwk.Key] = {}
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._turn = asyncio.Lock()

    async def verify(self, token: str, *, at: datetime) -> Mapping[str, object]:
        """Return the claims of a genuine token. Raises ``CredentialsMissing``, ``IssuerUnavailable``."""
        algorithm, key_id = self._header(token)
        key = await self._key(key_id, at=at)
        if key is None or key.key_type != _SORTS[algorithm] or key.get("alg") not in {None, algorithm}:
            raise _refused("it is signed with a key that the issuer does not show")
        try:
            claims = jwt.decode(token, key, registry=self._algorithms).claims
            self._registry(at).validate(claims)
        except errors.ExpiredTokenError:
            raise _refused("it has run out") from None
        except errors.ClaimError as error:
            raise _refused(f"its claim {error.claim} does not fit") from None
        except (errors.JoseError, ValueError, RecursionError):
            raise _refused("its signature does not fit") from None
        return claims

    def _header(self, token: str) -> tuple[str, str | None]:
        """Return the algorithm and key id that the token says it was signed with. Nothing of it is believed yet."""
        try:
            encoded = token.partition(".")[0].encode("ascii")
            if len(encoded) > _HEADER_MAX_BYTES:
                raise _refused("its header is too long")
            header = json.loads(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
        except (ValueError, RecursionError):
            raise _refused("it can't be read") from None
        if not isinstance(header, dict):
            raise _refused("it can't be read")
        if "crit" in header or "b64" in header:  # extensions that must be understood; a JWT has none (RFC 7797, section 7)
            raise _refused("it needs what is not done here")
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._allowed:
            raise _refused("its algorithm is not taken here")
        return algorithm, key_id if isinstance(key_id, str) else None

    def _registry(self, at: datetime) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(at.timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def _key(self, key_id: str | None, *, at: datetime) -> jwk.Key | None:
        """Return the key of this id, fetching the set if it is old or does not have it."""
        if self._is_fresh(at) and (found := self._find(key_id)) is not None:
            return found
        async with self._turn:  # of many that find it old, one fetches
            found = self._find(key_id) if self._is_fresh(at) else None
            if found is None and self._may_ask(at):
                self._asked_at = at
                self._keys = _read(await self._fetched())
                self._fetched_at = at
                found = self._find(key_id)
            if not self._is_fresh(at):
                raise types.IssuerUnavailable("Its key set can't be fetched.", retry_after_s=int(_ASKED_AGAIN_AFTER.total_seconds()))
            return found

    def _find(self, key_id: str | None) -> jwk.Key | None:
        # A token without key id is fine where there is only one key it could mean.
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return None if key_id is None else self._keys.get(key_id)

    def _is_fresh(self, at: datetime) -> bool:
        return self._fetched_at is not None and at - self._fetched_at < KEPT_FOR

    def _may_ask(self, at: datetime) -> bool:
        return self._asked_at is None or abs(at - self._asked_at) >= _ASKED_AGAIN_AFTER

    async def _fetched(self) -> bytes:
        try:
            return await self._fetch()
        except Fault as fault:
            raise types.IssuerUnavailable("Its key set can't be fetched.", retry_after_s=int(_ASKED_AGAIN_AFTER.total_seconds())) from fault


def _read(document: bytes) -> dict[str | None, jwk.Key]:
    """Return the keys of a set by id, leaving out those that are not for us. Raises ``IssuerUnavailable`` for what is no key set."""
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise types.IssuerUnavailable("What it serves is no key set.") from None
    if not isinstance(entries, list) or len(entries) > _KEYS_MAX:
        raise types.IssuerUnavailable("What it serves is no key set.")
    found: dict[str | None, jwk.Key] = {}
    for entry in entries:
        key = _key_from(entry)
        if key is not None:
            found.setdefault(key.kid, key)
    return found


def _key_from(entry: object) -> jwk.Key | None:
    """Return a public key for signatures; None for secrets, keys for encryption, weak ones, and sorts that we don't know."""
    if not isinstance(entry, dict) or entry.get("kty") not in {"RSA", "EC", "OKP"} or entry.get("use", "sig") != "sig":
        return None
    # Only the public members: whoever serves the private ones by mistake is not copied into our memory.
    public = {name: value for name, value in entry.items() if name in {"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"}}
    if public["kty"] == "RSA" and not _is_strong(public):
        return None
    try:
        return jwk.JWKRegistry.import_key(public)
    except (errors.JoseError, ValueError, TypeError, KeyError):
        return None  # one key that can't be read must not take the others away


def _is_strong(public: Mapping[str, object]) -> bool:
    modulus = public.get("n")
    return isinstance(modulus, str) and len(modulus) * 6 >= _RSA_LEAST_BITS - 7


def _refused(why: str) -> types.CredentialsMissing:
    return types.CredentialsMissing(f"The token is not valid: {why}.")


def trust(configuration: settings.Settings, client: http.Client) -> types.Trust | None:
    """Return the issuer that the settings name, or None. Raises ``SettingsInvalid``."""
    issuer, audience = configuration.jwt_issuer, configuration.jwt_audience
    if issuer is None or audience is None:
        return None
    url = configuration.jwt_jwks_url or f"{issuer.rstrip('/')}/.well-known/jwks.json"

    async def fetch() -> bytes:
        return (await client.request("GET", url, headers={"accept": "application/json"})).checked().body

    try:
        tokens = IssuerTokens(fetch, issuer=issuer, audience=audience, algorithms=frozenset(configuration.jwt_algorithms))
    except ValueError as error:
        raise settings.SettingsInvalid(f"CARBONLEDGER_JWT_ALGORITHMS: {error}") from error
    return types.Trust(tokens=tokens, issuer=issuer, organization_claim=configuration.jwt_organization_claim)


def client_limits() -> http.Limits:
    """Return the bounds of a fetch: a key set is small, and requests wait for it."""
    return http.Limits(connect_s=3.0, read_s=5.0, total_s=8.0, answer_bytes=256 * 2**10, connections=2)
