"""Which addresses a tenant may make us call. Pure: names and numbers in, a reason to refuse (or none) out.

The tables are IANA's special-purpose address registries (IPv4 and IPv6, as of 2025-10), written out because what Python's ``ipaddress``
calls global has changed between its versions. For IPv6 only the allocated global unicast range is allowed at all, so every form that
carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo) is refused without looking inside.

It does not resolve or connect: ``infra.http.transport`` asks ``refusal`` about the very address it then connects to.
"""

from __future__ import annotations

import ipaddress
import re

import httpx2

from carbonledger.infra.http import faults

URL_CHARS_MAX = 2048
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A laptop's owner may lift these (CARBONLEDGER_ALLOW_PRIVATE_WEBHOOKS): local machines, nothing that hands out credentials.
_LOCAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("127.0.0.0/8", "loopback"),
        ("10.0.0.0/8", "private"),
        ("172.16.0.0/12", "private"),
        ("192.168.0.0/16", "private"),
        ("::1/128", "loopback"),
        ("fc00::/7", "unique local"),
    )
)
# Cloud metadata services: exact addresses, because some lie inside ranges that a laptop may lift, and one is publicly routed.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google and others
        "169.254.170.2",  # AWS container credentials
        "168.63.129.16",  # Azure's host, in public address space
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS pod identity
        "fd20:ce::254",  # Google
    )
)
_NEVER: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "unspecified"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("169.254.0.0/16", "link-local"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("2001::/23", "reserved (Teredo and others)"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_HOST_CHARS_MAX = 253
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)  # what resolvers read as a number: decimal, octal, hexadecimal
_LOCAL_SUFFIXES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "onion")
_WEB_PORTS = frozenset({80, 443})
_PORT_MAX = 65535
_FREE_PORT_MIN = 1024  # below are services that take a request for something else (mail, files, directories)
# Above it, the ports that the Fetch standard refuses for the same reason (https://fetch.spec.whatwg.org/#port-blocking, 2025).
_BAD_PORTS = frozenset({1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080})


def refusal(address: Address, *, allow_private: bool = False) -> str | None:
    """Return why this address must not be called, or None."""
    if address in _METADATA:
        return "cloud metadata"
    for network, why in _LOCAL:
        if address in network:
            return None if allow_private else why
    for network, why in _NEVER:
        if address in network:
            return why
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_IPV6:
        return "not global unicast"
    return None


def check_url(text: str, *, allow_private: bool = False) -> httpx2.URL:
    """Return the parsed address of a webhook endpoint, judged by its spelling alone. Raises ``AddressRefused`` with the reason.

    For the moment it is registered and for each call and redirect; where its name leads is judged when connecting.
    """
    if len(text) > URL_CHARS_MAX:
        raise faults.AddressRefused(f"An address may have {URL_CHARS_MAX} characters.")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError):
        raise faults.AddressRefused("It is not a valid address.") from None
    if url.scheme not in {"https", "http"}:
        raise faults.AddressRefused("An address begins with https:// or http://.")
    if url.userinfo or "@" in text.partition("://")[2].split("/", 1)[0]:
        raise faults.AddressRefused("An address may not hold a user or a password.")
    why = _host_refusal(url.raw_host.decode("ascii"), allow_private=allow_private) or _port_refusal(url.port, allow_private=allow_private)
    if why:
        raise faults.AddressRefused(f"This address may not be called: {why}.")
    return url


def literal(host: str) -> Address | None:
    """Return the address that ``host`` spells out, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host_refusal(host: str, *, allow_private: bool) -> str | None:
    address = literal(host)
    if address is not None:
        return "an address with a zone" if "%" in host else refusal(address, allow_private=allow_private)
    if not host or len(host) > _HOST_CHARS_MAX or not _HOST.fullmatch(host):
        return "its host is no host name"  # a trailing dot, a percent sign, a backslash among them
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return "an unusual spelling of a number"
    if allow_private:
        return None
    if "." not in host or any(host == suffix or host.endswith(f".{suffix}") for suffix in _LOCAL_SUFFIXES):
        return "a local name"
    return None


def _port_refusal(port: int | None, *, allow_private: bool) -> str | None:
    if port is None or port in _WEB_PORTS:
        return None
    is_strange = not 0 < port <= _PORT_MAX or ((port < _FREE_PORT_MIN or port in _BAD_PORTS) and not allow_private)
    return f"port {port}" if is_strange else None
