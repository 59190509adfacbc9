"""The stand-in mail server against a mail client that is not ours: the standard library's."""

from __future__ import annotations

import asyncio
import os
import smtplib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from carbonledger_sandbox import smtp
from tests import until

TEXT = "Subject: hello\r\n\r\nline\r\n..two dots\r\n.\r\nend\r\n"


async def talk(server: smtp.SmtpServer, script: Callable[[smtplib.SMTP], object]) -> object:
    """Run a blocking client in a thread."""

    def run() -> object:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=until.DEADLINE_S) as client:
            return script(client)

    return await asyncio.to_thread(run)


async def test_mail_is_kept_with_dots_undone() -> None:
    async with smtp.SmtpServer().running() as server:
        await talk(server, lambda client: client.sendmail("a@x", ["b@y", "c@z"], TEXT))
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("a@x", ("b@y", "c@z"))
    assert mail.raw == TEXT.encode()
    assert mail.message["Subject"] == "hello"
    assert smtp.printed(mail).startswith("--- from a@x to b@y, c@z\nSubject: hello\n\nline")


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
async def test_a_password_opens_and_a_wrong_one_does_not(mechanism: str) -> None:
    def with_password(password: str) -> Callable[[smtplib.SMTP], object]:
        def script(client: smtplib.SMTP) -> object:
            client.ehlo()
            client.user, client.password = "me", password  # what login() sets before it calls auth()
            client.auth(mechanism.removeprefix("auth_"), getattr(client, mechanism))
            return client.sendmail("a@x", ["b@y"], TEXT)

        return script

    async with smtp.SmtpServer(users={"me": "pw"}).running() as server:
        await talk(server, with_password("pw"))
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await talk(server, with_password("no"))
        with pytest.raises(smtplib.SMTPSenderRefused):
            await talk(server, lambda client: client.sendmail("a@x", ["b@y"], TEXT))
    assert [mail.user for mail in server.mails] == ["me"]


ORDER = [
    # what is said, and the code that RFC 5321 (section 4.3.2) wants for it
    ("MAIL FROM:<a@x>", 503),  # before a greeting
    ("RCPT TO:<a@x>", 503),
    ("DATA", 503),
    ("STARTTLS", 502),
    ("FOO", 502),
    ("AUTH CRAM-MD5", 504),
    ("AUTH PLAIN !!", 501),
    ("NOOP", 250),
    ("RSET", 250),
    ("HELO x", 250),
]


@pytest.mark.parametrize("command, code", ORDER)
async def test_commands_out_of_order_are_refused(command: str, code: int) -> None:
    async with smtp.SmtpServer().running() as server:
        assert await talk(server, lambda client: client.docmd(command)[0]) == code


async def test_addresses_are_read_strictly() -> None:
    def script(client: smtplib.SMTP) -> list[int]:
        client.ehlo()
        return [
            client.docmd(line)[0]
            for line in (
                "MAIL FROM:a@x",
                "MAIL FROM:<a@x> SIZE=1",
                "MAIL FROM:<b@x>",
                "RCPT TO:<nobody>",
                "RCPT TO:b@y",
                "RCPT TO:<b@y>",
                "QUIT",
            )
        ]

    async with smtp.SmtpServer().running() as server:
        assert await talk(server, script) == [501, 250, 503, 501, 501, 250, 221]


async def test_a_failure_holds_as_often_as_it_was_told_and_for_whom() -> None:
    async with smtp.SmtpServer().running() as server:
        server.fail("RCPT", "550 5.1.1 gone", times=1, containing="b@y")
        refused = await talk(server, lambda client: client.sendmail("a@x", ["b@y", "c@z"], TEXT))
        assert refused == {"b@y": (550, b"5.1.1 gone")}
        await talk(server, lambda client: client.sendmail("a@x", ["b@y"], TEXT))
    assert [mail.recipients for mail in server.mails] == [("c@z",), ("b@y",)]


async def test_as_a_program_it_prints_what_arrives() -> None:
    command = [sys.executable, "-m", "carbonledger_sandbox.smtp", "--port", "0"]
    source = str(Path(smtp.__file__).parents[1])
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": source})
    try:
        assert program.stdout is not None
        port = int(program.stdout.readline().rpartition(":")[2])
        with smtplib.SMTP("127.0.0.1", port, timeout=until.DEADLINE_S) as client:
            client.sendmail("a@x", ["b@y"], TEXT)
        assert program.stdout.readline() == "--- from a@x to b@y\n"
        assert program.stdout.readline() == "Subject: hello\n"
    finally:
        program.terminate()
        program.communicate()
    await until.holds(lambda: program.poll() is not None)
