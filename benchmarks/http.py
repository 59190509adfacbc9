"""An authenticated read through the whole stack against a bare FastAPI hello, on one server process, alternating in one run.

`dev.py bench http` prints requests per second of both, their ratio (the issue asks for 0.4 at least), the cores, and the idle memory of API
and worker. It starts everything it needs in a folder of its own: database, one API process that serves both applications, one process
that loads it over keep-alive connections, and at the end a worker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fastapi
import psutil
import uvicorn
import uvloop

from carbonledger import bootstrap
from carbonledger.entrypoints import asgi
from carbonledger.entrypoints.asgi import server
from carbonledger.entrypoints.shared import exchange
from carbonledger.infra import reach, settings
from carbonledger.infra.observe import logs

HELLO = "/hello"
READ = "/v1/organizations/me"
ROUNDS = 5
CONNECTIONS = 16
SECONDS = 3.0
WARM_UP_S = 1.0
START_TIMEOUT_S = 180.0  # a busy machine may take a minute and more to import everything
ANSWER_TIMEOUT_S = 10.0
IDLE_S = 5.0


# --- the server process: both applications, one listener


def bare() -> fastapi.FastAPI:
    """FastAPI as its documentation begins: what the framework costs without anything of ours."""
    app = fastapi.FastAPI()

    @app.get(HELLO)
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


async def serve(descriptor: int, configuration: settings.Settings, addresses: reach.Addresses) -> None:
    async with bootstrap.build(configuration, addresses, application="carbonledger-bench") as services:
        ours = asgi.create_app(services)
        hello = bare()

        async def both(scope: exchange.Scope, receive: exchange.Receive, send: exchange.Send) -> None:
            await (hello if scope.get("path") == HELLO else ours)(scope, receive, send)

        with socket.socket(fileno=descriptor) as listener:
            await uvicorn.Server(server.config(both)).serve(sockets=[listener])


# --- the load process: raw keep-alive connections, each sends its next request when the answer is whole


class Connection(asyncio.Protocol):
    def __init__(self, request: bytes, until: float, done: asyncio.Future[int]) -> None:
        self.request, self.until, self.done = request, until, done
        self.answered = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what a stream's protocol gets
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(f"answered {head[:60]!r} {body[:300]!r}"))
            self.transport.close()
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = body[length:]
        self.answered += 1
        if time.perf_counter() < self.until:
            self.transport.write(self.request)
        else:
            self.transport.close()
            self.done.set_result(self.answered)


async def load(port: int, path: str, token: str, seconds: float) -> tuple[int, float]:
    """Return how many requests the server answered, and how many in a second."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    futures = [loop.create_future() for _ in range(CONNECTIONS)]
    for future in futures:
        await loop.create_connection(lambda done=future: Connection(request, started + seconds, done), "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(seconds + ANSWER_TIMEOUT_S):
        answered: list[int] = await asyncio.gather(*futures)
    return sum(answered), sum(answered) / (time.perf_counter() - started)


# --- the parent: prepares, starts, measures, reports


def run(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.http", *arguments]  # not by its file: run so, it would hide the standard library's http


@contextlib.contextmanager
def started(command: list[str], log: Path, **options: object) -> Iterator[psutil.Process]:
    with log.open("ab") as stream, subprocess.Popen(command, stdout=stream, stderr=stream, **options) as child:  # type: ignore[call-overload]
        try:
            yield psutil.Process(child.pid)
        finally:
            child.terminate()


@dataclass(frozen=True, slots=True)
class Round:
    """What one path gave in one round: answers per second, and the server's own CPU for each. The second is fair on a busy machine, too."""

    per_s: float
    cpu_us: float


def measured(api: psutil.Process, port: int, path: str, token: str, seconds: float) -> Round:
    """Return what a process of its own got through."""
    options = ["--port", str(port), "--path", path, "--seconds", str(seconds)]
    before = api.cpu_times()
    done = subprocess.run(run("load", *options), input=token, capture_output=True, text=True, check=False)
    after = api.cpu_times()
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    answered, per_s = json.loads(done.stdout)
    return Round(per_s=per_s, cpu_us=1e6 * (after.user + after.system - before.user - before.system) / answered)


def wait_until_it_answers(port: int, child: psutil.Process, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.settimeout(1)
            probe.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if probe.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.1)
    raise SystemExit("the server did not start:\n" + log.read_text()[-2000:])


def memory_mb(process: psutil.Process) -> str:
    """Return resident and proportional memory: what ``ps`` shows, and what is left of it when shared pages are shared out."""
    full = process.memory_full_info()
    return f"{full.rss / 2**20:5.0f} MB resident, {full.pss / 2**20:4.0f} MB proportional"


def report(hello: list[Round], read: list[Round]) -> None:
    for number, (theirs, ours) in enumerate(zip(hello, read, strict=True), start=1):
        print(line(f"round {number}", theirs, ours))
    print(line("median ", middle(hello), middle(read)))
    print(f"ratio of the medians: {middle(read).per_s / middle(hello).per_s:.2f}")


def middle(rounds: list[Round]) -> Round:
    return Round(per_s=statistics.median(one.per_s for one in rounds), cpu_us=statistics.median(one.cpu_us for one in rounds))


def line(name: str, hello: Round, read: Round) -> str:
    return (
        f"{name}   hello {hello.per_s:6.0f}/s {hello.cpu_us:4.0f} us CPU   read {read.per_s:6.0f}/s {read.cpu_us:4.0f} us CPU"
        f"   ratio {read.per_s / hello.per_s:.3f}, by the server's CPU {hello.cpu_us / read.cpu_us:.3f}"
    )


def main(path: str) -> None:
    token = "cl_live_" + secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home = Path(folder) / "home"
        environ = os.environ | {"CARBONLEDGER_HOME": str(home), "CARBONLEDGER_BOOTSTRAP_API_KEY": token}
        # Held here too, so that the server outlives the processes that use it and is gone before its folder.
        with reach.reached(settings.load(home=home), wait=True):
            compare(path, token, environ, Path(folder) / "log")


def compare(path: str, token: str, environ: dict[str, str], log: Path) -> None:
    command = [sys.executable, "-m", "carbonledger.entrypoints.cli.main"]
    with log.open("ab") as stream:
        subprocess.run([*command, "migrate"], env=environ, stdout=stream, stderr=stream, check=True)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        with started(run("serve", "--fd", str(descriptor)), log, env=environ, pass_fds=[descriptor]) as api:
            wait_until_it_answers(port, api, log)
            print(f"{os.cpu_count()} cores, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS:.0f} s each, GET {path}", flush=True)
            for warm in (HELLO, path):
                measured(api, port, warm, token, WARM_UP_S)
            pairs = [[measured(api, port, each, token, SECONDS) for each in (HELLO, path)] for _ in range(ROUNDS)]
            report([pair[0] for pair in pairs], [pair[1] for pair in pairs])
            with started([*command, "worker"], log, env=environ) as worker:
                time.sleep(IDLE_S)
                print(f"idle memory   API    {memory_mb(api)} (after the load)\n              worker {memory_mb(worker)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="run", choices=["run", "serve", "load"])
    parser.add_argument("--fd", type=int, default=-1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default=READ)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.part == "serve":
        loaded = settings.load()
        logs.configure(loaded)
        with reach.reached(loaded) as reached, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(given.fd, loaded, reached.addresses))
    elif given.part == "load":
        print(json.dumps(uvloop.run(load(given.port, given.path, sys.stdin.read().strip(), given.seconds))))
    else:
        main(given.path)
