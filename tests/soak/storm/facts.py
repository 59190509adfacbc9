"""What is there when the storm is over, as plain values: the other side of the book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.soak.storm.book import Kind


@dataclass(frozen=True, slots=True)
class Item:
    """A thing as the API lists it. ``label`` is empty where it was forgotten with the end."""

    kind: Kind
    organization: str
    id: str
    label: str
    hint: str | None
    is_ended: bool


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the audit trail."""

    id: str
    organization: str
    action: str
    target_id: str
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how it stands."""

    id: str
    name: str
    args: Mapping[str, Any]
    state: str
    error: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that the server took, in the order of arrival. ``event_id`` is of an alert, ``token`` of an invitation."""

    to: str
    message_id: str
    event_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that the run is judged by."""

    items: tuple[Item, ...]
    events: tuple[Event, ...]
    jobs: tuple[Job, ...]
    letters: tuple[Letter, ...]
    values: Mapping[str, str]
    """What each LLM key's sealed secret opens to, by the key's id."""
    clocks: Mapping[str, str]
    """What each sandbox's clock shows, by the organization's name."""
