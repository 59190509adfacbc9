"""API and worker started while the database goes away: their exit code says so, whichever connection it was, and ``up`` tries again."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import fernet

from tests import conftest, installation

MOST = {"api": range(4), "worker": range(3)}  # connections until the database is away; each opens more before it can stay up without one
UNAVAILABLE = 6
_STARTUP_BYTES = 1 << 10


class Door:
    """A way to the database that is shut, without a word and for all, once more want through than ``most``."""

    def __init__(self, connect: Callable[[], socket.socket], *, most: int) -> None:
        self._connect, self._most = connect, most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.through = 0
        self._open: list[socket.socket] = []
        self._passing: list[threading.Thread] = []
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                if self.through == self._most:
                    client.recv(_STARTUP_BYTES)  # it hangs up in the middle of the log-in, as a server that is killed does
                    for connection in self._open:
                        _end(connection)
                    continue
                self.through += 1
                server = self._connect()
                self._open.append(server)
                for here, there in ((client, server), (server, client)):
                    self._passing.append(threading.Thread(target=_pass_on, args=(here, there)))
                    self._passing[-1].start()

    def close(self) -> None:
        """Let go of every connection; the commands have ended."""
        _end(self._listener)
        self._listener.close()
        self._serving.join()
        for connection in self._open:
            _end(connection)
        for thread in self._passing:
            thread.join()
        for connection in self._open:
            connection.close()


def _pass_on(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while read := here.recv(1 << 16):
            there.sendall(read)
    _end(there)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other end was faster
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def door(dsn: str, *, most: int) -> Iterator[tuple[Door, str]]:
    """Give a door, and the address of the database behind it."""
    parts = urllib.parse.urlsplit(dsn)
    query = dict(urllib.parse.parse_qsl(parts.query))
    host, port = query.get("host") or parts.hostname or "", query.get("port") or parts.port

    def connect() -> socket.socket:
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(f"{host}/.s.PGSQL.{port}")
        return connected

    made = Door(connect, most=most)
    try:
        yield made, parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{made.port}", query="sslmode=disable").geturl()
    finally:
        made.close()


@pytest.mark.parametrize("command,most", [(command, most) for command in MOST for most in MOST[command]])
def test_a_start_that_loses_its_database_asks_to_be_tried_again(
    tmp_path: Path, worker_database: conftest.TestDatabase, command: str, most: int
) -> None:
    with door(worker_database.app, most=most) as (at, address):
        addresses = {"CARBONLEDGER_APP_DATABASE_URL": address, "CARBONLEDGER_VAULT_KEYS": fernet.Fernet.generate_key().decode()}
        done = installation.run(tmp_path, command, CARBONLEDGER_PORT="0", **addresses)

    assert (at.through, done.returncode) == (most, UNAVAILABLE), done.stderr


@pytest.mark.parametrize("command", [("org", "list"), ("jobs", "list"), ("migrate",)], ids=" ".join)
def test_a_command_whose_database_is_away_says_so_and_is_no_defect(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = installation.run(tmp_path, *command, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert done.returncode == UNAVAILABLE, done.stderr
    assert "Nothing answers at 127.0.0.1:1/none" in done.stderr
