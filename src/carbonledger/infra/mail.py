"""E-mail as the rest of the service sees it: a message, somebody who sends it, and how that fails. Pure; SMTP is ``adapters.email``.

A message has one recipient: each person's failure is their own, and nobody sees another's address. ``key`` names the reason for it (an
event and a member, say): the same key gives the same Message-Id, so that a mail sent twice after a crash can be told apart from two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from carbonledger.kernel import errors

ADDRESS_CHARS_MAX = 254  # RFC 5321, section 4.5.3.1.3, less the brackets
SUBJECT_CHARS_MAX = 200
BODY_CHARS_MAX = 512 * 1024


class MailFault(errors.Fault):
    """An e-mail could not be sent."""

    kind = errors.Kind.UNAVAILABLE
    code = "mail_fault"


class MailUnavailable(MailFault):
    """The mail server can't take an e-mail now."""

    code = "mail_unavailable"


class MailRefused(MailFault):
    """The mail server refuses this e-mail."""

    kind = errors.Kind.INVALID  # the same mail is refused again
    code = "mail_refused"


class MailSetupRefused(MailFault):
    """The mail server refuses how this installation connects to it."""

    kind = errors.Kind.FORBIDDEN  # until the operator changes the setting
    code = "mail_setup_refused"


class MailInvalid(MailFault):
    """This can't be an e-mail."""

    kind = errors.Kind.INVALID
    code = "mail_invalid"


@dataclass(frozen=True, slots=True)
class Message:
    """One e-mail to one person. Its repr shows the key alone: address and text are personal, and a text may hold a sign-in link."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    key: str
    html: str | None = field(default=None, repr=False)


class Mailer(Protocol):
    """Sends e-mail."""

    async def send(self, message: Message, *, now: datetime) -> None:
        """Hand the message to the mail server.

        Raises ``MailUnavailable`` (try again), ``MailRefused``, ``MailSetupRefused`` or ``MailInvalid`` (don't).
        """
        ...
