"""Whose address counts: the peer's, or what trusted proxies say, read from the right."""

from __future__ import annotations

import pytest

from carbonledger.entrypoints.shared import addresses


@pytest.mark.parametrize(
    "trusted, peer, forwarded, client",
    [
        ((), "10.0.0.1", [b"198.51.100.7"], "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", [], "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", [b"198.51.100.7"], "198.51.100.7"),
        (("10.0.0.0/8",), "10.0.0.1", [b"192.0.2.1, 198.51.100.7"], "198.51.100.7"),  # the client wrote the first
        (("10.0.0.0/8",), "10.0.0.1", [b"192.0.2.1", b"198.51.100.7, 10.0.0.2"], "198.51.100.7"),  # two headers are one list
        (("10.0.0.0/8",), "10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # all of them trusted: the first of them
        (("10.0.0.0/8",), "10.0.0.1", [b"198.51.100.7, unknown"], "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", [b"198.51.100.7:1234"], "198.51.100.7"),
        (("10.0.0.0/8",), "10.0.0.1", [b"[2001:DB8::7]:1234"], "2001:db8::7"),
        (("10.0.0.0/8",), "10.0.0.1", [b"::ffff:198.51.100.7"], "198.51.100.7"),  # IPv4 in IPv6 is IPv4
        (("10.0.0.0/8",), "::ffff:10.0.0.1", [b"198.51.100.7"], "198.51.100.7"),
        (("2001:db8::/32",), "2001:db8::1", [b"198.51.100.7"], "198.51.100.7"),
        (("10.0.0.1",), "10.0.0.1", [b",".join([b"10.0.0.1"] * 1000)], "10.0.0.1"),
        (("10.0.0.1",), "10.0.0.2", [b"198.51.100.7"], "10.0.0.2"),
        (("10.0.0.1",), "a socket", [b"198.51.100.7"], "a socket"),
    ],
)
def test_the_first_hop_from_the_right_that_nobody_trusts_is_the_client(
    trusted: tuple[str, ...], peer: str, forwarded: list[bytes], client: str
) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value) for value in forwarded)]
    assert addresses.Proxies(trusted).client({"client": (peer, 4711), "headers": headers}) == client


def test_a_peer_without_an_address_has_none() -> None:
    assert addresses.Proxies(()).client({"client": None, "headers": []}) == ""


@pytest.mark.parametrize("wrong", ["proxy.example.com", "10.0.0.0/99", ""])
def test_what_is_no_address_is_named(wrong: str) -> None:
    with pytest.raises(addresses.ProxiesUnreadable, match="is neither an address nor a network"):
        addresses.Proxies([wrong])
