"""E-mail by SMTP (RFC 5321), one connection per message.

The address says how: ``smtp://`` must upgrade with STARTTLS, ``smtps://`` is TLS from the start, ``smtp+plain://`` is neither. There is no
"TLS if offered": somebody on the path would see to it that it is not. Over an unencrypted way a password goes to this machine only.

What the server answers decides: 4xx is transient, 5xx is permanent (RFC 5321, section 4.2.1). Its words are not passed on, because they
tend to repeat the recipient's address.
"""

from __future__ import annotations

import asyncio
import email.header
import email.policy
import email.utils
import hashlib
import re
import ssl
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage

import aiosmtplib
import idna

from carbonledger.infra import mail
from carbonledger.kernel.secret import SecretText

STEP_S = 15.0  # for one answer of the server
TOTAL_S = 60.0  # from the name look-up to the last answer
_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # what ends a header line, here or in somebody's mail reader
# RFC 5321's Dot-string, and with RFC 6531 any letter. No quoted local parts: nobody has one, and every parser reads them differently.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LOCAL_OCTETS_MAX = 64
_UNWRITABLE = re.compile(r"[\x00\ud800-\udfff]")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")  # RFC 3463
_TRANSIENT_CODES = range(400, 500)


@dataclass(frozen=True, slots=True)
class Way:
    """How the mail server is reached."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: SecretText | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """An address that can stand in an envelope and a header as it is: the domain in ASCII, nothing quoted."""

    local: str = field(repr=False)
    domain: str
    name: str = ""

    @property
    def spec(self) -> str:
        return f"{self.local}@{self.domain}"


class SmtpMailer:
    """A ``mail.Mailer`` over SMTP. ``sender`` is ``Name <address>`` or an address."""

    def __init__(
        self,
        url: SecretText,
        *,
        sender: str,
        step_s: float = STEP_S,
        total_s: float = TOTAL_S,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._way = parse_url(url)
        self._sender = parse_sender(sender)
        self._step_s = step_s
        self._total_s = total_s
        self._tls = tls_context

    async def send(self, message: mail.Message, *, now: datetime) -> None:
        recipient = parse_address(message.to)
        built = build(message, sender=self._sender, recipient=recipient, now=now)
        options = [] if recipient.local.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]  # RFC 6531
        accepted = False
        try:
            async with asyncio.timeout(self._total_s), self._connection() as server:
                await server.sendmail(self._sender.spec, [recipient.spec], built, mail_options=options)
                accepted = True
        except (aiosmtplib.SMTPException, OSError) as error:
            # Once accepted, a farewell that fails is nobody's concern; sending again would be.
            if not accepted:
                raise _fault(error) from None  # its words hold the address

    def _connection(self) -> aiosmtplib.SMTP:
        way = self._way
        return aiosmtplib.SMTP(
            hostname=way.host,
            port=way.port,
            username=way.user,
            password=None if way.password is None else way.password.reveal(),
            local_hostname=self._sender.domain,  # ours needs no look-up
            timeout=self._step_s,
            use_tls=way.scheme == "smtps",
            start_tls=way.scheme == "smtp",
            tls_context=self._tls,
        )


def parse_url(url: SecretText) -> Way:
    """Read the setting. Raises ``MailInvalid``, which shows nothing of it."""
    try:
        parts = urllib.parse.urlsplit(url.reveal())
        port = parts.port
    except ValueError:
        raise mail.MailInvalid("The SMTP address is not valid.") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise mail.MailInvalid("The SMTP address is smtp://, smtps:// or smtp+plain://, then user:password@ if needed, host and port.")
    user = urllib.parse.unquote(parts.username) if parts.username else None
    password = SecretText(urllib.parse.unquote(parts.password)) if parts.password else None
    if parts.scheme == "smtp+plain" and user is not None and parts.hostname not in _LOOPBACK:
        raise mail.MailInvalid("A password goes over smtp+plain to this machine only; use smtp:// or smtps://.")
    return Way(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, password)


def build(message: mail.Message, *, sender: Address, recipient: Address, now: datetime) -> bytes:
    """Return the message as it goes out. Raises ``MailInvalid`` for what can't stand in a header or a text."""
    if not message.subject.strip() or len(message.subject) > mail.SUBJECT_CHARS_MAX or _CONTROL.search(message.subject):
        raise mail.MailInvalid(f"A subject has 1 to {mail.SUBJECT_CHARS_MAX} characters in one line.")
    for text in (message.text, message.html or ""):
        if len(text) > mail.BODY_CHARS_MAX or _UNWRITABLE.search(text):
            raise mail.MailInvalid(f"A text has at most {mail.BODY_CHARS_MAX} characters, none of them NUL or half a pair.")
    built = EmailMessage(policy=email.policy.SMTP)
    built["Date"] = email.utils.format_datetime(now)
    built["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:40]}@{sender.domain}>"
    built["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply, please
    # Quoted-printable: no line too long, no bare line end, no leading dot that a server on the way could take for the end.
    built.set_content(message.text, cte="quoted-printable")
    if message.html is not None:
        built.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return _headers(message.subject, sender, recipient) + built.as_bytes()


def _headers(subject: str, sender: Address, recipient: Address) -> bytes:
    # What others may have written is not set through EmailMessage: it decodes what looks like an encoded word, and one that hides a line
    # end becomes a header of its own (=?utf-8?q?=0D=0ABcc:_...?=). Here such a word is encoded once more, as the text it is.
    is_plain = subject.isascii() and "=?" not in subject
    header = email.header.Header(subject, charset="us-ascii" if is_plain else "utf-8", header_name="Subject")
    lines = (
        f"From: {email.utils.formataddr((sender.name, sender.spec))}",
        f"To: {recipient.spec}",
        "Subject: " + header.encode(linesep="\r\n"),
    )
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def parse_address(text: str) -> Address:
    """Read a bare address. Raises ``MailInvalid``, which does not show it."""
    local, at, domain = text.rpartition("@")
    is_local = len(text) <= mail.ADDRESS_CHARS_MAX and _LOCAL.fullmatch(local) is not None and len(local.encode()) <= _LOCAL_OCTETS_MAX
    try:
        if not at or not is_local:
            raise mail.MailInvalid("An e-mail address is not valid.")
        return Address(local, idna.encode(domain, uts46=True).decode("ascii"))
    except idna.IDNAError:
        raise mail.MailInvalid("The domain of an e-mail address is not valid.") from None


def parse_sender(text: str) -> Address:
    """Read ``Name <address>`` or an address. Raises ``MailInvalid``."""
    name, spec = email.utils.parseaddr(text)
    if _CONTROL.search(text) or not spec:
        raise mail.MailInvalid("The sender of e-mail is Name <address> or an address.")
    address = parse_address(spec)
    if not address.local.isascii():
        raise mail.MailInvalid("The sender's address may hold only ASCII before the @, or most mail servers refuse it.")
    return Address(address.local, address.domain, name)


def _fault(error: Exception) -> mail.MailFault:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _of_answer(error)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return mail.MailRefused("The mail server does not take addresses with other letters than ASCII before the @.")
    if isinstance(error, aiosmtplib.SMTPException) and not isinstance(error, OSError):  # the library has no class of its own for these
        return mail.MailSetupRefused("The mail server does not offer STARTTLS or a way to sign in that we know.")
    if _is_certificate(error):
        return mail.MailSetupRefused("The mail server's certificate does not verify.")
    if isinstance(error, TimeoutError):
        return mail.MailUnavailable("The mail server did not answer in time.")
    return mail.MailUnavailable("The mail server can't be reached, or hung up.")


def _of_answer(error: aiosmtplib.SMTPResponseException) -> mail.MailFault:
    enhanced = _ENHANCED.match(error.message.strip())
    answer = f"{error.code} {enhanced[0]}" if enhanced else f"{error.code}"
    if error.code in _TRANSIENT_CODES:
        return mail.MailUnavailable(f"The mail server answered {answer}.")
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPHeloError | aiosmtplib.SMTPConnectError):
        return mail.MailSetupRefused(f"The mail server answered {answer} before a message was offered.")
    return mail.MailRefused(f"The mail server answered {answer}.")


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
