"""One stream of log lines for the whole process, ours and the libraries', each one JSON object (or a line to read, on a terminal).

Every line passes the redaction, also those of libraries and tracebacks: what looks like a credential never leaves the process. What
belongs to a request or a job (``request_id``, ``traceparent``, organization) is bound once, in structlog's context variables, and is then
on every line that follows from it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, BinaryIO, ClassVar, Final
from uuid import UUID

import orjson
import structlog
from structlog import contextvars, dev, processors

from carbonledger.infra import clock, redact, settings

Event = MutableMapping[str, Any]

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PLAIN: Final = "_plain"
"""A field that says: every other one is an id, a number or a word of the code. For the line of each request, which need not be searched."""
# Libraries that tell at INFO of every call, or of every step of a start and a stop, what our own lines already say.
_QUIET: Final = ("alembic", "asyncio", "httpcore2", "httpx2", "pgqueuer", "uvicorn.access", "uvicorn.error")
# Values of rows and of inputs that errors quote: they may be anything, personal data too, and are no use in a log.
_QUOTED: Final = (
    (re.compile(r"(?m)^DETAIL: .*$"), "DETAIL: [left out]"),
    (re.compile(r"input_value=.*?, input_type="), "input_value=[left out], input_type="),
    (re.compile(r"(?m)(invalid input for query argument \$\d+): .*$"), r"\1: [left out]"),
)


def configure(configuration: settings.Settings, *, stream: BinaryIO | None = None) -> None:
    """Send all logs of this process to ``stream`` (standard error). Called once, when a process starts."""
    target = _Line.target = stream or sys.stderr.buffer
    level = LEVELS[configuration.log_level]
    structlog.configure(
        processors=[
            contextvars.merge_contextvars,
            _add_facts,
            processors.format_exc_info,
            _leave_out_quotes,
            _redact,
            _console(target) if _is_for_people(configuration, target) else _json_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _Line(names[0] if names else "carbonledger"),
        cache_logger_on_first_use=True,
    )
    _plain.target = None if _is_for_people(configuration, target) else target
    _plain.level = level
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(level)
    for known in list(logging.root.manager.loggerDict.values()):
        if isinstance(known, logging.Logger):
            known.disabled = False  # a library that set up logging for itself may have switched all others off
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):  # its own set-up gives them handlers, and keeps their lines from the root
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.captureWarnings(True)


class _Plain:
    """Where plain lines go: set by ``configure``; None sends them the way of every other line."""

    target: BinaryIO | None = None
    level: int = logging.INFO


_plain = _Plain()


def plain(event: str, facts: Event, *, logger: str, level: str = "info") -> None:
    """Write a line whose every field is an id, a number or a word of the code, so that it need not be searched for credentials.

    For the line of each request alone: it costs a third of an ordinary one.
    """
    if LEVELS[level] < _plain.level:
        return
    target = _plain.target
    if target is None:
        structlog.get_logger(logger).log(LEVELS[level], event, **facts, **{PLAIN: True})
        return
    line = {"event": event, **facts, **contextvars.get_contextvars(), "level": level, "logger": logger}
    line["at"] = clock.now().isoformat(timespec="milliseconds")
    target.write(_json_line(None, level, line))
    target.flush()


def _is_for_people(configuration: settings.Settings, target: BinaryIO) -> bool:
    if configuration.log_format == "auto":
        return target.isatty()
    return configuration.log_format == "console"


class _Line:
    """Writes whole lines, at once, so that those of several processes on one terminal don't mix."""

    __slots__ = ("name",)
    target: ClassVar[BinaryIO]  # of the process: loggers are kept by the modules that use them, and outlive a configuration

    def __init__(self, name: str) -> None:
        self.name = name

    def msg(self, line: bytes) -> None:
        self.target.write(line)
        self.target.flush()

    debug = info = warning = error = critical = msg


class _Bridge(logging.Handler):
    """Takes what libraries log through the standard library and sends it down our own pipe."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = min((known for known in LEVELS.values() if known >= record.levelno), default=logging.ERROR)
            structlog.get_logger(record.name).log(level, record.getMessage(), exc_info=record.exc_info)
        except (OSError, TypeError, ValueError):  # a closed stream, or arguments that don't fit the message: no reason to fail the caller
            self.handleError(record)


def _add_facts(logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401 - structlog's own
    event["at"] = clock.now().isoformat(timespec="milliseconds")
    event["level"] = method
    event["logger"] = getattr(logger, "name", "carbonledger")
    return event


def _leave_out_quotes(logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401, ARG001 - structlog's own
    exception = event.get("exception")
    if isinstance(exception, str):
        for pattern, replacement in _QUOTED:
            exception = pattern.sub(replacement, exception)
        event["exception"] = exception
    return event


def _redact(logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401 - structlog's own
    return event if event.pop(PLAIN, False) else redact.processor(logger, method, event)


def _shown(value: object) -> str:
    # The driver's UUIDs are a class of their own, which orjson does not know.
    return str(value) if isinstance(value, UUID) else repr(value)


def _json_line(logger: Any, method: str, event: Event) -> bytes:  # noqa: ANN401, ARG001 - structlog's own
    try:
        return orjson.dumps(event, default=_shown, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Lone surrogates, integers beyond 64 bits: a line that reads oddly is better than none.
        return json.dumps(event, default=_shown, skipkeys=True).encode() + b"\n"


def _console(target: BinaryIO) -> Any:  # noqa: ANN401 - structlog's own
    render = dev.ConsoleRenderer(colors=target.isatty(), timestamp_key="at", exception_formatter=dev.plain_traceback)

    def line(logger: Any, method: str, event: Event) -> bytes:  # noqa: ANN401 - structlog's own
        return render(logger, method, event).encode("utf-8", "backslashreplace") + b"\n"

    return line


def bind(**facts: Any) -> None:
    """Put facts on every line of this task from now on."""
    contextvars.bind_contextvars(**facts)


def begin(**facts: Any) -> None:
    """The same for a task that begins: what an earlier one bound is forgotten."""
    contextvars.clear_contextvars()
    contextvars.bind_contextvars(**facts)
