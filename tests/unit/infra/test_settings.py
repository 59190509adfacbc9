"""What the environment may say, how a wrong word is told, and that no secret shows."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from carbonledger.infra import settings

HIDDEN = "plenty-of-otters"
SECRETS = (
    "DATABASE_URL",
    "CARBONLEDGER_APP_DATABASE_URL",
    "CARBONLEDGER_BOOTSTRAP_PASSWORD",
    "CARBONLEDGER_CLERK_WEBHOOK_SECRET",
    "CARBONLEDGER_METRICS_TOKEN",
    "CARBONLEDGER_REDIS_URL",
    "CARBONLEDGER_SMTP_URL",
    "CARBONLEDGER_VAULT_KEYS",
)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*settings.variables(), "CARBONLEDGER_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_that_is_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, HIDDEN)
    monkeypatch.setenv("CARBONLEDGER_BOOTSTRAP_API_KEY", "cl_live_" + "k" * 32)

    loaded = settings.load()

    held = [value.get_secret_value() for value in dict(loaded).values() if isinstance(value, SecretStr)]
    assert sorted(held) == sorted([HIDDEN] * len(SECRETS) + ["cl_live_" + "k" * 32])
    for printed in (repr(loaded), str(loaded), str(loaded.model_dump()), loaded.model_dump_json()):
        assert HIDDEN not in printed
        assert "k" * 32 not in printed


def test_everything_wrong_is_named_at_once_and_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONLEDGER_PORT", "65536")
    monkeypatch.setenv("CARBONLEDGER_SIGN_UP", HIDDEN)
    monkeypatch.setenv("CARBONLEDGER_BOOTSTRAP_API_KEY", HIDDEN)

    with pytest.raises(settings.SettingsInvalid) as caught:
        settings.load()

    said = str(caught.value)
    assert all(name in said for name in ("CARBONLEDGER_PORT", "CARBONLEDGER_SIGN_UP", "CARBONLEDGER_BOOTSTRAP_API_KEY"))
    assert HIDDEN not in said


@pytest.mark.parametrize(
    "key, fits",
    [
        ("cl_live_" + "a" * 31, False),
        ("cl_live_" + "aB3" * 10 + "zz", True),  # 32
        ("cl_live_" + "0" * 64, True),
        ("cl_live_" + "0" * 65, False),
        ("cl_live_" + "a" * 31 + "-", False),
        ("cl_live_" + "a" * 31 + "é", False),
        ("cl_test_" + "a" * 32, False),
        ("a" * 40, False),
    ],
)
def test_a_first_key_has_32_to_64_letters_or_digits(monkeypatch: pytest.MonkeyPatch, key: str, fits: bool) -> None:
    monkeypatch.setenv("CARBONLEDGER_BOOTSTRAP_API_KEY", key)

    if fits:
        assert settings.load().bootstrap_api_key == SecretStr(key)
    else:
        with pytest.raises(settings.SettingsInvalid, match="CARBONLEDGER_BOOTSTRAP_API_KEY"):
            settings.load()


def test_a_variable_that_nothing_reads_is_named_with_its_neighbour() -> None:
    given = {"CARBONLEDGER_PROT": "1", "CARBONLEDGER_XYZZY": "1", "CARBONLEDGER_PORT": "1", "CARBONLEDGER_TEST_PG_BIN": "1", "PATH": "/bin"}

    assert settings.unknown_variables(given) == {"CARBONLEDGER_PROT": "CARBONLEDGER_PORT", "CARBONLEDGER_XYZZY": None}


def test_a_variable_that_is_empty_is_one_that_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONLEDGER_PORT", "")

    assert settings.load().port == 8400


def test_an_issuer_without_an_audience_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONLEDGER_JWT_ISSUER", "https://issuer.example")

    with pytest.raises(settings.SettingsInvalid, match="CARBONLEDGER_JWT_AUDIENCE"):
        settings.load()
