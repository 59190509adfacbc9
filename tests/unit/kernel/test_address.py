"""One customer counts once, however many addresses they call from."""

from __future__ import annotations

import pytest

from carbonledger.kernel import address


@pytest.mark.parametrize(
    "given, counted",
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:0DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),  # the last address of the same /64, written the long way
        ("2001:db8:1:3::1", "2001:db8:1:3::"),  # the next /64
        ("::ffff:203.0.113.7", "203.0.113.7"),  # IPv4 through a dual-stack socket (RFC 4291, 2.5.5.2)
        ("fe80::1%eth0", "fe80::"),  # a zone names an interface of this machine
        ("::1", "::"),
        ("", ""),  # a Unix socket has no peer address
        ("unix:", "unix:"),
    ],
)
def test_an_address_is_counted_under_its_customer(given: str, counted: str) -> None:
    assert address.customer(given) == counted
