"""The client and lots of credits: a file goes out as it is, pages are followed, and what makes no sense is not believed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from carbonledger_client import client, errors
from tests import described

# What the server says that it answers, not what we think it does.
_DESCRIBED = described.document()["paths"]["/v1/credit-lots"]
LIST: dict[str, Any] = _DESCRIBED["get"]["responses"]["200"]["content"]["application/json"]["example"]
IMPORTED: dict[str, Any] = _DESCRIBED["post"]["responses"]["201"]["content"]["application/json"]["example"]


class Server(BaseHTTPRequestHandler):
    """Says what it was told to say, one answer after the other, and keeps what came."""

    answers: ClassVar[list[tuple[int, Any]]] = []
    came: ClassVar[list[tuple[str, str, str, bytes]]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.came.append((self.command, self.path, self.headers.get("content-type", ""), body))
        status, document = self.answers.pop(0)
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def ledger() -> Iterator[client.Client]:
    Server.answers, Server.came = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with client.Client(f"http://127.0.0.1:{server.server_port}", "cl_live_" + "k" * 40) as made:
            yield made
        server.shutdown()
        thread.join()


def test_a_file_goes_out_as_it_is(ledger: client.Client) -> None:
    Server.answers.append((201, IMPORTED))
    done = ledger.import_credit_lots(b"registry,\xc3\xa4\n")
    assert Server.came == [("POST", "/v1/credit-lots", "text/csv", b"registry,\xc3\xa4\n")]
    assert (done.known, [lot.block for lot in done.added]) == (0, ["ACR-US-192-2024-203-1-50"])


def test_pages_are_followed_and_tonnes_are_exact(ledger: client.Client) -> None:
    Server.answers += [(200, {**LIST, "next_cursor": "abc"}), (200, LIST)]
    lots = list(ledger.credit_lots())
    assert [request[1] for request in Server.came] == ["/v1/credit-lots?limit=200", "/v1/credit-lots?limit=200&cursor=abc"]
    assert [(lot.kind, lot.vintage, lot.remaining_t) for lot in lots] == [("removal", 2024, Decimal("49.999987655"))] * 2
    assert lots[0].document["retirement_reference"] == "R-17"


def test_bad_lines_are_named_to_the_caller(ledger: client.Client) -> None:
    problem = {"pointer": "/lines/3/vintage", "code": "cell_invalid", "detail": "Line 3, vintage: give a year."}
    Server.answers.append((422, {"code": "credit_lots_invalid", "detail": "1 of its lines", "status": 422, "errors": [problem]}))
    with pytest.raises(errors.Refused) as refused:
        ledger.import_credit_lots(b"x")
    assert "Line 3, vintage" in str(refused.value) + repr(vars(refused.value))


@pytest.mark.parametrize(
    "document",
    [[], {}, {"data": [1]}, {"data": [{}]}, {**LIST, "next_cursor": 1}, {"data": [{**LIST["data"][0], "remaining_t": "much"}]}],
)
def test_an_answer_that_makes_no_sense_is_not_believed(ledger: client.Client, document: object) -> None:
    Server.answers.append((200, document))
    with pytest.raises(errors.Garbled):
        list(ledger.credit_lots())
