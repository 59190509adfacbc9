"""Whose address a request comes from: the peer's, or what a trusted proxy says of it.

``X-Forwarded-For`` is believed only from peers in ``CARBONLEDGER_TRUSTED_PROXIES``, and read from the right: each trusted hop vouches for
the one before it, and the first that is not trusted is the client. What stands further left was written by the client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from carbonledger.entrypoints.shared import exchange
from carbonledger.kernel import errors

HOPS_MAX = 20  # of one request; no chain of proxies is longer
_HEADER = b"x-forwarded-for"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ProxiesUnreadable(errors.Fault):
    """CARBONLEDGER_TRUSTED_PROXIES is not a list of addresses and networks."""

    kind = errors.Kind.INVALID
    code = "trusted_proxies_unreadable"


class Proxies:
    """The peers whose word on the client's address counts."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Read addresses and networks. Raises ``ProxiesUnreadable``."""
        self._networks: list[Network] = []
        for entry in trusted:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                raise ProxiesUnreadable(f"{entry!r} is neither an address nor a network, such as 10.0.0.0/8.") from None

    def client(self, scope: exchange.Scope) -> str:
        """Return the client's address, in its shortest form; the peer's unless a trusted proxy says better."""
        peer = scope.get("client")
        address: str = peer[0] if peer else ""
        if not self._networks or not self._is_trusted(_parsed(address)):
            return address
        forwarded = b",".join(value for name, value in scope["headers"] if name == _HEADER)
        for hop in reversed(forwarded.decode("latin-1").split(",")[-HOPS_MAX:]):
            parsed = _parsed(hop.strip())
            if parsed is None:
                break  # written by no proxy: the last hop that we could read is the client, as far as anybody vouches
            address = str(parsed)
            if not self._is_trusted(parsed):
                break
        return address

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parsed(text: str) -> Address | None:
    """Return the address in ``text`` (a port or brackets are dropped), or None if there is none; a mapped IPv4 address is IPv4."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
