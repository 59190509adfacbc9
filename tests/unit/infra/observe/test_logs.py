"""One stream of log lines: JSON or readable, ours and the libraries', without credentials, with what belongs to the request."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
import structlog
import uvicorn.config

from carbonledger.infra import settings
from carbonledger.infra.observe import logs
from tests import logged

KEY = "cl_live_0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging belongs to the process: leave it as it was found."""
    with logged.written(settings.Settings()):
        yield


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def configured(stream: io.BytesIO | None = None, **given: Any) -> io.BytesIO:
    target = stream or io.BytesIO()
    logs.configure(settings.Settings.model_validate({"log_level": "info", **given}), stream=target)
    return target


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_logger() -> None:
    stream = configured()
    structlog.get_logger("carbonledger.some.part").info("something happened", count=3, id=uuid.UUID(int=7))
    [line] = lines(stream)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "event": "something happened",
        "count": 3,
        "id": "00000000-0000-0000-0000-000000000007",
        "level": "info",
        "logger": "carbonledger.some.part",
    }


def test_what_belongs_to_a_request_is_on_every_line_and_forgotten_by_the_next() -> None:
    stream = configured()
    log = structlog.get_logger("part")
    logs.begin(request_id="first", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    logs.bind(organization_id="org")
    log.info("one")
    logs.begin(request_id="second")
    log.info("two")
    one, two = lines(stream)
    assert (one["request_id"], one["organization_id"], one["traceparent"][:5]) == ("first", "org", "00-aa")
    assert two["request_id"] == "second"
    assert not {"organization_id", "traceparent"} & two.keys()


def test_lines_below_the_level_are_not_written() -> None:
    stream = configured(log_level="warning")
    log = structlog.get_logger("part")
    log.info("no")
    log.warning("yes")
    logging.getLogger("library").info("no")
    assert [line["event"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncpg", "some.library"])
def test_libraries_speak_through_the_same_pipe(name: str) -> None:
    stream = configured()
    logging.getLogger(name).error("it failed: %s with %s", "reason", KEY)
    [line] = lines(stream)
    assert (line["level"], line["logger"], line["event"]) == ("error", name, "it failed: reason with [redacted]")


@pytest.mark.parametrize("name", ["httpx2", "uvicorn.access", "uvicorn.error", "pgqueuer"])
def test_libraries_that_tell_of_every_call_and_step_are_quiet(name: str) -> None:
    stream = configured()
    logging.getLogger(name).info("GET https://example.com/?api_key=%s", KEY)
    logging.getLogger(name).warning("worth knowing")
    assert [line["event"] for line in lines(stream)] == ["worth knowing"]


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.access", "uvicorn.error"])
def test_a_server_that_set_up_its_own_logging_before_is_brought_back(name: str) -> None:
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    stream = configured()
    logging.getLogger(name).warning("worth knowing")
    assert [line["event"] for line in lines(stream)] == ["worth knowing"]


def test_warnings_are_lines_too() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old way of {KEY}", DeprecationWarning, stacklevel=1)
    [line] = lines(stream)
    assert line["logger"] == "py.warnings"
    assert KEY not in line["event"]


class Row(pydantic.BaseModel):
    count: int


def failing(kind: str, quoted: str) -> None:
    if kind == "pydantic":
        Row.model_validate({"count": quoted})
    if kind == "postgres":
        raise RuntimeError(f"duplicate key value\nDETAIL:  Key (email)=({quoted}) already exists.")
    raise RuntimeError(f"refused: Authorization: Bearer {quoted}")


@pytest.mark.parametrize(
    "kind, secret",
    [("credential", KEY), ("pydantic", "the private notes of Ann"), ("postgres", "ann@example.com")],
)
def test_a_traceback_holds_neither_credentials_nor_quoted_values(kind: str, secret: str) -> None:
    stream = configured()
    try:
        failing(kind, secret)
    except (RuntimeError, ValueError):
        structlog.get_logger("part").exception("it failed", headers={"authorization": f"Bearer {KEY}"}, password="plenty of otters")
    [line] = lines(stream)
    text = stream.getvalue().decode()
    assert "Traceback" in line["exception"]
    assert "failing" in line["exception"], "where it happened stays"
    assert secret not in text
    assert KEY not in text
    assert "otters" not in text


def test_a_line_that_says_it_is_plain_is_not_searched_and_does_not_show_that() -> None:
    stream = configured()
    structlog.get_logger("part").info("request", route="/v1/things", **{logs.PLAIN: True})
    [line] = lines(stream)
    assert logs.PLAIN not in line


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: 2}, {b"a"}, object(), float("nan")])
def test_no_value_keeps_a_line_from_being_written(value: object) -> None:
    stream = configured()
    structlog.get_logger("part").info("odd", value=value)
    [line] = lines(stream)
    assert line["event"] == "odd"


def test_a_message_that_does_not_fit_its_arguments_does_not_fail_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured()
    logging.getLogger("library").error("%s and %s", *["one"])
    assert stream.getvalue() == b""
    assert "Logging error" in capsys.readouterr().err


def test_on_a_terminal_lines_are_for_people() -> None:
    stream = configured(Terminal())
    structlog.get_logger("part").info("something happened", count=3, key=KEY)
    text = stream.getvalue().decode()
    assert "something happened" in text
    assert "\x1b[" in text
    assert KEY not in text
    assert not text.startswith("{")


@pytest.mark.parametrize("given, is_json", [("json", True), ("console", False), ("auto", True)])
def test_the_form_can_be_chosen(given: str, is_json: bool) -> None:
    stream = configured(log_format=given)
    structlog.get_logger("part").info("something")
    assert stream.getvalue().startswith(b"{") is is_json
