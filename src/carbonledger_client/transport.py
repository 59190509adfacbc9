"""One HTTP exchange with a server, tried again where that can help: time-outs, a bounded answer, ``Retry-After``, backoff.

Owns: when to try again. 429, 502, 503, 504 and a broken network are tried again, and only for requests that may be repeated; every
other answer is returned as it is. Redirects are not followed: a key goes to the host that was named and to no other.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import BinaryIO

import httpx2

from carbonledger_client import errors

LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
ANSWER_MAX_BYTES = 32 * 2**20  # results of a full batch are about 2 MB
RETRY_AFTER_MAX_S = 300.0  # somebody waits in front of a terminal
_SECONDS_DIGITS_MAX = 6


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long: attempts count the first one; a wait is uniform in [0, min(cap, base * 2^(attempt - 1))], plus what the
    server asked for.
    """

    attempts_max: int = 6
    base_s: float = 0.5
    cap_s: float = 30.0
    connect_s: float = 5.0
    answer_s: float = 120.0  # a full batch with everything on, on a small machine


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Transport:
    """A connection to one server. ``sleep``, ``rng`` and ``now`` are arguments so that a test need not wait."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)  # one of them is the key
    patience: Patience = Patience()
    sleep: Callable[[float], None] = time.sleep
    rng: random.Random = field(default_factory=random.Random)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _http: httpx2.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        timeout = httpx2.Timeout(self.patience.answer_s, connect=self.patience.connect_s)
        self._http = httpx2.Client(base_url=self.base_url, headers=dict(self.headers), timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        into: BinaryIO | None = None,
    ) -> Answer:
        """Send a request until an answer counts. Raises ``Unreachable`` when the attempts are used up, ``Garbled`` at too long a body.

        ``into``: an empty file that the body of a good answer is written to, however long it is; the answer has none then.
        """
        for attempt in range(1, self.patience.attempts_max + 1):
            is_last = not repeatable or attempt == self.patience.attempts_max
            try:
                answer = self._exchange(method, path, params=params, content=content, headers=headers, into=into)
            except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
                raise errors.Misused(f"{self.base_url} can't be asked: {error}") from error
            except httpx2.TransportError as error:
                if is_last:
                    raise errors.Unreachable(f"{self.base_url} can't be reached: {_words(error)}. Is the server running?") from error
                self.sleep(self._wait_s(attempt))
                continue
            if answer.status not in LATER or is_last:
                return answer
            self.sleep(self._wait_s(attempt) + retry_after_s(answer.headers.get("retry-after"), now=self.now()))
        raise errors.Unreachable(f"No attempt was made to reach {self.base_url}.")

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        into: BinaryIO | None,
    ) -> Answer:
        request = self._http.build_request(method, path, params=params, content=content, headers=headers)
        response = self._http.send(request, stream=True)
        try:
            if into is not None and response.status_code == HTTPStatus.OK:
                _write(response, into)
                body = b""
            else:
                body = _read(response)
        except httpx2.DecodingError as error:
            raise errors.Garbled(f"The answer can't be decoded: {error}") from error
        finally:
            response.close()
        return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)

    def _wait_s(self, attempt: int) -> float:
        return self.rng.uniform(0.0, min(self.patience.cap_s, self.patience.base_s * 2.0 ** (attempt - 1)))


def _read(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > ANSWER_MAX_BYTES:
            raise errors.Garbled(f"The answer is longer than {ANSWER_MAX_BYTES} bytes.")
        parts.append(part)
    return b"".join(parts)


def _write(response: httpx2.Response, into: BinaryIO) -> None:
    """Write a body to a file from its beginning, over what an attempt before has left there."""
    into.seek(0)
    into.truncate()
    into.writelines(response.iter_bytes())


def retry_after_s(value: str | None, *, now: datetime) -> float:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), at most five minutes; 0 if unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return RETRY_AFTER_MAX_S if len(text) > _SECONDS_DIGITS_MAX else min(float(text), RETRY_AFTER_MAX_S)
    try:
        at = email.utils.parsedate_to_datetime(text[:64])
    except ValueError:
        return 0.0  # not a date: as good as absent
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max((at - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def _words(error: httpx2.TransportError) -> str:
    return str(error) or type(error).__name__
