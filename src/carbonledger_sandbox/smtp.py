"""A stand-in of a mail server: takes mail by SMTP (RFC 5321), keeps it in memory, and fails where it is told to.

Speaks EHLO, STARTTLS (RFC 3207), AUTH PLAIN and LOGIN (RFC 4954), SIZE, 8BITMIME and SMTPUTF8, in the order the standards ask for,
and answers 503 to anything out of order. It delivers nothing anywhere.
``python -m carbonledger_sandbox.smtp --port 2525`` prints what arrives.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import contextlib
import email
import email.policy
import re
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage

SIZE_MAX = 10 * 2**20
_LINE_MAX = 2048  # RFC 5321, section 4.5.3.1.4 asks for 512; AUTH may be longer
_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\r\n]*)>(?:\s+(.*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted message: its envelope, how it came, and the text as it was on the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    user: str | None
    over_tls: bool

    @property
    def message(self) -> EmailMessage:
        """The text, parsed."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@dataclass(slots=True)
class Failure:
    """Answer ``reply`` to ``verb`` the next ``times`` times; a reply of None hangs up, an empty one never answers."""

    verb: str
    reply: str | None
    times: int
    containing: str = ""


@dataclass(slots=True)
class SmtpServer:
    """The stand-in's state. ``users`` maps names to passwords; with any, mail is taken only after AUTH."""

    users: dict[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    implicit_tls: bool = False
    utf8: bool = True  # offers SMTPUTF8 (RFC 6531)
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)  # verbs in the order they came, without what may be secret
    failures: list[Failure] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    def fail(self, verb: str, reply: str | None, *, times: int = 1, containing: str = "") -> None:
        """Fail the next commands of this verb (CONNECT and BODY count as verbs), all of them or those that contain a text."""
        self.failures.append(Failure(verb, reply, times, containing))

    def failure(self, verb: str, argument: str) -> Failure | None:
        """Use up and return the failure that holds for this command."""
        for failure in self.failures:
            if failure.verb == verb and failure.times > 0 and failure.containing in argument:
                failure.times -= 1
                return failure
        return None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SmtpServer]:
        """Serve on loopback at a port of the system's choice (or the one given)."""
        context = self.context if self.implicit_tls else None
        server = await asyncio.start_server(self._serve, self.host, self.port, limit=SIZE_MAX, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._open.values():
                writer.transport.abort()
            await asyncio.gather(*self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open[task] = writer
        session = _Session(self, reader, writer)
        try:
            await session.run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass  # the client left, or sent what no mail client sends
        finally:
            session.writer.close()


class _HangUp(ConnectionError):
    """The stand-in was told to hang up."""


class _Session:
    """One connection."""

    def __init__(self, server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.plain: asyncio.StreamWriter | None = None  # kept, for a writer that is forgotten closes what lies under TLS
        self.greeted = False
        self.over_tls = server.implicit_tls
        self.user: str | None = None
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        if not await self._failed("CONNECT", ""):
            await self._reply("220 sandbox ESMTP")
        while True:
            line = (await self.reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip("\r\n")
            verb, _, argument = line[:_LINE_MAX].partition(" ")
            verb = verb.upper()
            self.server.commands.append(verb)
            if await self._failed(verb, argument):
                continue
            if verb == "QUIT":
                await self._reply("221 bye")
                return
            await self._handle(verb, argument.strip())

    async def _handle(self, verb: str, argument: str) -> None:
        match verb:
            case "EHLO" | "HELO":
                await self._greet(verb)
            case "STARTTLS":
                await self._start_tls()
            case "AUTH":
                await self._authenticate(argument)
            case "MAIL":
                await self._mail(argument)
            case "RCPT":
                await self._recipient(argument)
            case "DATA":
                await self._data()
            case "RSET":
                self._forget()
                await self._reply("250 2.0.0 forgotten")
            case "NOOP":
                await self._reply("250 2.0.0 ok")
            case _:
                await self._reply("502 5.5.1 unknown command")

    async def _greet(self, verb: str) -> None:
        self.greeted = True
        self._forget()
        if verb == "HELO":
            await self._reply("250 sandbox")
            return
        offers = ["sandbox", f"SIZE {SIZE_MAX}", "8BITMIME"]
        if self.server.context is not None and not self.over_tls:
            offers.append("STARTTLS")
        if self.server.utf8:
            offers.append("SMTPUTF8")
        if self.server.users:
            offers.append("AUTH PLAIN LOGIN")
        for offer in offers[:-1]:
            self.writer.write(f"250-{offer}\r\n".encode())
        await self._reply(f"250 {offers[-1]}")

    async def _start_tls(self) -> None:
        if self.server.context is None or self.over_tls:
            await self._reply("502 5.5.1 no TLS here")
            return
        await self._reply("220 2.0.0 go ahead")
        # Not by StreamWriter.start_tls: when the client hangs up in the handshake it loses its transport and can't be closed.
        protocol = self.writer.transport.get_protocol()
        loop = asyncio.get_running_loop()
        upgraded = await loop.start_tls(self.writer.transport, protocol, self.server.context, server_side=True)
        if upgraded is None:
            raise _HangUp
        self.plain, self.writer = self.writer, asyncio.StreamWriter(upgraded, protocol, self.reader, loop)
        # What was said before the handshake counts no longer (RFC 3207, section 4.2).
        self.over_tls, self.greeted, self.user = True, False, None
        self._forget()

    async def _authenticate(self, argument: str) -> None:
        method, _, initial = argument.partition(" ")
        try:
            if method.upper() == "PLAIN":
                _, name, password = base64.b64decode(initial or await self._ask(""), validate=True).decode().split("\0")
            elif method.upper() == "LOGIN":
                name = base64.b64decode(initial or await self._ask("VXNlcm5hbWU6"), validate=True).decode()
                password = base64.b64decode(await self._ask("UGFzc3dvcmQ6"), validate=True).decode()
            else:
                await self._reply("504 5.5.4 unknown mechanism")
                return
        except (binascii.Error, ValueError):
            await self._reply("501 5.5.2 not readable")
            return
        if self.server.users.get(name) != password:
            await self._reply("535 5.7.8 wrong user or password")
            return
        self.user = name
        await self._reply("235 2.7.0 welcome")

    async def _ask(self, prompt: str) -> str:
        await self._reply(f"334 {prompt}")
        return (await self.reader.readuntil(b"\n")).decode("ascii", "replace").strip()

    async def _mail(self, argument: str) -> None:
        path = _PATH.fullmatch(argument)
        if not self.greeted or self.sender is not None:
            await self._reply("503 5.5.1 out of order")
        elif self.server.users and self.user is None:
            await self._reply("530 5.7.0 who are you?")
        elif path is None:
            await self._reply("501 5.1.7 no sender")
        else:
            self.sender = path[1]
            await self._reply("250 2.1.0 ok")

    async def _recipient(self, argument: str) -> None:
        path = _PATH.fullmatch(argument)
        if self.sender is None:
            await self._reply("503 5.5.1 out of order")
        elif path is None or "@" not in path[1]:
            await self._reply("501 5.1.3 no recipient")
        else:
            self.recipients.append(path[1])
            await self._reply("250 2.1.5 ok")

    async def _data(self) -> None:
        if self.sender is None or not self.recipients:
            await self._reply("503 5.5.1 out of order")
            return
        await self._reply("354 go on, end with a dot")
        raw = await self._body()
        sender, recipients = self.sender, tuple(self.recipients)
        self._forget()
        if await self._failed("BODY", ""):
            return
        if len(raw) > SIZE_MAX:
            await self._reply("552 5.3.4 too large")
            return
        self.server.mails.append(Mail(sender, recipients, raw, self.user, self.over_tls))
        await self._reply(f"250 2.0.0 kept as {len(self.server.mails)}")

    async def _body(self) -> bytes:
        """Read up to the lone dot, undoing dot-stuffing (RFC 5321, section 4.5.2). Past the limit nothing more is kept."""
        lines: list[bytes] = []
        size = 0
        while (line := await self.reader.readuntil(b"\n")) != b".\r\n":
            size += len(line)
            if size <= SIZE_MAX + 1:
                lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _forget(self) -> None:
        self.sender = None
        self.recipients = []

    async def _failed(self, verb: str, argument: str) -> bool:
        failure = self.server.failure(verb, argument)
        if failure is None:
            return False
        if failure.reply is None:
            raise _HangUp
        if not failure.reply:
            await self.reader.read()  # until the client gives up
            raise _HangUp
        await self._reply(failure.reply)
        return True

    async def _reply(self, line: str) -> None:
        self.writer.write(f"{line}\r\n".encode())
        await self.writer.drain()


def printed(mail: Mail) -> str:
    """Return a mail as a person reads it: envelope, subject and the plain text."""
    message = mail.message
    body = message.get_body(preferencelist=("plain", "html"))
    text = "" if body is None else str(body.get_content())
    return f"--- from {mail.sender} to {', '.join(mail.recipients)}\nSubject: {message['subject']}\n\n{text}"


async def _serve_and_print(host: str, port: int) -> None:
    server = SmtpServer(host=host, port=port)
    shown = 0
    async with server.running():
        print(f"taking mail at smtp+plain://{server.host}:{server.port}", flush=True)  # house: allow print - a command line
        while True:
            await asyncio.sleep(0.2)
            for mail in server.mails[shown:]:
                print(printed(mail), flush=True)  # house: allow print - a command line
            shown = len(server.mails)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m carbonledger_sandbox.smtp", description="Take mail by SMTP and print it.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2525)
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve_and_print(options.host, options.port))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
