"""The client and audit packs: listed, ordered once, and written to a file only if all of it came."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from carbonledger.entrypoints.rest import openapi
from carbonledger_client import client, errors, transport

_DESCRIBED = openapi.document()["paths"]["/v1/exports/audit-packs"]
LIST: dict[str, Any] = _DESCRIBED["get"]["responses"]["200"]["content"]["application/json"]["example"]
ORDERED: dict[str, Any] = _DESCRIBED["post"]["responses"]["202"]["content"]["application/json"]["example"]
PACK = b"PK" + bytes(range(256)) * 4096
ETAG = f'"{hashlib.sha256(PACK).hexdigest()}"'


class Server(BaseHTTPRequestHandler):
    """Says what it was told to say: a document, or a file with its tag, of which so many bytes are sent before the line breaks."""

    answers: ClassVar[list[tuple[int, Any, str | None, int | None]]] = []
    came: ClassVar[list[tuple[str, str, str, bytes]]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.came.append((self.command, self.path, self.headers.get("idempotency-key", ""), body))
        status, document, etag, cut = self.answers.pop(0)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        if etag is not None:
            self.send_header("etag", etag)
        self.end_headers()
        self.wfile.write(content[:cut])
        self.close_connection = cut is not None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def ledger() -> Iterator[client.Client]:
    Server.answers, Server.came = [], []
    patience = transport.Patience(attempts_max=3, base_s=0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with client.Client(f"http://127.0.0.1:{server.server_port}", "cl_live_" + "k" * 40, patience=patience) as made:
            yield made
        server.shutdown()
        thread.join()


def answers(*documents: Any, status: int = 200, etag: str | None = None, cut: int | None = None) -> None:
    Server.answers += [(status, document, etag, cut) for document in documents]


def test_packs_are_listed_and_the_newest_of_a_month_is_found_behind_any_page(ledger: client.Client) -> None:
    (one,) = LIST["data"]
    later = {**one, "number": 2, "state": "ordered", "made_at": None, "size_bytes": None, "sha256": None, "files": None}
    other = {**one, "month": "2026-09"}
    answers({"data": [other], "next_cursor": "abc"}, {"data": [later, one], "next_cursor": None})
    found = ledger.audit_pack("2026-10")
    assert found is not None
    assert (found.number, found.state, found.made_at, found.sha256) == (2, "ordered", None, None)
    assert [path for _, path, _, _ in Server.came] == [
        "/v1/exports/audit-packs?limit=200",
        "/v1/exports/audit-packs?limit=200&cursor=abc",
    ]
    answers(LIST, LIST)
    first = ledger.audit_pack("2026-10", number=1)
    assert first is not None
    assert (first.size_bytes, first.sha256, first.files) == (5_310_921, "0f" * 32, 21)
    assert ledger.audit_pack("2026-10", number=9) is None


def test_one_is_ordered_once_though_the_answer_is_lost(ledger: client.Client) -> None:
    answers({}, status=503)
    answers(ORDERED, status=202)
    assert ledger.order_audit_pack("2026-10") == ORDERED["job_id"]
    (first, second) = Server.came
    assert first == second, "with the same key"
    assert json.loads(first[3]) == {"month": "2026-10"}
    assert first[2]


def test_a_pack_is_written_as_it_came(ledger: client.Client, tmp_path: Path) -> None:
    answers(PACK, etag=ETAG)
    assert ledger.download_audit_pack("2026-01", tmp_path / "pack.zip", number=3) == hashlib.sha256(PACK).hexdigest()
    assert (tmp_path / "pack.zip").read_bytes() == PACK
    assert Server.came[0][1] == "/v1/exports/audit-packs/2026/1?number=3"
    assert [path.name for path in tmp_path.iterdir()] == ["pack.zip"]


def test_a_line_that_breaks_halfway_is_tried_again_from_the_beginning(ledger: client.Client, tmp_path: Path) -> None:
    answers(PACK, etag=ETAG, cut=len(PACK) // 2)
    answers(PACK, etag=ETAG)
    ledger.download_audit_pack("2026-10", tmp_path / "pack.zip")
    assert (tmp_path / "pack.zip").read_bytes() == PACK


@pytest.mark.parametrize(
    "status, document, etag, fault",
    [
        (200, PACK[:-1], ETAG, errors.Garbled),  # not what the server has
        (200, b"<html>", None, errors.Garbled),  # a page in between
        (404, {"code": "audit_pack_not_found", "detail": "There is none.", "status": 404}, None, errors.Refused),
        (503, {"code": "audit_pack_unmade", "detail": "It is being made.", "status": 503}, None, errors.Unreachable),  # after all attempts
    ],
)
def test_what_is_not_the_pack_leaves_what_was_there(
    ledger: client.Client, tmp_path: Path, status: int, document: object, etag: str | None, fault: type[Exception]
) -> None:
    (tmp_path / "pack.zip").write_bytes(b"of before")
    answers(document, document, document, status=status, etag=etag)
    with pytest.raises(fault):
        ledger.download_audit_pack("2026-10", tmp_path / "pack.zip")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"pack.zip": b"of before"}


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "26-01", "2026-01-01", "../x", ""])
def test_what_is_no_month_asks_nobody(ledger: client.Client, tmp_path: Path, month: str) -> None:
    for ask in (ledger.order_audit_pack, ledger.audit_pack, lambda one: ledger.download_audit_pack(one, tmp_path / "x")):
        with pytest.raises(errors.Misused):
            ask(month)
    assert Server.came == []


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"data": [1], "next_cursor": None},
        {"data": [{}], "next_cursor": None},
        {**LIST, "next_cursor": 1},
        {"data": [{**LIST["data"][0], "number": True}], "next_cursor": None},
        {"data": [{**LIST["data"][0], "made_at": "soon"}], "next_cursor": None},
    ],
)
def test_an_answer_that_makes_no_sense_is_not_believed(ledger: client.Client, document: object) -> None:
    answers(document)
    with pytest.raises(errors.Garbled):
        ledger.audit_packs()
