"""The socket that people reach the service at.

Owns: binding it, with one clear sentence for each way that can fail. ``up`` binds before anything else starts and hands the socket to
the API by its descriptor: a taken port is known at once, and while a killed API starts again, callers wait in the queue of the
socket instead of being refused.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

from carbonledger.kernel import errors

_BACKLOG = 2048


class PortTaken(errors.Conflict):
    """The port is in use."""

    code = "port_taken"


class AddressUnusable(errors.Fault):
    """The service can't listen on this address."""

    kind = errors.Kind.INVALID
    code = "address_unusable"


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on ``host`` and ``port`` (0: the system chooses). Raises ``PortTaken``, ``AddressUnusable``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise AddressUnusable(f"The host {host!r} is not an address of this machine; correct CARBONLEDGER_HOST.") from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise refusal(error, host, port) from error
        yield listener


def refusal(error: OSError, host: str, port: int, *, chosen_with: str = "CARBONLEDGER_PORT") -> errors.Fault:
    """Return what to say where listening failed: ``PortTaken`` or ``AddressUnusable``."""
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"Port {port} on {host} is in use by another program; stop it, or choose another port with {chosen_with}.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return AddressUnusable(f"You may not listen on port {port}; choose one above 1023 with {chosen_with}.")
    return AddressUnusable(f"{host} is not an address of this machine ({error.strerror}); correct CARBONLEDGER_HOST.")


def reachable_host(host: str) -> str:
    """Return where this machine itself reaches a listener on ``host``: a wildcard is not an address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
