"""AWS Secrets Manager: the adapter over HTTP against moto's server, and against answers that AWS gives on its bad days."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from uuid import UUID, uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer
from mypy_boto3_secretsmanager import SecretsManagerClient

from carbonledger.adapters import aws
from carbonledger.domains.vault import types
from carbonledger.infra import retry
from carbonledger.kernel.secret import SecretText
from tests.integration.infra.http import peer

ORGANIZATION = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")
SECRET = SecretText("sk-proj-0123456789-ünï")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def console(endpoint: str) -> Iterator[SecretsManagerClient]:
    """What an operator could do to our secrets in AWS itself."""
    client = boto3.client("secretsmanager", region_name="eu-west-1", endpoint_url=endpoint)
    yield client
    client.close()


@pytest.fixture
def store(endpoint: str) -> types.SecretStore:
    return aws.connect(prefix="carbonledger/", region="eu-west-1", endpoint_url=endpoint)


async def test_what_was_put_is_read_by_its_reference(store: types.SecretStore, console: SecretsManagerClient) -> None:
    secret_id = uuid4()
    ref = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    assert ref == f"carbonledger/{ORGANIZATION}/{secret_id}"
    assert await store.get(organization_id=ORGANIZATION, secret_id=secret_id, ref=ref) == SECRET
    assert console.describe_secret(SecretId=ref)["Name"] == ref


async def test_putting_again_replaces(store: types.SecretStore) -> None:
    secret_id = uuid4()
    first = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    second = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SecretText("rotated"))
    assert first == second
    assert await store.get(organization_id=ORGANIZATION, secret_id=secret_id, ref=second) == SecretText("rotated")


async def test_deleting_is_at_once_and_twice_is_once(store: types.SecretStore) -> None:
    secret_id = uuid4()
    ref = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    await store.delete(ref=ref)
    await store.delete(ref=ref)
    with pytest.raises(types.SecretNotFound):
        await store.get(organization_id=ORGANIZATION, secret_id=secret_id, ref=ref)


async def test_a_secret_of_another_row_does_not_open(store: types.SecretStore) -> None:
    secret_id = uuid4()
    ref = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    for organization_id, wanted in ((OTHER, secret_id), (ORGANIZATION, uuid4())):
        with pytest.raises(types.SecretUnreadable, match="another row") as caught:
            await store.get(organization_id=organization_id, secret_id=wanted, ref=ref)
        assert SECRET.reveal() not in str(caught.value)


async def test_a_secret_moved_in_aws_itself_does_not_open(store: types.SecretStore, console: SecretsManagerClient) -> None:
    secret_id, thief = uuid4(), uuid4()
    ref = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    stolen = await store.put(organization_id=OTHER, secret_id=thief, secret=SecretText("x"))
    console.put_secret_value(SecretId=stolen, SecretString=console.get_secret_value(SecretId=ref)["SecretString"])
    with pytest.raises(types.SecretUnreadable):
        await store.get(organization_id=OTHER, secret_id=thief, ref=stolen)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "hunter2",
        "[]",
        "{}",
        '{"layout": 1}',
        '{"layout": 2, "organization_id": "a", "secret_id": "b", "secret": "hunter2"}',
        "[" * 9999,
    ],
)
async def test_what_somebody_else_wrote_there_does_not_open(store: types.SecretStore, console: SecretsManagerClient, content: str) -> None:
    secret_id = uuid4()
    ref = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    console.put_secret_value(SecretId=ref, **({"SecretString": content} if content else {"SecretBinary": b"hunter2"}))
    with pytest.raises(types.SecretUnreadable) as caught:
        await store.get(organization_id=ORGANIZATION, secret_id=secret_id, ref=ref)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_a_secret_that_aws_is_about_to_delete_is_missing_until_it_is_put_again(
    store: types.SecretStore, console: SecretsManagerClient
) -> None:
    secret_id = uuid4()
    ref = await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    console.delete_secret(SecretId=ref, RecoveryWindowInDays=7)
    with pytest.raises(types.SecretNotFound):
        await store.get(organization_id=ORGANIZATION, secret_id=secret_id, ref=ref)
    await store.put(organization_id=ORGANIZATION, secret_id=secret_id, secret=SECRET)
    assert await store.get(organization_id=ORGANIZATION, secret_id=secret_id, ref=ref) == SECRET


async def test_many_at_once_all_arrive(store: types.SecretStore) -> None:
    ids = [uuid4() for _ in range(30)]
    refs = await asyncio.gather(*(store.put(organization_id=ORGANIZATION, secret_id=one, secret=SecretText(str(one))) for one in ids))
    read = await asyncio.gather(
        *(store.get(organization_id=ORGANIZATION, secret_id=one, ref=ref) for one, ref in zip(ids, refs, strict=True))
    )
    assert [secret.reveal() for secret in read] == [str(one) for one in ids]


async def test_nothing_of_a_request_is_logged_even_at_debug(store: types.SecretStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await store.put(organization_id=ORGANIZATION, secret_id=uuid4(), secret=SecretText("hunter2-hunter2"))
    assert "hunter2" not in caplog.text


def failing(status: int, code: str) -> peer.Script:
    """Answer as the service does (AWS JSON 1.1): the code in ``__type``, a message that repeats what was sent."""
    body = json.dumps({"__type": code, "message": "you sent hunter2"}).encode()
    return peer.always(peer.answer(status, body, content_type="application/x-amz-json-1.1"))


ANSWERS = [
    # https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html and the errors of GetSecretValue
    (400, "ThrottlingException", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (400, "LimitExceededException", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (429, "TooManyRequestsException", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (500, "InternalServiceError", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (500, "InternalFailure", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (503, "ServiceUnavailable", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (502, "SomethingNew", aws.SecretStoreUnavailable, retry.Outcome.TRANSIENT),
    (400, "AccessDeniedException", aws.SecretStoreRefused, retry.Outcome.PERMANENT),
    (400, "UnrecognizedClientException", aws.SecretStoreRefused, retry.Outcome.PERMANENT),
    (403, "ExpiredTokenException", aws.SecretStoreRefused, retry.Outcome.PERMANENT),
    (400, "DecryptionFailure", aws.SecretStoreRefused, retry.Outcome.PERMANENT),
    (400, "InvalidParameterException", aws.SecretStoreRefused, retry.Outcome.PERMANENT),
    (400, "ResourceNotFoundException", types.SecretNotFound, retry.Outcome.PERMANENT),
    (400, "InvalidRequestException", types.SecretNotFound, retry.Outcome.PERMANENT),
    (418, "SomethingNew", aws.SecretStoreFault, retry.Outcome.UNKNOWN),
]


@pytest.mark.parametrize("status, code, fault, outcome", ANSWERS)
async def test_an_answer_decides_whether_to_try_again(
    status: int, code: str, fault: type[types.VaultFault], outcome: retry.Outcome
) -> None:
    async with peer.running(failing(status, code)) as server:
        store = aws.connect(prefix="p/", region="eu-west-1", endpoint_url=server.url, attempts=1)
        with pytest.raises(types.VaultFault) as caught:
            await store.get(organization_id=ORGANIZATION, secret_id=OTHER, ref="p/x")
    assert type(caught.value) is fault
    assert retry.classify(caught.value) is outcome
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_throttling_is_tried_again_a_few_times() -> None:
    async with peer.running(failing(400, "ThrottlingException")) as server:
        store = aws.connect(prefix="p/", region="eu-west-1", endpoint_url=server.url, attempts=2)
        with pytest.raises(aws.SecretStoreUnavailable):
            await store.get(organization_id=ORGANIZATION, secret_id=OTHER, ref="p/x")
    assert len(server.requests) == 2


async def test_health_asks_for_a_name_that_is_not_there() -> None:
    async with peer.running(failing(400, "ResourceNotFoundException")) as server:
        await aws.connect(prefix="p/", region="eu-west-1", endpoint_url=server.url).health()
    assert [json.loads(request.body) for request in server.requests] == [{"SecretId": "p/health"}]


async def test_a_store_that_refuses_or_is_away_is_not_healthy() -> None:
    async with peer.running(failing(400, "AccessDeniedException")) as server:
        store = aws.connect(prefix="p/", region="eu-west-1", endpoint_url=server.url, attempts=1)
        with pytest.raises(aws.SecretStoreRefused):
            await store.health()
    with pytest.raises(aws.SecretStoreUnavailable):
        await store.health()


async def test_a_silent_store_costs_the_callers_limit_only() -> None:
    async def silent(request: peer.Request, writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    async with peer.running(silent) as server:
        store = aws.connect(prefix="p/", region="eu-west-1", endpoint_url=server.url, attempts=1, total_s=0.2)
        with pytest.raises(aws.SecretStoreUnavailable, match="in time"):
            await store.health()


async def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials of the tests before
    with pytest.raises(aws.SecretStoreRefused, match="credentials"):
        await aws.connect(prefix="p/", region="eu-west-1", endpoint_url=endpoint).health()


def test_without_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(aws.SecretStoreRefused, match="CARBONLEDGER_AWS_REGION"):
        aws.connect(prefix="p/")


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(aws.SecretStoreMissing, match=r"carbonledger\[aws\]"):
        aws.connect(prefix="p/", region="eu-west-1")


async def test_a_secret_that_aws_would_not_take_is_refused_here(store: types.SecretStore) -> None:
    with pytest.raises(aws.SecretStoreRefused, match="60,000"):
        await store.put(organization_id=ORGANIZATION, secret_id=uuid4(), secret=SecretText("é" * 40_000))
