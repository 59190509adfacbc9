"""The listening socket: each way it can fail is one clear sentence."""

from __future__ import annotations

import socket

import pytest

from carbonledger.entrypoints.cli import listener
from tests import until


def test_the_system_chooses_a_port_when_asked_to() -> None:
    with listener.listening("127.0.0.1", 0) as sock:
        host, port = sock.getsockname()
        with socket.create_connection((host, port), timeout=until.DEADLINE_S):
            pass

    assert port > 0


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with listener.listening("127.0.0.1", 0) as sock, pytest.raises(listener.PortTaken) as caught:  # noqa: SIM117
        with listener.listening("127.0.0.1", sock.getsockname()[1]):
            pass

    assert caught.value.detail == (
        f"Port {sock_port(caught)} on 127.0.0.1 is in use by another program; stop it, or choose another port with CARBONLEDGER_PORT."
    )


def sock_port(caught: pytest.ExceptionInfo[listener.PortTaken]) -> str:
    return str(caught.value.detail).split()[1]


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.1",  # TEST-NET-1 (RFC 5737): no machine has it
        "no-such-host.invalid",  # RFC 2606: never resolves
    ],
)
def test_a_host_that_is_not_ours_is_named_with_the_remedy(host: str) -> None:
    with pytest.raises(listener.AddressUnusable, match=r"is not an address of this machine.*correct CARBONLEDGER_HOST"):  # noqa: SIM117
        with listener.listening(host, 0):
            pass


@pytest.mark.parametrize(
    "host, reachable",
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("example.org", "example.org")],
)
def test_a_wildcard_is_reached_by_loopback(host: str, reachable: str) -> None:
    assert listener.reachable_host(host) == reachable
