"""What this process logs while a test looks, as the product writes it. Afterwards logging is as it was found: it belongs to the process."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

import structlog

from carbonledger.infra import settings
from carbonledger.infra.observe import logs


@contextlib.contextmanager
def written(configuration: settings.Settings) -> Iterator[io.BytesIO]:
    """Give the stream that every line goes to, whatever earlier tests did with logging."""
    stream = io.BytesIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    lines, plain = structlog.get_config(), (logs._plain.target, logs._plain.level)
    logs.configure(configuration, stream=stream)
    # A module's logger that were kept from here on would write into this stream for ever, out of the sight of later tests.
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield stream
    finally:
        root.handlers = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.contextvars.clear_contextvars()
        structlog.configure(**lines)
        logs._plain.target, logs._plain.level = plain


@contextlib.contextmanager
def said(configuration: settings.Settings) -> Iterator[list[structlog.typing.EventDict]]:
    """Give every line as the code said it: nothing is redacted yet, libraries' lines are among them."""
    with written(configuration.model_copy(update={"log_level": "debug"})), structlog.testing.capture_logs() as lines:
        logs._plain.target = None  # the lines of requests go the way of all others
        yield lines
