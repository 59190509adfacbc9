"""Addresses that tenants supply: what is connected to is what was checked, for every connection and after every redirect."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterable
from pathlib import Path

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from carbonledger.infra import http, retry
from carbonledger.infra.http import transport
from tests.integration.infra.http import peer

ENDPOINT = "http://endpoint.example"
LIMITS = http.Limits(connect_s=60.0, read_s=60.0, total_s=120.0)
ONE_ATTEMPT = retry.Policy(attempts_max=1, unknown_attempts_max=1, base_s=0.0, cap_s=0.0)


class Names:
    """A resolver that says what a test wants, one answer after the other (the last again), and counts the questions."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Wire(httpcore2.AsyncMockBackend):
    """In place of the network: remembers which addresses were connected to, and answers for all of them."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__([])
        self.answers = list(answers)
        self.connected: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.connected.append(host)
        return httpcore2.AsyncMockStream([self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]])


def guarded(
    resolver: http.Resolver, *, allow_private: bool = False, context: ssl.SSLContext | None = None, limits: http.Limits = LIMITS
) -> http.Client:
    return http.Client(
        "webhook",
        limits=limits,
        policy=ONE_ATTEMPT,
        guarded=http.Guarded(allow_private=allow_private, resolver=resolver),
        ssl_context=context or ssl.create_default_context(),
    )


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Stands under the guard, where connections to public addresses would be made."""
    fake = Wire(peer.answer(body=b"ok"))
    monkeypatch.setattr(httpcore2, "AnyIOBackend", lambda: fake)
    return fake


async def test_a_public_address_is_called_by_the_address_that_was_checked(wire: Wire) -> None:
    names = Names(("93.184.215.14",))
    async with guarded(names) as webhook:
        assert (await webhook.request("POST", ENDPOINT + ":8080/hook")).body == b"ok"
    assert wire.connected == ["93.184.215.14"]  # the inner connection never sees a name it could resolve again
    assert names.asked == [("endpoint.example", 8080)]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "0.0.0.0"]
)
async def test_a_name_that_leads_inside_is_refused_before_connecting(wire: Wire, address: str) -> None:
    async with guarded(Names((address,))) as webhook:
        with pytest.raises(http.AddressRefused, match="its name leads to") as caught:
            await webhook.request("POST", ENDPOINT)
    assert wire.connected == []
    assert retry.classify(caught.value) is retry.Outcome.PERMANENT


async def test_one_bad_address_among_good_ones_refuses_all(wire: Wire) -> None:
    async with guarded(Names(("93.184.215.14", "2606:4700:4700::1111", "10.0.0.1"))) as webhook:
        with pytest.raises(http.AddressRefused):
            await webhook.request("POST", ENDPOINT)
    assert wire.connected == []


async def test_a_name_that_changes_its_mind_is_checked_anew_for_each_connection(wire: Wire) -> None:
    names = Names(("93.184.215.14",), ("127.0.0.1",))
    async with guarded(names) as webhook:
        assert (await webhook.request("POST", ENDPOINT)).status == 200
        with pytest.raises(http.AddressRefused):
            await webhook.request("POST", ENDPOINT)
    assert wire.connected == ["93.184.215.14"]
    assert len(names.asked) == 2


async def test_one_question_decides_both_the_check_and_the_connection() -> None:
    # A rebinding name server: whoever asks twice gets another machine the second time. There must be no second question.
    async with peer.running(peer.always(peer.answer(body=b"checked"))) as server:
        names = Names(("127.0.0.1",), ("127.0.0.9",))
        async with guarded(names, allow_private=True) as webhook:
            assert (await webhook.request("POST", f"{ENDPOINT}:{server.port}")).body == b"checked"
    assert len(names.asked) == 1
    assert server.requests[0].headers["host"] == f"endpoint.example:{server.port}"


REDIRECTS = [
    "http://127.0.0.1/",
    "http://10.0.0.1:8080/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://localhost/",
    "http://metadata.google.internal/",
    "http://endpoint.example:22/",
    "//127.0.0.1/",
]


@pytest.mark.parametrize("location", REDIRECTS)
async def test_a_redirect_inside_is_refused(wire: Wire, location: str) -> None:
    wire.answers = [peer.answer(307, b"", location=location), peer.answer(body=b"inside")]
    async with guarded(Names(("93.184.215.14",))) as webhook:
        with pytest.raises((http.AddressRefused, http.RedirectRefused)):
            await webhook.request("POST", ENDPOINT + "/a/")
    assert set(wire.connected) == {"93.184.215.14"}


async def test_a_redirect_to_a_name_that_leads_inside_is_refused(wire: Wire) -> None:
    wire.answers = [peer.answer(307, b"", location="http://inside.example/"), peer.answer(body=b"inside")]
    async with guarded(Names(("93.184.215.14",), ("10.0.0.1",))) as webhook:
        with pytest.raises(http.AddressRefused):
            await webhook.request("POST", ENDPOINT)
    assert wire.connected == ["93.184.215.14"]


async def test_a_redirect_to_itself_is_checked_again(wire: Wire) -> None:
    wire.answers = [peer.answer(307, b"", location="/again"), peer.answer(body=b"inside")]
    async with guarded(Names(("93.184.215.14",), ("10.0.0.1",))) as webhook:
        with pytest.raises(http.AddressRefused):
            await webhook.request("POST", ENDPOINT)
    assert wire.connected == ["93.184.215.14"]


async def test_a_redirect_to_another_public_address_is_followed(wire: Wire) -> None:
    wire.answers = [peer.answer(307, b"", location="http://other.example/"), peer.answer(body=b"there")]
    async with guarded(Names(("93.184.215.14",), ("1.1.1.1",))) as webhook:
        assert (await webhook.request("POST", ENDPOINT)).body == b"there"
    assert wire.connected == ["93.184.215.14", "1.1.1.1"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost/", "http://2130706433/", "https://user@endpoint.example/", "ftp://endpoint.example/"]
)
async def test_the_spelling_is_judged_before_anybody_is_asked(wire: Wire, url: str) -> None:
    names = Names(("93.184.215.14",))
    async with guarded(names) as webhook:
        with pytest.raises(http.AddressRefused):
            await webhook.request("POST", url)
    assert (names.asked, wire.connected) == ([], [])


async def test_a_real_loopback_server_is_never_reached() -> None:
    async with peer.running(peer.always(peer.answer())) as server, guarded(transport.system_resolver) as webhook:
        for host in ("127.0.0.1", "localhost", "127.1", "0", "[::ffff:127.0.0.1]"):
            with pytest.raises(http.AddressRefused):
                await webhook.request("POST", f"http://{host}:{server.port}/")
    assert server.connections == 0


async def test_the_systems_resolver_answers_too() -> None:
    async with peer.running(peer.always(peer.answer())) as server, guarded(transport.system_resolver, allow_private=True) as webhook:
        assert (await webhook.request("POST", f"http://localhost:{server.port}/")).status == 200


async def test_a_laptop_still_reaches_no_metadata(wire: Wire) -> None:
    async with guarded(Names(("169.254.169.254",)), allow_private=True) as webhook:
        with pytest.raises(http.AddressRefused, match="metadata"):
            await webhook.request("POST", ENDPOINT)
    assert wire.connected == []


async def test_the_second_address_is_tried_when_the_first_is_away() -> None:
    names = Names(("::1", "127.0.0.1"))  # nobody listens on the first
    async with peer.running(peer.always(peer.answer(body=b"ok"))) as server, guarded(names, allow_private=True) as webhook:
        assert (await webhook.request("POST", f"{ENDPOINT}:{server.port}")).body == b"ok"


async def test_a_name_without_address_is_unreachable() -> None:
    class Nothing:
        async def __call__(self, host: str, port: int) -> tuple[str, ...]:
            raise OSError("no such name")

    for resolver in (Nothing(), Names(()), Names(("not an address",))):
        async with guarded(resolver) as webhook:
            with pytest.raises(http.ConnectFailed):
                await webhook.request("POST", ENDPOINT)


async def test_a_resolver_that_hangs_costs_the_connect_limit() -> None:
    class Hanging:
        async def __call__(self, host: str, port: int) -> tuple[str, ...]:
            await asyncio.Event().wait()
            raise AssertionError("never")

    async with guarded(Hanging(), limits=http.Limits(connect_s=0.05)) as webhook:
        with pytest.raises(http.ConnectFailed, match="timed out connecting"):
            await webhook.request("POST", ENDPOINT)


async def test_the_environments_proxy_plays_no_part(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with guarded(Names(("93.184.215.14",))) as webhook:
        assert (await webhook.request("POST", ENDPOINT)).body == b"ok"
    assert wire.connected == ["93.184.215.14"]


async def test_a_local_socket_is_no_way_around() -> None:
    with pytest.raises(http.AddressRefused):
        await transport.GuardedBackend().connect_unix_socket("/run/docker.sock")


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for ``name`` and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("203.0.113.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(pem + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_over_tls_the_name_stays_the_name(tmp_path: Path) -> None:
    server_context, client_context = certificate("endpoint.example", tmp_path)
    asked: list[str | None] = []
    server_context.sni_callback = lambda connection, name, context: asked.append(name)
    script = peer.always(peer.answer(body=b"ok"))
    webhook = guarded(Names(("127.0.0.1",)), allow_private=True, context=client_context)
    async with peer.running(script, context=server_context) as server, webhook:
        answer = await webhook.request("POST", f"https://endpoint.example:{server.port}/")
    assert answer.body == b"ok"
    assert asked == ["endpoint.example"]
    assert server.requests[0].headers["host"] == f"endpoint.example:{server.port}"


async def test_over_tls_another_names_certificate_is_refused(tmp_path: Path) -> None:
    server_context, client_context = certificate("other.example", tmp_path)
    webhook = guarded(Names(("127.0.0.1",)), allow_private=True, context=client_context)
    async with peer.running(peer.always(peer.answer()), context=server_context) as server, webhook:
        with pytest.raises(http.CertificateRefused):
            await webhook.request("POST", f"https://endpoint.example:{server.port}/")
    assert server.requests == []
