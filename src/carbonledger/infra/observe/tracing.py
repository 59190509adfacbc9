"""Traces over OTLP, for those who set CARBONLEDGER_OTEL_ENDPOINT and install the extra ``otel``; otherwise nothing is even imported.

A span is made for each request and each job. What carries a trace from one to the next is the W3C ``traceparent``, bound beside the
request id in structlog's context variables: log lines show it, jobs keep it, and a job's span continues it. That also works while
tracing is off: then the caller's ``traceparent`` is handed on as it came.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal

import structlog
from structlog import contextvars

import carbonledger
from carbonledger.infra import settings
from carbonledger.kernel import errors

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

Attributes = Mapping[str, str | int]
Part = Literal["request", "job"]

# W3C Trace Context: version 00, ids not all zero. Later versions may append fields; the first four keep their meaning.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.{0,72})?")

log = structlog.get_logger(__name__)


class TracingUnavailable(errors.Fault):
    """CARBONLEDGER_OTEL_ENDPOINT is set, but the extra ``otel`` is not installed."""

    kind = errors.Kind.INVALID
    code = "tracing_unavailable"


def traceparent_from(given: str | None) -> str | None:
    """Return the trace context of a request, or None if it is none."""
    return given if given is not None and _TRACEPARENT.fullmatch(given) else None


class Tracing:
    """Makes spans. One for each process that traces."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("carbonledger", carbonledger.__version__)

    @contextlib.contextmanager
    def span(self, name: str, *, part: Part, parent: str | None, attributes: Attributes) -> Iterator[Span]:
        """Make a span that continues ``parent``; its own context is bound for what follows from it."""
        from opentelemetry import trace  # noqa: PLC0415 - the extra is there, or this object would not be
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        propagator = tracecontext.TraceContextTextMapPropagator()
        context = propagator.extract({"traceparent": parent} if parent else {})
        kind = trace.SpanKind.SERVER if part == "request" else trace.SpanKind.CONSUMER
        with self._tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as span:
            carrier: dict[str, str] = {}
            propagator.inject(carrier)
            with contextvars.bound_contextvars(**carrier):
                yield span

    def close(self) -> None:
        """Send what is still here."""
        self._provider.shutdown()


active: Tracing | None = None
"""The process's tracing; None while it is off, so that a request pays one comparison."""


def configure(configuration: settings.Settings, *, service: str) -> None:
    """Start tracing if the settings ask for it. Raises ``TracingUnavailable``. Called once, when a process starts."""
    global active  # noqa: PLW0603 - one for each process, like its logs
    if configuration.otel_endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra, and slow to import
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise TracingUnavailable("Install it: pip install 'carbonledger[otel]', or unset the variable.") from error
    resource = Resource.create({"service.name": service, "service.version": carbonledger.__version__})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{configuration.otel_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    active = Tracing(provider)
    log.info("tracing is on", endpoint=configuration.otel_endpoint)


def stop() -> None:
    """Send what is still here and stop tracing."""
    global active  # noqa: PLW0603 - as above
    if active is not None:
        active.close()
        active = None


@contextlib.contextmanager
def job(name: str, *, traceparent: str | None, attributes: Attributes) -> Iterator[None]:
    """Trace a job, as the continuation of what asked for it. Does nothing while tracing is off."""
    if active is None:
        yield
        return
    with active.span(name, part="job", parent=traceparent, attributes=attributes):
        yield
