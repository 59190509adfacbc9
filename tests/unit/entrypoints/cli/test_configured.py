"""What a production installation may not leave as a laptop has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbonledger.entrypoints.cli import configured
from carbonledger.infra import settings

SAFE = {"home": Path("/data"), "public_url": "https://ledger.example.org"}

CASES = [
    ({}, ""),
    ({"public_url": None}, "over http"),
    ({"public_url": "http://ledger.example.org"}, "over http"),
    ({"DATABASE_URL": "postgresql://owner@db/cl"}, "owner's login"),
    ({"DATABASE_URL": "postgresql://owner@db/cl", "app_database_url": "postgresql://app@db/cl"}, ""),
    ({"allow_private_webhooks": True}, "private network"),
    ({"smtp_url": "smtp://mail.example.org"}, "localhost"),  # the default sender
    ({"smtp_url": "smtp://mail.example.org", "mail_from": "Ledger <ledger@example.org>"}, ""),
]


@pytest.mark.parametrize("values, words", CASES)
def test_each_laptop_default_is_found(values: dict[str, object], words: str) -> None:
    found = configured.laptop_defaults(settings.Settings(**{**SAFE, **values}))  # type: ignore[arg-type]  # the fields check the types

    assert [words in one for one in found] == ([True] if words else [])


def test_development_allows_them_and_production_names_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARBONLEDGER_ALLOW_PRIVATE_WEBHOOKS", "1")
    assert configured.load().environment == "development"

    monkeypatch.setenv("CARBONLEDGER_ENVIRONMENT", "production")

    with pytest.raises(settings.SettingsInvalid) as caught:
        configured.load()
    assert "over http" in str(caught.value)
    assert "private network" in str(caught.value)


def test_what_the_command_line_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONLEDGER_PORT", "1234")

    assert configured.load({"port": 4321, "host": None}).port == 4321
