"""The socket that stand-ins are served on."""

from __future__ import annotations

import socket


def on(host: str, port: int) -> socket.socket:
    """Return a socket that listens at ``host`` and ``port`` (0: the system chooses)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return prompt(socket.create_server((host, port), family=family, backlog=128))


def prompt(listener: socket.socket) -> socket.socket:
    """Let what it accepts send without waiting.

    uvicorn writes head and body one after the other, and asyncio lets the second wait for the acknowledgement of the first, which the
    other side delays by 40 ms: it knows a socket for TCP by its ``proto``, which nobody told ``create_server``.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
