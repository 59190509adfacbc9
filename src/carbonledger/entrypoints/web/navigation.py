"""The sections of the dashboard in the data's order. A new one is a folder in ``sections`` and its entry here.

A section is shown to whoever holds its scope; what one may do inside is asked again by each page.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the navigation. ``is_apart``: not a stage of the data, so set off from them. ``group``: what it stands under."""

    key: str
    title: str
    path: str
    scope: str
    is_apart: bool = False
    group: str = ""


_BILLING: Final = "Billing"

SECTIONS: Final = (
    Section("overview", "Overview", "/", "telemetry:read"),
    Section("explore", "Explore", "/explore", "telemetry:read"),
    Section("connections", "Connections", "/connections", "connections:read"),
    Section("projects", "Projects", "/projects", "projects:read"),
    Section("models", "Models", "/models", "telemetry:read"),
    Section("accounts", "Accounts", "/accounts", "accounts:read", group=_BILLING),
    Section("meters", "Meters", "/meters", "catalog:read", group=_BILLING),
    Section("plans", "Plans", "/plans", "catalog:read", group=_BILLING),
    Section("subscriptions", "Subscriptions", "/subscriptions", "subscriptions:read", group=_BILLING),
    Section("invoices", "Invoices", "/invoices", "invoices:read", group=_BILLING),
    Section("receipts", "Receipts", "/receipts", "receipts:read"),
    Section("activity", "Activity", "/activity", "events:read", is_apart=True),
    Section("settings", "Settings", "/settings", "organization:read"),
)


def seen_by(scopes: AbstractSet[str]) -> list[Section]:
    """Return the sections that somebody with these scopes may open."""
    return [section for section in SECTIONS if section.scope in scopes]
