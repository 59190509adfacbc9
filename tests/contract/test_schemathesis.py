"""schemathesis over the whole OpenAPI document, against the application in this process: no 5xx, and nothing but what is documented.

A bounded number of generated calls for each operation, the same ones each time; ``CARBONLEDGER_TEST_EXAMPLES`` asks for more.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import uvicorn
import uvloop
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Err
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest import _test_builder
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks
from schemathesis.transport.requests import ManagedCookiesSession

from carbonledger.entrypoints.asgi import server as servers
from tests import conftest, described, until
from tests.contract import worlds
from tests.integration.entrypoints.rest.identity import conftest as kit

EXAMPLES = int(os.environ.get("CARBONLEDGER_TEST_EXAMPLES", "25"))
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.ignored_auth,
]
# Each item of a batch is judged by itself: what breaks the schema is refused in the answer to it, and the others are taken.
EXCLUDED: dict[str, list[CheckFunction]] = {"sendEvents": [checks.negative_data_rejection]}
# What may refuse input that breaks its schema: the library's own list knows neither 413 nor 414.
REFUSALS = [400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 431]
CONFIGURATION = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}, "request-timeout": until.DEADLINE_S}
)


def generated() -> dict[str, Any]:
    """The document without protobuf bodies: random bytes are mostly none, and nothing that breaks their schema can be written in them."""
    document = described.document()
    for path in document["paths"].values():
        for operation in path.values():
            operation.get("requestBody", {}).get("content", {}).pop("application/x-protobuf", None)
    return document


SCHEMA = schemathesis.openapi.from_dict(generated(), config=CONFIGURATION)


@SCHEMA.auth()
class Auth:
    """The house's key; given this way, the check that credentials count can leave it out."""

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        return f"Bearer {kit.KEY}"

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        case.headers["authorization"] = data


async def serve(listener: socket.socket, database: conftest.TestDatabase, home: Path, uvicorns: list[uvicorn.Server]) -> None:
    async with worlds.installed(database, home) as (_, ledger):
        running = uvicorn.Server(servers.config(ledger.transport.app))
        uvicorns.append(running)
        await running.serve(sockets=[listener])


@pytest.fixture(scope="module")
def address(server: conftest.Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the application in a thread of its own, with a loop of its own of the product's kind, and return its address."""
    uvicorns: list[uvicorn.Server] = []

    async def run(listener: socket.socket) -> None:
        async with conftest._clone(server, template) as database:
            await serve(listener, database, tmp_path_factory.mktemp("home"), uvicorns)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: uvloop.run(run(listener)), name="served")
        thread.start()
        try:
            until.holds_now(lambda: bool(uvicorns) and uvicorns[0].started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for running in uvicorns:
                running.should_exit = True
            thread.join(until.DEADLINE_S)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Keep the connection from call to call, of which there are twenty thousand; neither cookies nor the caller's settings."""
    with ManagedCookiesSession() as opened:
        opened.headers.clear()
        opened.trust_env = False
        yield opened


def operations() -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """Yield what the document describes. Raises ``InvalidSchema`` where it can't be read."""
    for found in SCHEMA.get_all_operations():
        if isinstance(found, Err):
            raise found.err()
        yield found.ok()


OPERATIONS = {operation.label: operation for operation in operations()}


@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def judged(case: schemathesis.Case[Any], address: str, session: requests.Session) -> None:
    excluded = EXCLUDED.get(case.operation.definition.raw["operationId"], [])
    case.call_and_validate(base_url=address, session=session, checks=CHECKS, excluded_checks=excluded)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_generated_call_finds_a_5xx_or_an_undocumented_answer(  # house: allow checks-nothing - ``judged`` does, for each call
    label: str, address: str, session: requests.Session
) -> None:
    """What ``SCHEMA.parametrize()`` does, but not before this test runs: for all operations it takes eight seconds in every process."""
    feedback = FeedbackSources(constants_value_source=make_constants_value_source(SCHEMA))
    test = _test_builder.build_operation_test(
        config=SCHEMA.config, operation=OPERATIONS[label], test_func=judged, given_kwargs={}, feedback=feedback
    )
    test(address=address, session=session)
