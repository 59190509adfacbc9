"""A client as it should be: keep-alive, an idempotency key on every POST, and the same request again until there is an answer.

Now and then it hangs up before the answer can have come, so that answers are lost without a crash too. It decides nothing about what an
answer means to the run.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.soak.storm import pacing
from tests.soak.storm.book import Tally

PATIENCE_S = (2.0, 5.0, 20.0)  # some clients give up long before an API that restarts answers, and then come twice
HASTY = 0.02  # share of first sendings that hang up at once
_HASTY_S = 0.004
HUNG_UP = "hung up on purpose"
_CONNECT_S = 5.0
_ASK_AGAIN_MAX_S = 5.0


class Refused(Exception):
    """The service said no to a request that is right."""


class NeverAnswered(Exception):
    """No answer came until the run gave up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that counts: not a failure that is worth another try."""

    status: int
    body: Any
    sent: int
    """How often the request was sent."""
    is_replay: bool


def again_in_s(status: int, code: str, retry_after: str | None) -> float | None:
    """Return in how many seconds to send the same request again, or None when this is the answer."""
    if status < 500 and status not in {408, 429} and code != "in_progress":
        return None
    asked = float(retry_after) if retry_after is not None and retry_after.isdigit() else 0.0
    return min(asked, _ASK_AGAIN_MAX_S)


class Client:
    """One client and its connections. ``give_up_at`` says, in monotonic seconds, when the run ends for good."""

    def __init__(self, http: httpx2.AsyncClient, tally: Tally, rng: random.Random, give_up_at: Callable[[], float]) -> None:
        self._http = http
        self._tally = tally
        self._rng = rng
        self._give_up_at = give_up_at
        self._read_s = rng.choice(PATIENCE_S)

    async def ask(
        self, method: str, path: str, *, token: str = "", body: object = None, key: str | None = None, takes: frozenset[int] = frozenset()
    ) -> Answer:
        """Send until answered. Raises ``Refused`` for any answer but 2xx and what it ``takes``; ``NeverAnswered`` at the end of the run."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **({"Idempotency-Key": key} if key else {})}
        began = time.monotonic()
        for sent in itertools.count(1):
            self._tally.sent += 1
            again_s, seen = self._rng.uniform(0.02, 0.3), ""
            is_hasty = sent == 1 and self._rng.random() < HASTY
            try:
                response = await self._http.request(method, path, json=body, headers=headers, timeout=self._patience(is_hasty=is_hasty))
            except httpx2.LocalProtocolError:
                raise  # a defect of this client
            except httpx2.TransportError as error:
                seen = HUNG_UP if is_hasty else type(error).__name__
            else:
                answer = Answer(response.status_code, _document(response), sent, "idempotent-replayed" in response.headers)
                code = answer.body.get("code", "") if isinstance(answer.body, dict) else ""
                asked_s = again_in_s(answer.status, code, response.headers.get("retry-after"))
                if asked_s is None:
                    self._note(answer, waited_s=time.monotonic() - began)
                    if answer.status < 300 or answer.status in takes:
                        return answer
                    raise Refused(f"{method} {path} was answered {answer.status} {answer.body} at sending {sent}")
                again_s, seen = again_s + asked_s, f"{answer.status} {code}"
            self._tally.retries[seen] += 1
            if time.monotonic() + again_s > self._give_up_at():
                raise NeverAnswered(f"{method} {path}: no answer in {time.monotonic() - began:.0f} s and {sent} sendings, last {seen}")
            await pacing.pause(again_s)
        raise AssertionError("unreachable")

    def _patience(self, *, is_hasty: bool) -> httpx2.Timeout:
        return httpx2.Timeout(self._read_s, connect=_CONNECT_S, read=_HASTY_S if is_hasty else self._read_s)

    def _note(self, answer: Answer, *, waited_s: float) -> None:
        self._tally.answered += 1
        self._tally.replayed += answer.is_replay
        self._tally.longest_s = max(self._tally.longest_s, waited_s)


def _document(response: httpx2.Response) -> Any:  # noqa: ANN401 - JSON
    return response.json() if response.content else None
