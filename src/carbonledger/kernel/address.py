"""What counts as one address where attempts and requests are counted."""

from __future__ import annotations

import ipaddress

CUSTOMER_BITS = 64  # of IPv6: what one customer of a provider has at the least, and may call from all of


def customer(address: str) -> str:
    """Return what ``address`` is counted under: itself, or the /64 that it is in; what is no IP address is given back as it is."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, CUSTOMER_BITS), strict=False).network_address)
