"""AWS Secrets Manager as the vault's outside secret store (extra ``aws``).

One secret per vault row, named ``<prefix><organization>/<secret id>``. Its content repeats both ids and reading compares them, so that a
secret copied or renamed inside AWS does not open for another tenant. boto3 blocks: each call runs in a thread, a few at a time, with a
time limit. boto3 is imported when a store is connected and not before; an installation without it starts faster and needs it never.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from carbonledger.domains.vault import types
from carbonledger.infra import retry
from carbonledger.kernel import errors
from carbonledger.kernel.secret import SecretText

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")

TOTAL_S = 30.0  # a caller's patience; the thread ends by the limits below
CONNECT_S = 5
READ_S = 10
ATTEMPTS = 3  # boto's own, for throttling; beyond it the job tries again later
CONCURRENT_CALLS = 8  # each holds a thread
_SECRET_CHARS_MAX = 60_000  # AWS takes 65,536 bytes, the ids around it included
_LAYOUT = 1

_TRANSIENT_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServiceError",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REFUSED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "DecryptionFailure",  # the key in KMS is not ours to use
        "EncryptionFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class SecretStoreFault(types.VaultFault):
    """The outside secret store failed."""

    kind = errors.Kind.UNAVAILABLE
    code = "secret_store_fault"
    outcome = retry.Outcome.UNKNOWN


class SecretStoreUnavailable(SecretStoreFault):
    """The outside secret store can't be used now."""

    code = "secret_store_unavailable"
    outcome = retry.Outcome.TRANSIENT


class SecretStoreRefused(SecretStoreFault):
    """The outside secret store does not let this installation in."""

    code = "secret_store_refused"
    outcome = retry.Outcome.PERMANENT  # until the operator changes its rights


class SecretStoreMissing(SecretStoreFault):
    """The outside secret store is not installed."""

    code = "secret_store_missing"
    outcome = retry.Outcome.PERMANENT


class SecretsManager:
    """A ``types.SecretStore`` on AWS Secrets Manager."""

    def __init__(self, client: SecretsManagerClient, *, prefix: str, total_s: float = TOTAL_S) -> None:
        self._client = client
        self._prefix = prefix
        self._total_s = total_s
        self._free = asyncio.Semaphore(CONCURRENT_CALLS)

    async def put(self, *, organization_id: UUID, secret_id: UUID, secret: SecretText) -> str:
        """Keep the secret and return its reference, the name in AWS. Putting again replaces it."""
        name = self.ref_of(organization_id=organization_id, secret_id=secret_id)
        content = _to_content(organization_id, secret_id, secret)
        await self._call(lambda: _write(self._client, name, content))
        return name

    async def get(self, *, organization_id: UUID, secret_id: UUID, ref: str) -> SecretText:
        """Return the secret. Raises ``SecretNotFound``, or ``SecretUnreadable`` when it is bound to another organization or id."""
        answer = await self._call(lambda: self._client.get_secret_value(SecretId=ref))
        return _from_content(answer.get("SecretString", ""), organization_id, secret_id)

    async def delete(self, *, ref: str) -> None:
        """Forget the secret at once, without AWS's recovery window; nothing happens when it is gone already."""
        try:
            await self._call(lambda: self._client.delete_secret(SecretId=ref, ForceDeleteWithoutRecovery=True))
        except types.SecretNotFound:
            return  # gone is gone

    async def health(self) -> None:
        """Return when the store answers and lets us in. Raises like the other calls."""
        try:
            # A name that is never used: "not found" is an answer to somebody who may ask.
            await self._call(lambda: self._client.describe_secret(SecretId=f"{self._prefix}health"))
        except types.SecretNotFound:
            return

    def ref_of(self, *, organization_id: UUID, secret_id: UUID) -> str:
        """Return the name of this secret in AWS."""
        return f"{self._prefix}{organization_id}/{secret_id}"

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._total_s), self._free:
                return await asyncio.to_thread(work)
        except TimeoutError:
            raise SecretStoreUnavailable("AWS Secrets Manager did not answer in time.") from None
        except types.VaultFault:
            raise
        except Exception as error:
            raise _fault(error) from None  # botocore's words may hold what was sent


def connect(
    *, prefix: str, region: str | None = None, endpoint_url: str | None = None, attempts: int = ATTEMPTS, total_s: float = TOTAL_S
) -> SecretsManager:
    """Make the store; credentials come from AWS's own variables, files or the machine's role. Nothing is called yet.

    Raises ``SecretStoreMissing`` without the extra, ``SecretStoreRefused`` without a region.
    """
    try:
        import boto3  # noqa: PLC0415 - an extra: half a second and 100 MB that most installations never need
        from botocore import config  # noqa: PLC0415
        from botocore import exceptions as boto  # noqa: PLC0415
    except ImportError:
        raise SecretStoreMissing("CARBONLEDGER_VAULT_BACKEND=aws needs the extra: pip install 'carbonledger[aws]'.") from None
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)  # at debug they write whole requests, secrets included
    limits = config.Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=CONCURRENT_CALLS,
    )
    try:
        client = boto3.client("secretsmanager", region_name=region, endpoint_url=endpoint_url, config=limits)
    except (boto.BotoCoreError, ValueError) as error:
        raise SecretStoreRefused(f"AWS Secrets Manager is not set up: {type(error).__name__}. See CARBONLEDGER_AWS_REGION.") from None
    return SecretsManager(client, prefix=prefix, total_s=total_s)


def _write(client: SecretsManagerClient, name: str, content: str) -> None:
    try:
        client.create_secret(Name=name, SecretString=content)
    except (client.exceptions.ResourceExistsException, client.exceptions.InvalidRequestException):
        if "DeletedDate" in client.describe_secret(SecretId=name):
            client.restore_secret(SecretId=name)  # somebody scheduled it for deletion in AWS itself; we still need it
        client.put_secret_value(SecretId=name, SecretString=content)


def _to_content(organization_id: UUID, secret_id: UUID, secret: SecretText) -> str:
    if len(secret.reveal().encode("utf-8", "surrogatepass")) > _SECRET_CHARS_MAX:
        raise SecretStoreRefused("A secret may have 60,000 bytes in AWS Secrets Manager.")
    layout = {"layout": _LAYOUT, "organization_id": str(organization_id), "secret_id": str(secret_id), "secret": secret.reveal()}
    return json.dumps(layout, ensure_ascii=False)


def _from_content(content: str, organization_id: UUID, secret_id: UUID) -> SecretText:
    try:
        read = json.loads(content)
        layout, owner, identifier, secret = (read[name] for name in ("layout", "organization_id", "secret_id", "secret"))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise types.SecretUnreadable("The secret in AWS was not written by this product.") from None
    if layout != _LAYOUT or not isinstance(secret, str):
        raise types.SecretUnreadable("The secret in AWS has an unknown layout.")
    if (owner, identifier) != (str(organization_id), str(secret_id)):
        raise types.SecretUnreadable("The secret in AWS belongs to another row.")
    return SecretText(secret)


def _fault(error: Exception) -> types.VaultFault:
    from botocore import exceptions as boto  # noqa: PLC0415 - here a client exists, so the extra does

    if not isinstance(error, boto.ClientError):
        return _of_the_way(error)
    code = str(error.response.get("Error", {}).get("Code", ""))[:80]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "ResourceNotFoundException":
        return types.SecretNotFound("It is not in AWS Secrets Manager any more.")
    if code == "InvalidRequestException":
        return types.SecretNotFound("It is marked for deletion in AWS Secrets Manager.")
    if code in _REFUSED_CODES:
        return SecretStoreRefused(f"AWS Secrets Manager answered {code}.")
    if code in _TRANSIENT_CODES:
        return SecretStoreUnavailable(f"AWS Secrets Manager answered {code}.")
    return _of_status(status, code)


def _of_status(status: int, code: str) -> SecretStoreFault:
    outcome = retry.classify(status)
    if outcome is retry.Outcome.TRANSIENT:
        return SecretStoreUnavailable(f"AWS Secrets Manager answered {status} {code}.")
    if outcome is retry.Outcome.PERMANENT:
        return SecretStoreRefused(f"AWS Secrets Manager answered {status} {code}.")
    return SecretStoreFault(f"AWS Secrets Manager answered {status} {code}.")


def _of_the_way(error: Exception) -> SecretStoreFault:
    from botocore import exceptions as boto  # noqa: PLC0415

    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError | boto.TokenRetrievalError):
        return SecretStoreRefused(f"There are no credentials for AWS: {type(error).__name__}.")
    if isinstance(error, boto.SSLError | boto.ParamValidationError):
        return SecretStoreRefused(f"AWS Secrets Manager can't be used: {type(error).__name__}.")
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return SecretStoreUnavailable(f"AWS Secrets Manager can't be reached: {type(error).__name__}.")
    return SecretStoreFault(f"AWS Secrets Manager failed: {type(error).__name__}.")
