"""Which addresses a tenant may make us call."""

from __future__ import annotations

import ipaddress

import pytest

from carbonledger.infra import http
from carbonledger.infra.http import guard

REFUSED = [
    # loopback and unspecified
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    # private (RFC 1918), both ends of each block
    "10.0.0.0",
    "10.255.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.255.255",
    # carrier-grade NAT (RFC 6598)
    "100.64.0.0",
    "100.127.255.255",
    # link-local and metadata
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    # reserved, documentation, benchmarking, multicast, broadcast
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    # unique local and the retired site-local
    "fc00::1",
    "fdff:ffff::1",
    "fec0::1",
    # an IPv4 address inside an IPv6 one, of a private or of a public address
    "::ffff:127.0.0.1",
    "::ffff:93.184.215.14",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:5db8:d70e::1",
    "2001:0:7f00:1::",
    "2001::1",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    # the neighbours of what is refused
    "9.255.255.255",
    "11.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001:830::200e",
]


@pytest.mark.parametrize("text", REFUSED)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert guard.refusal(ipaddress.ip_address(text)) is not None


@pytest.mark.parametrize("text", ALLOWED)
def test_a_public_address_is_allowed(text: str) -> None:
    assert guard.refusal(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "10.1.2.3", "172.20.0.1", "192.168.1.1", "fd12::1"])
def test_a_laptop_may_call_local_machines(text: str) -> None:
    assert guard.refusal(ipaddress.ip_address(text), allow_private=True) is None


@pytest.mark.parametrize(
    "text", ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "0.0.0.0", "224.0.0.1", "::ffff:127.0.0.1", "fe80::1"]
)
def test_a_laptop_may_not_call_what_hands_out_credentials_or_is_no_machine(text: str) -> None:
    assert guard.refusal(ipaddress.ip_address(text), allow_private=True) is not None


URLS_ALLOWED = [
    "https://example.com",
    "https://example.com/hook?a=b#c",
    "http://example.com:80/",
    "https://example.com:8443/hook",
    "https://EXAMPLE.com/",
    "https://münchen.example/",
    "https://xn--mnchen-3ya.example/",
    "https://a_b.example.com/",
    "https://93.184.215.14/",
    "https://[2606:4700:4700::1111]/",
    "https://example.com/a@b",
    "https://example.com/?next=http://127.0.0.1/",
    "https://1a.example1/",
]


@pytest.mark.parametrize("text", URLS_ALLOWED)
def test_an_ordinary_address_is_accepted(text: str) -> None:
    assert http.check_url(text).scheme in {"http", "https"}


URLS_REFUSED = [
    # schemes
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "//example.com/",
    "example.com",
    "",
    "https://",
    "https:///path",
    "https://:443/",
    # user information, and what looks like it
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com%40127.0.0.1/",
    # local names
    "https://localhost/",
    "https://LOCALHOST/",
    "https://foo.localhost/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://vault.corp/",
    "https://redis/",
    "https://metadata/",
    # a trailing dot names the same host to a resolver, and another one to a list
    "https://example.com./",
    "https://localhost./",
    "https://127.0.0.1./",
    # numbers as resolvers read them: 127.0.0.1 in decimal, hexadecimal, octal and short forms
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.0x1/",
    "https://0/",
    "https://1.2.3.4.5/",
    "https://example.0x7f/",
    "https://foo.1/",
    "https://256.1.1.1/",
    "https://01.02.03.04/",
    # the same through Unicode: full-width digits, ideographic full stops, a soft hyphen
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://loc\u00adalhost/",
    "https://\u24dbocalhost/",
    # addresses that are refused
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[64:ff9b::7f00:1]/",
    # ports of other services
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:6379@evil/",
    "https://example.com:6667/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:-1/",
    "https://example.com:http/",
    # broken or hostile text
    "https://exa mple.com/",
    "https://example.com/\r\nHost: evil",
    "https://exam\x00ple.com/",
    "https://example..com/",
    "https://.example.com/",
    "https://-example.com/",
    "https://exa%6dple.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 130 + "com/",
    "https://example.com/" + "a" * 2048,
    "https://[::1/",
    "https://\ud800.example/",
]


@pytest.mark.parametrize("text", URLS_REFUSED, ids=ascii)
def test_an_unusual_address_is_refused(text: str) -> None:
    with pytest.raises(http.AddressRefused):
        http.check_url(text)


@pytest.mark.parametrize(
    "text", ["http://localhost:8400/", "http://127.0.0.1:5000/", "http://redis:80/", "http://box.local/", "http://[::1]:99/"]
)
def test_a_laptop_may_name_local_hosts_and_any_port(text: str) -> None:
    assert http.check_url(text, allow_private=True).host


@pytest.mark.parametrize(
    "text",
    ["http://user@localhost/", "http://2130706433/", "http://127.1/", "http://localhost./", "ftp://localhost/", "http://169.254.169.254/"],
)
def test_a_laptop_still_spells_addresses_plainly(text: str) -> None:
    with pytest.raises(http.AddressRefused):
        http.check_url(text, allow_private=True)


def test_the_reason_is_told_and_the_password_is_not() -> None:
    with pytest.raises(http.AddressRefused, match="may not hold a user") as caught:
        http.check_url("https://user:hunter2@example.com/")
    assert "hunter2" not in f"{caught.value!r}"
    assert caught.value.__cause__ is None
    with pytest.raises(http.AddressRefused, match="loopback"):
        http.check_url("https://127.0.0.1/")
