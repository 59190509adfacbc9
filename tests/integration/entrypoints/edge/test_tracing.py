"""Traces over OTLP when asked for: a request is a span that continues its caller's, a job one that continues the request."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from carbonledger.infra import settings
from carbonledger.infra.observe import tracing
from tests import conftest
from tests.integration.entrypoints.edge import kit

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # the example of W3C Trace Context


class Collector(http.server.ThreadingHTTPServer):
    """An OTLP/HTTP receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[trace_pb2.Span] = []
        self.services: set[str] = set()
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        assert isinstance(self.server, Collector)
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        for resource in request.resource_spans:
            self.server.services |= {one.value.string_value for one in resource.resource.attributes if one.key == "service.name"}
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """A receiver says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def attributes(span: trace_pb2.Span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


async def test_a_request_and_its_job_continue_the_callers_trace(
    worker_database: conftest.TestDatabase, organization_id: UUID, tmp_path: Path, collector: Collector
) -> None:
    configuration = kit.configure(worker_database, tmp_path, otel_endpoint=collector.url)
    tracing.configure(configuration, service="carbonledger-test")
    try:
        async with kit.client(configuration, organization_id) as client:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "of-this-test"}
            await client.get("/v1/things/traced", headers=headers)
            carried = (await client.get("/v1/things/carried", headers=headers)).json()["name"]
        with tracing.job("things.done", traceparent=carried, attributes={"job": "things.done"}):
            inside = structlog.contextvars.get_contextvars()["traceparent"]
    finally:
        tracing.stop()
    unmatched, request, job = collector.spans
    assert collector.services == {"carbonledger-test"}
    assert (unmatched.name, request.name, job.name) == ("GET unmatched", "GET /v1/things/carried", "things.done")
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    assert carried == f"00-{TRACE}-{request.span_id.hex()}-01"
    assert job.parent_span_id == request.span_id
    assert inside == f"00-{TRACE}-{job.span_id.hex()}-01"
    assert attributes(request) == {
        "http.request.method": "GET",
        "http.route": "/v1/things/carried",
        "http.response.status_code": 200,
        "carbonledger.request_id": "of-this-test",
    }
    assert (request.kind, job.kind) == (trace_pb2.Span.SPAN_KIND_SERVER, trace_pb2.Span.SPAN_KIND_CONSUMER)


async def test_while_tracing_is_off_the_callers_trace_is_handed_on(
    worker_database: conftest.TestDatabase, organization_id: UUID, tmp_path: Path
) -> None:
    given = f"00-{TRACE}-{PARENT}-01"
    async with kit.client(kit.configure(worker_database, tmp_path), organization_id) as client:
        assert (await client.get("/v1/things/carried", headers={"traceparent": given})).json()["name"] == given
    with tracing.job("things.done", traceparent=given, attributes={}):
        assert tracing.active is None


def test_tracing_that_is_off_is_not_even_imported() -> None:
    code = "import sys, carbonledger.infra.observe.tracing; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",  # version 255 is forbidden
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
    ],
)
def test_what_is_no_trace_context_is_left_out(given: str | None) -> None:
    assert tracing.traceparent_from(given) is None


def test_a_later_version_may_say_more() -> None:
    given = f"cc-{TRACE}-{PARENT}-01-what-the-future-holds"
    assert tracing.traceparent_from(given) == given


def test_tracing_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(tracing.TracingUnavailable, match=r"carbonledger\[otel\]"):
        tracing.configure(settings.Settings.model_validate({"otel_endpoint": "http://127.0.0.1:1"}), service="test")
    assert tracing.active is None
