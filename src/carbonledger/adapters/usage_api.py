"""How every connector asks a provider for usage: one request, its failures as our faults, its answer as it came.

Owns what a status or a broken connection means to us. It does not own a provider's addresses, fields or pages: one file each.
The key of a tenant goes out with the one request that it is for; the client itself holds none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Never
from urllib.parse import urlencode

from carbonledger.domains.connections import types
from carbonledger.infra import http
from carbonledger.kernel.secret import SecretText

LIMITS = http.Limits(
    total_s=90.0,  # wide windows of large organizations take long; a job waits, not a person
    answer_bytes=32 * 2**20,  # 168 hours of a hundred groups are about 10 MiB
)
Query = Sequence[tuple[str, str]]
_KEY_CHARS_MAX = 1024
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_BROKEN_ANSWERS = (http.AnswerTruncated, http.AnswerTooLarge, http.AnswerMalformed, http.AnswerNotJson)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One provider's API. ``key_wanted`` says in words which key may read usage; ``other_keys``: how keys begin that may not."""

    client: http.Client
    name: str
    key_header: str
    key_wanted: str
    key_prefix: str = ""
    other_keys: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    async def aclose(self) -> None:
        """Close its connections."""
        await self.client.aclose()

    async def get(self, key: SecretText, path: str, query: Query = ()) -> bytes:
        """Return the body of a good answer. Raises a ``ProviderFault``."""
        return (await self.answer(key, path, query)).body

    async def answer(self, key: SecretText, path: str, query: Query = ()) -> http.Answer:
        """Return a good answer with its headers. Raises a ``ProviderFault``."""
        # Repeated parameters are how these APIs spell lists, so the address is put together here.
        return await self._ask(key, "GET", f"{path}?{urlencode(query)}" if query else path)

    async def post(self, key: SecretText, path: str, json: Mapping[str, object]) -> bytes:
        """Return the body of a good answer to a question that changes nothing over there, so that it may be asked again."""
        return (await self._ask(key, "POST", path, json)).body

    async def _ask(self, key: SecretText, method: str, address: str, json: Mapping[str, object] | None = None) -> http.Answer:
        text = key.reveal()
        if not 0 < len(text) <= _KEY_CHARS_MAX or not text.isascii() or not text.isprintable() or " " in text:
            raise types.KeyRefused("It holds characters that no key has.")
        headers = {"accept": "application/json", **dict(self.headers), self.key_header: f"{self.key_prefix}{text}"}
        try:
            answer = await self.client.request(method, address, headers=headers, json=json, repeatable=True)
        except _BROKEN_ANSWERS as fault:
            raise types.AnswerUnreadable(f"{self.name}: {fault.title()}") from fault
        except http.RequestRefused:
            raise  # our own defect
        except http.HttpFault as fault:
            raise types.ProviderUnavailable(f"{self.name}: {fault.title()}") from fault
        if not answer.is_success:
            self._refuse(answer, text)
        if answer.headers.get("content-type", "").partition(";")[0].strip().lower() in _PAGES:
            raise types.AnswerUnreadable(f"{self.name} answered with a page for people.")
        return answer

    def _refuse(self, answer: http.Answer, key: str) -> Never:
        status = answer.status
        asked_s = None if answer.retry_after_s is None else round(answer.retry_after_s)
        if status == 403 or (status == 401 and key.startswith(self.other_keys)):  # noqa: PLR2004 - the numbers are the names
            raise types.KeyInsufficient(f"{self.name} wants {self.key_wanted}.")
        if status == 401:  # noqa: PLR2004
            raise types.KeyRefused(f"{self.name} does not know it, or no longer. Give {self.key_wanted}.")
        if status == 404:  # noqa: PLR2004
            raise types.StreamRefused(f"{self.name} has nothing there for this key.")
        if status == 429:  # noqa: PLR2004
            raise types.ProviderLimited(f"{self.name} answered 429.", retry_after_s=asked_s)
        if status in {408, 425} or 500 <= status <= 599:  # noqa: PLR2004
            is_there = status >= 500 and status != 503  # noqa: PLR2004 - 503 says that the whole of it is away (RFC 9110, 15.6.4)
            raise types.ProviderUnavailable(f"{self.name} answered {status}.", retry_after_s=asked_s, answered=is_there)
        if 400 <= status <= 499:  # noqa: PLR2004
            raise types.RequestRefused(f"{self.name} answered {status}.")
        raise types.AnswerUnreadable(f"{self.name} answered {status}.")
