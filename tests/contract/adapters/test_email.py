"""The mailer against a real SMTP server that takes mail, refuses it, hangs up and stays silent."""

from __future__ import annotations

import datetime as dt
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from carbonledger.adapters import email as adapter
from carbonledger.infra import mail, retry
from carbonledger.kernel.secret import SecretText
from carbonledger_sandbox import smtp
from tests import until

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
MESSAGE = mail.Message(
    to="ann@example.com", subject="Your receipt", text="Dear Ann,\n.\nhere it is.", key="event-1:ann", html="<p>here</p>"
)
SECRET = "hunter2@/:"
SILENCE = ""  # to the stand-in: say nothing, and stay


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server called localhost, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    Path(path).write_bytes(
        pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


def mailer(
    server: smtp.SmtpServer,
    *,
    scheme: str = "smtp+plain",
    login: str = "",
    context: ssl.SSLContext | None = None,
    step_s: float = until.DEADLINE_S,
) -> adapter.SmtpMailer:
    url = SecretText(f"{scheme}://{login}localhost:{server.port}")
    sender = "Carbon Ledger <no-reply@ledger.example>"
    return adapter.SmtpMailer(url, sender=sender, step_s=step_s, total_s=8 * until.DEADLINE_S, tls_context=context)


async def test_a_message_arrives_with_its_envelope_and_both_texts() -> None:
    async with smtp.SmtpServer().running() as server:
        await mailer(server).send(MESSAGE, now=NOW)
    (arrived,) = server.mails
    assert (arrived.sender, arrived.recipients) == ("no-reply@ledger.example", ("ann@example.com",))
    assert (arrived.user, arrived.over_tls) == (None, False)
    assert arrived.message["Subject"] == "Your receipt"
    plain, html = arrived.message.get_body(("plain",)), arrived.message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().splitlines() == ["Dear Ann,", ".", "here it is."]
    assert html.get_content().strip() == "<p>here</p>"
    assert server.commands[-1] == "QUIT"


async def test_the_same_key_gives_the_same_message_id() -> None:
    async with smtp.SmtpServer().running() as server:
        await mailer(server).send(MESSAGE, now=NOW)
        await mailer(server).send(MESSAGE, now=NOW + dt.timedelta(hours=1))
    first, second = server.mails
    assert first.message["Message-ID"] == second.message["Message-ID"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_over_tls_with_a_password(tls: tuple[ssl.SSLContext, ssl.SSLContext], scheme: str) -> None:
    running = smtp.SmtpServer(users={"me@x": SECRET}, context=tls[0], implicit_tls=scheme == "smtps").running()
    async with running as server:
        await mailer(server, scheme=scheme, login="me%40x:hunter2%40%2F%3A@", context=tls[1]).send(MESSAGE, now=NOW)
    (arrived,) = server.mails
    assert (arrived.user, arrived.over_tls) == ("me@x", True)
    starts = [verb for verb in server.commands if verb in {"STARTTLS", "AUTH", "MAIL"}]
    assert starts == ["STARTTLS", "AUTH", "MAIL"] if scheme == "smtp" else ["AUTH", "MAIL"]


async def test_starttls_is_never_done_without() -> None:
    # an attacker on the path removes the offer; the password and the mail must stay here
    async with smtp.SmtpServer(users={"me": SECRET}).running() as server:
        with pytest.raises(mail.MailSetupRefused):
            await mailer(server, scheme="smtp", login="me:hunter2@").send(MESSAGE, now=NOW)
    assert not server.mails
    assert "AUTH" not in server.commands


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_does_not_verify_is_refused(tls: tuple[ssl.SSLContext, ssl.SSLContext], scheme: str) -> None:
    running = smtp.SmtpServer(context=tls[0], implicit_tls=scheme == "smtps").running()
    async with running as server:
        with pytest.raises(mail.MailSetupRefused, match="certificate"):
            await mailer(server, scheme=scheme, context=ssl.create_default_context()).send(MESSAGE, now=NOW)
    assert not server.mails


async def test_a_wrong_password_is_permanent_and_shown_nowhere() -> None:
    async with smtp.SmtpServer(users={"me": "other"}).running() as server:
        with pytest.raises(mail.MailSetupRefused, match=r"535 5\.7\.8") as caught:
            await mailer(server, login="me:hunter2@").send(MESSAGE, now=NOW)
    assert "hunter2" not in repr(caught.value)
    assert retry.classify(caught.value) is retry.Outcome.PERMANENT


ANSWERS = [
    # stage, what the server says, the fault, the verdict (RFC 5321, section 4.2.1: 4yz transient, 5yz permanent)
    ("CONNECT", "421 4.3.2 too busy", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("CONNECT", "554 5.7.1 we know you", mail.MailSetupRefused, retry.Outcome.PERMANENT),
    ("EHLO", "421 4.3.2 shutting down", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("MAIL", "451 4.3.0 try later", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("MAIL", "553 5.1.8 not from there", mail.MailRefused, retry.Outcome.PERMANENT),
    ("RCPT", "450 4.2.1 <ann@example.com> greylisted", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("RCPT", "452 4.2.2 <ann@example.com> mailbox full", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("RCPT", "550 5.1.1 <ann@example.com> unknown", mail.MailRefused, retry.Outcome.PERMANENT),
    ("RCPT", "550 no enhanced code for ann@example.com", mail.MailRefused, retry.Outcome.PERMANENT),
    ("DATA", "451 4.7.1 later", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("DATA", "554 5.7.0 no", mail.MailRefused, retry.Outcome.PERMANENT),
    ("BODY", "452 4.3.1 disk full", mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("BODY", "554 5.6.0 looks like spam", mail.MailRefused, retry.Outcome.PERMANENT),
    # no answer at all
    ("CONNECT", None, mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("RCPT", None, mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("BODY", None, mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("CONNECT", SILENCE, mail.MailUnavailable, retry.Outcome.TRANSIENT),
    ("MAIL", SILENCE, mail.MailUnavailable, retry.Outcome.TRANSIENT),
]


@pytest.mark.parametrize("verb, reply, fault, outcome", ANSWERS, ids=str)
async def test_an_answer_decides_whether_to_try_again(
    verb: str, reply: str | None, fault: type[mail.MailFault], outcome: retry.Outcome
) -> None:
    async with smtp.SmtpServer().running() as server:
        server.fail(verb, reply, times=3)
        with pytest.raises(mail.MailFault) as caught:
            await mailer(server, step_s=0.5 if reply == SILENCE else until.DEADLINE_S).send(MESSAGE, now=NOW)
    assert type(caught.value) is fault
    assert retry.classify(caught.value) is outcome
    assert not server.mails
    assert "ann@example.com" not in str(caught.value)
    assert caught.value.__cause__ is None
    if reply:
        assert reply[:3] in str(caught.value)


@pytest.mark.parametrize("reply", [None, SILENCE, "500 no"], ids=str)
async def test_a_farewell_that_fails_changes_nothing(reply: str | None) -> None:
    async with smtp.SmtpServer().running() as server:
        server.fail("QUIT", reply)
        await mailer(server, step_s=3.0 if reply == SILENCE else until.DEADLINE_S).send(MESSAGE, now=NOW)
    assert len(server.mails) == 1


async def test_a_server_that_is_away_is_transient() -> None:
    async with smtp.SmtpServer().running() as server:
        pass
    with pytest.raises(mail.MailUnavailable) as caught:
        await mailer(server).send(MESSAGE, now=NOW)
    assert retry.classify(caught.value) is retry.Outcome.TRANSIENT


async def test_a_silent_server_costs_the_total_at_most() -> None:
    async with smtp.SmtpServer().running() as server:
        server.fail("CONNECT", "")
        slow = adapter.SmtpMailer(SecretText(f"smtp+plain://localhost:{server.port}"), sender="a@b.example", step_s=60, total_s=0.2)
        with pytest.raises(mail.MailUnavailable, match="in time"):
            await slow.send(MESSAGE, now=NOW)


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example.com\r\nRCPT TO:<evil@example.com>",
        "ann@example.com\nBcc: evil@example.com",
        "ann@example.com, evil@example.com",
        "Ann <ann@example.com>",
        "<ann@example.com>",
        "ann@example.com>",
        "ann@example.com NOTIFY=SUCCESS",
        "a" * 250 + "@example.com",
        "ann@exam\0ple.com",
        '"ann b"@example.com',
        ".ann@example.com",
        "ann..b@example.com",
        "ann@-example.com",
        "ann@[127.0.0.1]",
        "a" * 65 + "@example.com",
    ],
    ids=ascii,
)
async def test_a_recipient_that_is_no_single_address_is_refused_before_connecting(to: str) -> None:
    async with smtp.SmtpServer().running() as server:
        with pytest.raises(mail.MailInvalid) as caught:
            await mailer(server).send(mail.Message(to=to, subject="a", text="b", key="c"), now=NOW)
    assert server.commands == []
    assert "evil" not in str(caught.value)


async def test_a_domain_in_another_script_is_written_in_ascii() -> None:
    async with smtp.SmtpServer().running() as server:
        await mailer(server).send(mail.Message(to="ann@münchen.example", subject="a", text="b", key="c"), now=NOW)
    assert server.mails[0].recipients == ("ann@xn--mnchen-3ya.example",)


async def test_letters_before_the_at_need_a_server_that_takes_them() -> None:
    message = mail.Message(to="änn@example.com", subject="a", text="b", key="c")
    async with smtp.SmtpServer().running() as server:
        await mailer(server).send(message, now=NOW)
    assert server.mails[0].recipients == ("änn@example.com",)
    assert "To: änn@example.com\r\n".encode() in server.mails[0].raw
    async with smtp.SmtpServer(utf8=False).running() as server:
        with pytest.raises(mail.MailRefused, match="ASCII"):
            await mailer(server).send(message, now=NOW)
    assert not server.mails
