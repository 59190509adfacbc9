"""Hostile clients against a real server process, over raw sockets: a clean 4xx in bounded time and memory, and others are served."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import psutil
import pytest

from tests import conftest, until
from tests.integration.entrypoints.edge import kit

MB = 2**20
ORGANIZATION = uuid4()
ANSWER_S = 5 * until.DEADLINE_S  # a hang, not a slow machine: parsing 10 MiB takes seconds where nobody else computes
GROWTH_MB = 120.0  # ten bodies of 10 MiB at once would be more; one, parsed, is less


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    process: psutil.Process

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_S)

    def answer(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request as it is and return status, headers and body."""
        with self.connection() as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(request)  # a server may refuse before it has read all
            return read_answer(sock)

    def serves(self) -> bool:
        return self.answer(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == 200

    def memory_mb(self) -> float:
        return float(self.process.memory_info().rss) / MB


def read_answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65536):
            received += chunk
            head, found, body = received.partition(b"\r\n\r\n")
            if found and len(body) >= int(headers_of(head).get("content-length", "0")):
                break
    head, _, body = received.partition(b"\r\n\r\n")
    assert head, "the server closed without an answer"
    return int(head.split(b" ", 2)[1]), headers_of(head), body


def headers_of(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def post(body: bytes, path: str = "/v1/things", **headers: str) -> bytes:
    given = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    given |= {"Authorization": f"Bearer {ORGANIZATION}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


@pytest.fixture(scope="module")
def victim(worker_database: conftest.TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with kit.served(worker_database, tmp_path_factory.mktemp("home")) as (port, child):
        running = Server(port, psutil.Process(child.pid))
        until.holds_now(lambda: answers(running))
        yield running


def answers(victim: Server) -> bool:
    try:
        return victim.serves()
    except (OSError, AssertionError):
        return False


@pytest.fixture(autouse=True)
def _unharmed(victim: Server) -> Iterator[None]:
    """After each attack the server serves, and has given back what it took."""
    before = victim.memory_mb()
    yield
    assert victim.serves()
    assert victim.memory_mb() - before < GROWTH_MB


def problem(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str, list[tuple[str, str]]]:
    """Return status, code, and the pointers and codes of what is wrong; fail unless the answer is a problem document."""
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json", (status, body[:200])
    said = json.loads(body)
    assert said["status"] == status
    return status, said["code"], [(one["pointer"], one["code"]) for one in said.get("errors", [])]


NAME = b'{"name":"lamp","properties":%s}'

BODIES = [
    pytest.param(b"[" * 5 * MB + b"]" * 5 * MB, (400, "json_unreadable", [("", "json_too_deep")]), id="10 MiB of nested arrays"),
    pytest.param(b'{"a":' * 2 * MB, (400, "json_unreadable", [("", "json_too_deep")]), id="10 MiB of nested objects, never closed"),
    pytest.param(NAME % (b"[" * 63 + b"]" * 63), None, id="63 levels in another are as deep as may be"),
    pytest.param(NAME % (b"[" * 64 + b"]" * 64), (400, "json_unreadable", [("", "json_too_deep")]), id="one level more"),
    pytest.param(b"[" + b"[]," * 3 * MB + b"[]]", (422, "request_invalid", [("", "model_type")]), id="9 MiB of empty arrays"),
    pytest.param(b'{"name":"a\\u0000b"}', (400, "json_unreadable", [("/name", "text_unstorable")]), id="U+0000 in a string"),
    pytest.param(b'{"name":"a\x00b"}', (400, "json_unreadable", [("", "json_invalid")]), id="a NUL byte"),
    pytest.param(b'{"na\\u0000me":"a"}', (400, "json_unreadable", [("/na\ufffdme", "text_unstorable")]), id="U+0000 in a name"),
    pytest.param(b'{"name":"\\ud800"}', (400, "json_unreadable", [("/name", "text_unstorable")]), id="a lone high surrogate"),
    pytest.param(b'{"name":"\\udc00\\ud800"}', (400, "json_unreadable", [("/name", "text_unstorable")]), id="a pair the wrong way round"),
    pytest.param(b'{"name":"\\ud83d\\ude00"}', None, id="a pair the right way round is a character"),
    pytest.param(b'{"name":"\xff\xfe"}', (400, "json_unreadable", [("", "utf8_invalid")]), id="not UTF-8"),
    pytest.param(b'{"name":"\xed\xa0\x80"}', (400, "json_unreadable", [("", "utf8_invalid")]), id="a surrogate in UTF-8"),
    pytest.param('{"name":"a"}'.encode("utf-16"), (400, "json_unreadable", [("", "utf8_invalid")]), id="UTF-16"),
    pytest.param(b'\xef\xbb\xbf{"name":"a"}', (400, "json_unreadable", [("", "json_invalid")]), id="a byte order mark"),
    pytest.param(NAME % b"9223372036854775807", None, id="the largest integer of 64 bits"),
    pytest.param(NAME % b"9223372036854775808", (400, "json_unreadable", [("", "number_too_large")]), id="one more"),
    pytest.param(NAME % (b"9" * MB), (400, "json_unreadable", [("", "number_too_large")]), id="a million digits"),
    pytest.param(NAME % b"1e400", (400, "json_unreadable", [("", "number_too_large")]), id="a float beyond its range"),
    pytest.param(NAME % b"NaN", (400, "json_unreadable", [("", "number_invalid")]), id="NaN"),
    pytest.param(NAME % b"-Infinity", (400, "json_unreadable", [("", "number_invalid")]), id="minus infinity"),
    pytest.param(b'{"name":"a","name":"b"}', (400, "json_unreadable", [("", "name_doubled")]), id="a name given twice"),
    pytest.param(b'{"name":"a","\\u006eame":"b"}', (400, "json_unreadable", [("", "name_doubled")]), id="the same, disguised"),
    pytest.param(b"", (400, "body_missing", []), id="nothing"),
    pytest.param(b"null", (422, "request_invalid", [("", "model_type")]), id="null"),
    pytest.param(b"{} {}", (400, "json_unreadable", [("", "json_invalid")]), id="two documents"),
    pytest.param(b'{"name":"a"' + b" " * 10 * MB + b"}", (413, "body_too_large", []), id="more than 10 MiB"),
    pytest.param(
        b'{"' + b"n" * 9 * MB + b'":1}',
        (422, "request_invalid", [("/" + "n" * 100, "extra_forbidden"), ("/name", "missing")]),
        id="9 MiB of a name",
    ),
]


@pytest.mark.parametrize("body, expected", BODIES)
def test_a_hostile_body_is_refused_with_its_reason(
    victim: Server, body: bytes, expected: tuple[int, str, list[tuple[str, str]]] | None
) -> None:
    if expected is not None:
        status, code, found = problem(victim.answer(post(body)))
        assert (status, code, sorted(found)) == (expected[0], expected[1], sorted(expected[2]))
    else:
        # Accepted by the edge: what answers is the operation, for an organization that is not there.
        assert victim.answer(post(body))[0] in {201, 422}


def bomb(total: int, window_bits: int) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    block = b'{"name":"' + b"a" * (MB - 9)
    return b"".join([*(squeeze.compress(block) for _ in range(total // MB)), squeeze.flush()])


@pytest.mark.parametrize(
    "body, headers, expected",
    [
        pytest.param(lambda: bomb(1024 * MB, 31), {"Content_Encoding": "gzip"}, (413, "body_too_large"), id="1 GiB in 1 MiB of gzip"),
        pytest.param(lambda: bomb(256 * MB, 15), {"Content_Encoding": "deflate"}, (413, "body_too_large"), id="256 MiB of deflate"),
        pytest.param(
            lambda: gzip.compress(bomb(256 * MB, 31)), {"Content_Encoding": "gzip"}, (400, "json_unreadable"), id="a bomb in a bomb is text"
        ),
        pytest.param(b"not gzip at all", {"Content_Encoding": "gzip"}, (400, "body_undecodable"), id="not gzip"),
        pytest.param(gzip.compress(b'{"name":"a"}')[:-4], {"Content_Encoding": "gzip"}, (400, "body_undecodable"), id="half of a gzip"),
        pytest.param(gzip.compress(b"{}") + b"more", {"Content_Encoding": "gzip"}, (400, "body_undecodable"), id="gzip and more"),
        pytest.param(b"{}", {"Content_Encoding": "zstd"}, (415, "encoding_unsupported"), id="zstd"),
        pytest.param(b"{}", {"Content_Encoding": "gzip, gzip"}, (415, "encoding_unsupported"), id="gzip in gzip"),
        pytest.param(b"{}", {"Content_Type": "text/plain"}, (415, "media_type_unsupported"), id="text/plain"),
        pytest.param(b"{}", {"Content_Type": ""}, (415, "media_type_unsupported"), id="no media type"),
        pytest.param(b"{}", {"Content_Type": "application/json; charset=utf-16"}, (415, "media_type_unsupported"), id="another charset"),
        pytest.param(b"a=b", {"Content_Type": "application/x-www-form-urlencoded"}, (415, "media_type_unsupported"), id="a form"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(
    victim: Server, body: bytes | Callable[[], bytes], headers: dict[str, str], expected: tuple[int, str]
) -> None:
    content = body() if callable(body) else body  # a bomb takes seconds to make, and only this test needs it
    assert problem(victim.answer(post(content, **headers)))[:2] == expected


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_a_compressed_body_is_read(victim: Server, encoding: str) -> None:
    plain = b'{"name":""}'
    body = {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain), "identity": plain}[encoding]
    assert problem(victim.answer(post(body, Content_Encoding=encoding))) == (422, "request_invalid", [("/name", "string_too_short")])


@pytest.mark.parametrize("size, status", [(32 * MB, 200), (32 * MB + 1, 413)])
def test_ingest_takes_32_mib_and_not_a_byte_more(victim: Server, size: int, status: int) -> None:
    answer = victim.answer(post(b"0" * size, "/v1/things/raw", Content_Type="application/octet-stream"))
    assert answer[0] == status


def test_a_chunked_body_is_counted_as_it_comes(victim: Server) -> None:
    head = post(b"", Content_Length="", Transfer_Encoding="chunked")
    with victim.connection() as sock:
        sock.sendall(head)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(12):
                sock.sendall(b"%x\r\n" % MB + b" " * MB + b"\r\n")
        assert problem(read_answer(sock))[:2] == (413, "body_too_large")


@pytest.mark.parametrize(
    "request_line, headers, expected",
    [
        pytest.param(b"GET /health HTTP/1.1", b"X-Many: a\r\n" * 10_000, (431, "headers_too_large"), id="10,000 headers"),
        pytest.param(b"GET /health HTTP/1.1", b"X-Long: " + b"a" * MB + b"\r\n", (431, "headers_too_large"), id="a header of 1 MiB"),
        pytest.param(b"GET /" + b"a" * MB + b" HTTP/1.1", b"", (431, "headers_too_large"), id="a target of 1 MiB"),
        pytest.param(
            b"GET /v1/things?" + b"a=b&" * 1_000 + b" HTTP/1.1", b"", (401, "unauthenticated"), id="1,000 parameters, unauthenticated"
        ),
        pytest.param(b"GET /v1/" + b"a" * 5_000 + b" HTTP/1.1", b"", (414, "address_too_long"), id="a path of 5 kB"),
        pytest.param(b"HELLO /health HTTP/1.1", b"", (400, "request_unparseable"), id="no method of HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"", (400, "request_unparseable"), id="TLS on a plain port"),
        pytest.param(
            b"GET /health HTTP/1.1", b"Content-Length: 1\r\nContent-Length: 2\r\n", (400, "request_unparseable"), id="two lengths"
        ),
        pytest.param(
            b"POST /v1/things HTTP/1.1",
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            (400, "request_unparseable"),
            id="length and chunks, the smuggler's pair",
        ),
        pytest.param(b"GET /health HTTP/1.1", b"Bad Header: a\r\n", (400, "request_unparseable"), id="a space in a header's name"),
    ],
)
def test_a_hostile_head_is_refused(victim: Server, request_line: bytes, headers: bytes, expected: tuple[int, str]) -> None:
    assert problem(victim.answer(request_line + b"\r\nHost: x\r\n" + headers + b"\r\n"))[:2] == expected


def test_too_many_query_parameters_are_refused(victim: Server) -> None:
    head = f"GET /v1/things?{'a=b&' * 101}a=b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ORGANIZATION}\r\nConnection: close\r\n\r\n"
    assert problem(victim.answer(head.encode()))[:2] == (400, "malformed")


def test_a_head_that_never_ends_is_cut_off(victim: Server) -> None:
    with victim.connection() as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(b"GET /health HTTP/1.1\r\n")
            for _ in range(1_000):
                sock.sendall(b"X-More: " + b"a" * 1_000 + b"\r\n")
        assert problem(read_answer(sock))[:2] == (431, "headers_too_large")


def test_slow_clients_are_told_that_they_are_too_slow(victim: Server) -> None:
    """A head that stalls, a body that stalls, a connection that says nothing: all at once, so that the waits overlap."""
    with victim.connection() as head, victim.connection() as body, victim.connection() as silent:
        for sock in (head, body, silent):
            sock.settimeout(ANSWER_S)
        head.sendall(b"GET /health HTTP/1.1\r\nHost:")
        body.sendall(post(b"", Content_Length="100") + b'{"name":')
        assert problem(read_answer(head))[:2] == (408, "request_timeout")
        assert silent.recv(1) == b"", "a connection that says nothing is closed without a word"
        assert problem(read_answer(body))[:2] == (408, "request_timeout")


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(victim: Server) -> None:
    for _ in range(20):
        with victim.connection() as sock:
            sock.sendall(post(b"", Content_Length="1000") + b'{"name":')
    assert victim.serves()


def test_attackers_together_cost_bounded_memory_and_others_are_served(victim: Server) -> None:
    before = victim.memory_mb()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            sock = stack.enter_context(victim.connection())
            sock.sendall(b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 30_000)
        assert victim.serves()
        assert victim.memory_mb() - before < GROWTH_MB


def test_a_pipeline_of_requests_is_answered_in_order(victim: Server) -> None:
    with victim.connection() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert received.count(b"HTTP/1.1 200 OK") == 50
    assert received.rpartition(b"HTTP/1.1 ")[2].startswith(b"404")


def test_the_server_does_not_say_what_it_is(victim: Server) -> None:
    _, headers, _ = victim.answer(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert "server" not in headers
    assert "x-powered-by" not in headers
