"""A provider as connections sees it. One connector a provider; it decides nothing about money, carbon or when to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from carbonledger.domains.connections.types.pages import Page, RawPage, Stream, Window
from carbonledger.kernel.secret import SecretText


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What a key turned out to be, in words for people, and the names of the streams that it may read.

    ``account``: the provider's own id of the account, at most ``ACCOUNT_CHARS_MAX`` characters; None: it does not tell.
    """

    description: str
    streams: tuple[str, ...]
    account: str | None = None


class Connector(Protocol):
    """Reads the usage of accounts at one provider. It holds no key and no state: any process may continue with the next page."""

    @property
    def provider(self) -> str:
        """The provider's name in prices and factors, such as ``openai``."""
        ...

    @property
    def name(self) -> str:
        """The provider's name for people, such as ``OpenAI``."""
        ...

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What can be read, the tokens first."""
        ...

    @property
    def first_read_days(self) -> int:
        """How many days back the provider's usage is read; before that it shows nothing, or nobody asks."""
        ...

    async def validate(self, key: SecretText, *, now: datetime) -> KeyCheck:
        """Ask the provider what this key is. Raises a ``ProviderFault``: ``KeyRefused``, ``KeyInsufficient`` and those of any call."""
        ...

    async def poll(self, key: SecretText, *, stream: Stream, window: Window, cursor: str | None = None) -> RawPage:
        """Fetch one page: the first of the window, or the one that the last page's ``next_cursor`` names.

        Outside any transaction. Raises a ``ProviderFault``, and ``ValueError`` for a window that cuts the stream's buckets.
        """
        ...

    def normalise(self, raw: RawPage) -> Page:
        """Return what a page says in our words. Pure. Raises an ``AnswerUnreadable`` for whatever is not as it should be: nothing of
        such a page is used.
        """
        ...
