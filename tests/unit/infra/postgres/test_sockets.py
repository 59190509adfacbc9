"""Which folders can hold the unix socket."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from carbonledger.infra.postgres import sockets

# unix(7): sun_path has 108 bytes on Linux with a NUL at the end, so 107 remain; "/.s.PGSQL.5432" takes 14 of them.
_ROOM = 107 - 14


@pytest.mark.parametrize(
    "folder,fits",
    [
        ("/" + "a" * (_ROOM - 1), True),  # the longest
        ("/" + "a" * _ROOM, False),  # one byte more
        ("/" + "ä" * 46, True),  # 93 bytes: bytes count, not letters
        ("/" + "ä" * 47, False),  # 95 bytes in 48 letters
        ("/with space/größe", True),  # percent-encoded in the connection string
        ("/a,b", False),  # clients read a comma as a list of hosts
        ("/a\nb", False),  # would break a line of the pid file
        ("/a\udcff", False),  # not UTF-8: no connection string can name it
    ],
)
def test_a_folder_fits_if_the_kernel_and_clients_can_name_the_socket(folder: str, fits: bool) -> None:
    assert sockets.fits(Path(folder), bytes_max=107) is fits


def test_a_server_whose_queue_is_full_answers_in_a_while(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(tmp_path / ".s.PGSQL.5432"))
        server.listen(0)
        with pytest.raises(BlockingIOError):
            while True:  # nobody accepts, so a few fill it
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(server.getsockname())
        assert sockets.answers(str(tmp_path), 5432)
