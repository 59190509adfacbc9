"""Where the unix socket lies.

Owns: choosing and making the socket's folder. The kernel holds a socket's path in a field of 108 bytes (104 on macOS and the
BSDs), with a NUL at its end; and clients read a comma in a host as a list. A data folder whose path is too long, or
can't be written in such a list, gets a short folder of its own under the system's temporary one, of a random name,
mode 0700, whose name is kept in ``server/socket.path`` so that the address survives a restart.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from pathlib import Path

from carbonledger.infra.postgres import faults, options
from carbonledger.infra.postgres import folder as folders

PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
_PREFIX = "carbonledger-"
_ANSWER_S = 1.0


def fits(socket_dir: Path, *, bytes_max: int = PATH_BYTES_MAX) -> bool:
    """Whether a socket in this folder can be bound, and its folder be named in a connection string."""
    name = os.fsencode(socket_dir / f".s.PGSQL.{options.SOCKET_PORT}")
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(name) <= bytes_max and b"," not in name and name.decode("utf-8").isprintable()


def prepare(folder: folders.Folder) -> Path:
    """Return the socket's folder, made if need be. Called by the database's user while no server runs."""
    if fits(folder.socket):
        folders.make_private(folder.socket)
        return folder.socket
    record = folder.server / "socket.path"
    if record.exists():
        kept = Path(os.fsdecode(record.read_bytes()))
        if _is_ours(kept):
            return kept
    fresh = _make_short()
    record.write_bytes(os.fsencode(fresh))
    return fresh


def _is_ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == stat.S_IRWXU


def _make_short() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a name that nobody can have taken
        if fits(Path(parent, _PREFIX + "x" * 8)) and os.access(parent, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    raise faults.FolderUnwritable(
        "The data folder's path is too long for a unix socket and /tmp can't be written; use a shorter path, or tcp."
    )


def present(socket_dir: Path) -> bool:
    """Whether the server's socket is still there: cleaners of temporary folders remove what looks old."""
    return (socket_dir / f".s.PGSQL.{options.SOCKET_PORT}").exists()


def clear(socket_dir: Path) -> None:
    """Remove what a killed server left. Only when none of its processes is alive."""
    for leftover in socket_dir.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def remove_short(folder: folders.Folder, socket_dir: Path) -> None:
    """Remove a folder made outside the data folder, once its server has ended."""
    if socket_dir != folder.socket and socket_dir.is_dir():
        clear(socket_dir)
        socket_dir.rmdir()
        (folder.server / "socket.path").unlink(missing_ok=True)


def answers(host: str, port: int) -> bool:
    """Whether a server accepts connections at this address now: its supervisor may not have noticed yet that it was killed."""
    unix = host.startswith("/")
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as probe:
        probe.settimeout(_ANSWER_S)
        try:
            probe.connect(f"{host}/.s.PGSQL.{port}" if unix else (host, port))
        except (TimeoutError, BlockingIOError):
            return True  # it listens, and is busy; of a unix socket whose queue is full the system says that another try may do
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def free_port() -> int:
    """Return a loopback port that is free now; another program may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((options.LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does: connections of an earlier server that linger in the kernel don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.LOOPBACK, port))
        except OSError:
            return False
    return True
