"""What goes into an e-mail, and what can't."""

from __future__ import annotations

import email
import email.header
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from carbonledger.adapters import email as adapter
from carbonledger.infra import mail
from carbonledger.kernel.secret import SecretText

NOW = datetime(2026, 11, 21, 12, 30, 0, tzinfo=UTC)
SENDER = adapter.parse_sender("Carbon Ledger <no-reply@ledger.example>")


def message(
    subject: str = "Hello", text: str = "Hi.", html: str | None = None, key: str = "event-1:member-1", to: str = "ann@example.com"
) -> mail.Message:
    return mail.Message(to=to, subject=subject, text=text, key=key, html=html)


def wired(value: mail.Message) -> bytes:
    return adapter.build(value, sender=SENDER, recipient=adapter.parse_address(value.to), now=NOW)


def read(value: mail.Message) -> EmailMessage:
    return email.message_from_bytes(wired(value), policy=email.policy.default)


def test_the_headers_are_those_of_an_automatic_mail() -> None:
    parsed = read(message())
    assert parsed["From"] == "Carbon Ledger <no-reply@ledger.example>"
    assert parsed["To"] == "ann@example.com"
    assert parsed["Subject"] == "Hello"
    assert parsed["Date"] == "Sat, 21 Nov 2026 12:30:00 +0000"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content() == "Hi.\r\n"


def test_the_message_id_follows_from_the_key_alone() -> None:
    first, again, other = (read(message(text=text, key=key))["Message-ID"] for text, key in (("a", "k1"), ("b", "k1"), ("a", "k2")))
    assert first == again != other
    assert first.startswith("<")
    assert first.endswith("@ledger.example>")
    assert "k1" not in first  # a key may hold ids that are nobody's business


def test_with_html_the_plain_text_stays_the_first_choice_of_simple_readers() -> None:
    parsed = read(message(text="plain", html="<p>rich</p>"))
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    html = parsed.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<p>rich</p>"


@pytest.mark.parametrize(
    "text",
    [
        "ünïcödé ✓",
        "a" * 5000,  # longer than a line of SMTP
        ".\r\n.\r\nQUIT\r\n",  # dots that could end the message
        "From the start\n>From",
        "tab\tand trailing space \n",
        "=?utf-8?q?not_encoded?=",
    ],
)
def test_a_text_arrives_as_it_was(text: str) -> None:
    arrived = read(message(text=text, html=f"<p>{text}</p>")).get_body(("plain",))
    assert arrived is not None
    assert arrived.get_content().replace("\r\n", "\n").strip("\n") == text.replace("\r\n", "\n").strip("\n")


@pytest.mark.parametrize("text", ["a\rb", ".\rQUIT", "é" * 400, ".", "a" * 2000 + "\n."])
def test_what_is_on_the_wire_is_ascii_in_short_lines_with_whole_line_ends(text: str) -> None:
    raw = wired(message(text=text, html=text, subject="é" * 200))
    assert raw.isascii()
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("subject", ["Grüße ✓", "x" * 200, "é" * 200, "a b " * 49, "a, b <c@d>", '"quoted"', "a: b"])
def test_a_subject_arrives_as_it_was(subject: str) -> None:
    assert read(message(subject=subject))["Subject"].strip() == subject.strip()


@pytest.mark.parametrize("subject", ["=?utf-8?q?=0D=0ABcc:_evil@example.com?=", "a =?utf-8?b?DQpCY2M6IGV2aWw=?= b"])
def test_a_subject_that_hides_a_line_end_in_an_encoded_word_adds_no_header(subject: str) -> None:
    # Python's EmailMessage decodes such a word when it is set, and writes the line end out.
    raw = wired(message(subject=subject))
    assert b"evil" not in raw
    assert b"bcc" not in raw.lower()
    encoded = email.message_from_bytes(raw)["Subject"]
    assert "".join(part if isinstance(part, str) else part.decode() for part, _ in email.header.decode_header(encoded)) == subject


@pytest.mark.parametrize(
    "subject",
    ["a\r\nBcc: evil@example.com", "a\nb", "a\rb", "a\0b", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "\ud800", "", "   ", "x" * 201],
    ids=ascii,
)
def test_a_subject_that_is_no_line_is_refused(subject: str) -> None:
    with pytest.raises(mail.MailInvalid):
        wired(message(subject=subject))


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * (512 * 1024 + 1)], ids=lambda text: ascii(text[:5]))
def test_a_text_that_can_not_be_written_is_refused(text: str) -> None:
    with pytest.raises(mail.MailInvalid):
        wired(message(text=text))
    with pytest.raises(mail.MailInvalid):
        wired(message(html=text))


def test_a_message_shows_its_key_alone() -> None:
    shown = repr(mail.Message(to="ann@example.com", subject="Reset", text="https://x/?token=abc", key="k1", html="<p>"))
    assert shown == "Message(key='k1')"


@pytest.mark.parametrize(
    "url, expected",
    [
        ("smtp://mail.example", ("smtp", "mail.example", 587, None, None)),
        ("smtps://mail.example", ("smtps", "mail.example", 465, None, None)),
        ("smtp+plain://mail.example", ("smtp+plain", "mail.example", 25, None, None)),
        ("smtp://me%40example.com:p%40%2F%3Ass@mail.example:2525/", ("smtp", "mail.example", 2525, "me@example.com", "p@/:ss")),
        ("smtp+plain://me:pw@127.0.0.1:25", ("smtp+plain", "127.0.0.1", 25, "me", "pw")),
        ("smtps://me:pw@[::1]", ("smtps", "::1", 465, "me", "pw")),
    ],
)
def test_the_address_of_a_mail_server_says_how_it_is_reached(url: str, expected: tuple[object, ...]) -> None:
    way = adapter.parse_url(SecretText(url))
    password = None if way.password is None else way.password.reveal()
    assert (way.scheme, way.host, way.port, way.user, password) == expected
    assert "pw" not in repr(way)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://:25",
        "smtp://me:hunter2@mail.example:port",
        "smtp://me:hunter2@mail.example:99999",
        "smtp://me:hunter2@mail.example/path",
        "smtp://me:hunter2@mail.example?x=1",
        "smtp+plain://me:hunter2@mail.example",  # a password in the clear across the network
    ],
)
def test_another_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(mail.MailInvalid) as caught:
        adapter.parse_url(SecretText(url))
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Carbon Ledger",
        "a b@c",
        "x@y\r\nBcc: z@example.com",
        "a@@b",
        "ünï@example.com",
        "<>",
        "a@b_c",
        "=?utf-8?q?x=0D=0ABcc:_y@z?= <a@b.example>",
    ],
)
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(mail.MailInvalid):
        adapter.SmtpMailer(SecretText("smtp+plain://127.0.0.1"), sender=sender)


@pytest.mark.parametrize(
    "sender, shown",
    [
        ("Carbon Ledger <no-reply@localhost>", "Carbon Ledger <no-reply@localhost>"),  # the setting's default
        ("no-reply@ledger.example", "no-reply@ledger.example"),
        ('"Ledger, Carbon" <a@b.example>', '"Ledger, Carbon" <a@b.example>'),
        ("Grüne Bücher <a@b.example>", "Grüne Bücher <a@b.example>"),
    ],
)
def test_a_sender_is_written_with_its_name(sender: str, shown: str) -> None:
    raw = adapter.build(message(), sender=adapter.parse_sender(sender), recipient=adapter.parse_address("a@b"), now=NOW)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert raw.isascii()
    assert str(parsed["From"]) == shown


@pytest.mark.parametrize(
    "text, spec",
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.B+tag_1@Example.COM", "Ann.B+tag_1@example.com"),
        ("owner@localhost", "owner@localhost"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),  # RFC 3492
        ("ann@straße.example", "ann@xn--strae-oqa.example"),  # IDNA 2008; IDNA 2003 would send it to strasse.example
        ("änn@example.com", "änn@example.com"),
    ],
)
def test_an_address_has_its_domain_in_ascii(text: str, spec: str) -> None:
    assert adapter.parse_address(text).spec == spec
    assert text not in repr(adapter.parse_address(text))


def test_an_encoded_word_in_an_address_adds_no_header() -> None:
    raw = wired(message(to="=?utf-8?q?=0D=0ABcc=3A?=@example.com"))
    assert b"\r\nbcc" not in raw.lower()
    assert raw.count(b"\r\nTo: ") == 1
