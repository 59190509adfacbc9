"""Which key a provider wants, and where it is made: the words of ``docs/how-to/connect-a-provider.md``, which a test compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Guide:
    """One provider: the key that may read usage, where it is made (in words and as an address), and what it shows."""

    provider: str
    name: str
    key: str
    where: str
    shows: str
    address: str


GUIDES: Final = (
    Guide(
        "openai",
        "OpenAI",
        "admin key, sk-admin-… (not sk-proj-…, nor a service account's)",
        "platform.openai.com, Settings, Organization, Admin keys; organization owners only",
        "all projects, 60 days back, by the hour; costs by the day",
        "https://platform.openai.com/settings/organization/admin-keys",
    ),
    Guide(
        "anthropic",
        "Anthropic",
        "admin key, sk-ant-admin… (not sk-ant-api…)",
        "console.anthropic.com, Settings, Admin keys; admins of an organization, not individual accounts",
        "all workspaces, 60 days back, by the hour; costs by the day. No count of requests, and priority tier is not in its costs",
        "https://console.anthropic.com/settings/admin-keys",
    ),
    Guide(
        "openrouter",
        "OpenRouter",
        "management key (not one that calls models)",
        "openrouter.ai, Settings, Management keys",
        "the account, 30 days back, by the hour; where analytics is not allowed, by the day, without cached tokens told apart",
        "https://openrouter.ai/settings/management-keys",
    ),
)


def of(provider: str) -> Guide:
    """Return the guide of a provider, the first one for a name that has none."""
    return next((one for one in GUIDES if one.provider == provider), GUIDES[0])
