"""A small stateful server that answers events as the API does: each key once, revisions, rejections by item, problems.

It keeps events by key, so a test can ask what a ledger would hold. ``faults`` are what happens to the next requests instead, in order:
a status, "drop" (the line breaks before anything is done) or "lose" (all is done, and the line breaks before the answer).
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEY = "cl_live_" + "5" * 48
IDENTITY = ("occurred_at", "provider", "model")
BATCH_MAX = 10_000
BODY_MAX_BYTES = 32 * 2**20


@dataclass(slots=True)
class Peer:
    """The state of the server."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    faults: list[int | str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    refuses: Callable[[dict[str, Any]], bool] = lambda item: item["model"] == "refused"
    refuses_batch: Callable[[list[dict[str, Any]]], int | None] = lambda items: None
    answer_item: Callable[[int, dict[str, Any]], dict[str, Any]] | None = None
    answered: Callable[[int], None] = lambda number: None
    address: str = ""

    def total(self, bucket: str) -> int:
        """Return the sum of a bucket over all events."""
        return sum(event["tokens"].get(bucket) or 0 for event in self.events.values())

    def take(self, index: int, item: dict[str, Any]) -> dict[str, Any]:
        """Return the result of one item."""
        if self.answer_item is not None:
            return self.answer_item(index, item)
        if self.refuses(item):
            return {"index": index, "status": "rejected", "code": "model_refused", "detail": "Not this model."}
        key = item["idempotency_key"]
        kept = self.events.get(key)
        if kept == item:
            return {"index": index, "status": "duplicate", "id": key}
        if kept is not None and any(kept[name] != item[name] for name in IDENTITY):
            return {"index": index, "status": "rejected", "code": "identity_changed", "detail": "Use another key."}
        self.events[key] = item
        return {"index": index, "status": "accepted" if kept is None else "revised", "id": key}


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    peer: Peer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.may_go_on():
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)["events"]
        assert self.path.partition("?")[0] == "/v1/telemetry/events"
        assert 1 <= len(items) <= BATCH_MAX
        assert len(body) <= BODY_MAX_BYTES
        status = self.peer.refuses_batch(items)
        if status is not None:
            self.problem(status, "batch_refused")
            return
        results = [self.peer.take(index, item) for index, item in enumerate(items)]
        self.peer.batches.append(len(items))
        if self.peer.faults and self.peer.faults[0] == "lose":
            self.peer.faults.pop(0)
            self.close_connection = True
            return
        counts = {name: sum(result["status"] == name for result in results) for name in ("accepted", "duplicate", "revised", "rejected")}
        self.answer(202, {**counts, "results": results})
        self.peer.answered(len(self.peer.batches))

    def do_GET(self) -> None:
        if self.may_go_on():
            self.peer.queries.append(self.path)
            self.answer(200, self.peer.summary)

    def may_go_on(self) -> bool:
        self.peer.headers.append(dict(self.headers.items()))
        fault = self.peer.faults[0] if self.peer.faults else None
        if fault is not None and fault != "lose":
            self.peer.faults.pop(0)
            if isinstance(fault, int):
                self.problem(fault, "asked_for")
            else:
                self.close_connection = True
            return False
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self.problem(401, "unauthenticated")
            return False
        return True

    def problem(self, status: int, code: str) -> None:
        document = {"type": "about:blank", "title": "No.", "status": status, "detail": "Not now.", "code": code, "request_id": "r-1"}
        self.answer(status, document, media="application/problem+json")

    def answer(self, status: int, document: object, *, media: str = "application/json") -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if status in {429, 503}:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def serve(peer: Peer) -> http.server.ThreadingHTTPServer:
    """Start to answer on a free port of loopback; ended by ``shutdown`` and ``server_close``."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"peer": peer}))
    server.daemon_threads = True
    peer.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server
