"""The settings of a process that serves, and what a production installation may not leave as a laptop has it.

Owns: those rules. The settings themselves are ``infra.settings``.
"""

from __future__ import annotations

from collections.abc import Mapping

from carbonledger.infra import settings


def laptop_defaults(configuration: settings.Settings) -> tuple[str, ...]:
    """Return what is unsafe in production, each in words that end with the remedy."""
    found = {
        "people would sign in over http: set CARBONLEDGER_PUBLIC_URL to the https address they use": not configuration.is_https,
        "the service would run with the owner's login: give it its own in CARBONLEDGER_APP_DATABASE_URL": (
            configuration.database_url is not None and configuration.app_database_url is None
        ),
        "tenants could call your private network: unset CARBONLEDGER_ALLOW_PRIVATE_WEBHOOKS": configuration.allow_private_webhooks,
        "e-mail would come from localhost: set CARBONLEDGER_MAIL_FROM": (
            configuration.smtp_url is not None and configuration.mail_from.rstrip(">").endswith("@localhost")
        ),
    }
    return tuple(words for words, unsafe in found.items() if unsafe)


def load(given: Mapping[str, str | int | None] | None = None) -> settings.Settings:
    """Return the settings; ``given`` are those of the command line. Raises ``SettingsInvalid``, also for laptop defaults in production."""
    configuration = settings.load(**{name: value for name, value in (given or {}).items() if value is not None})
    unsafe = laptop_defaults(configuration) if configuration.environment == "production" else ()
    if unsafe:
        raise settings.SettingsInvalid("CARBONLEDGER_ENVIRONMENT=production refuses laptop defaults: " + "; ".join(unsafe) + ".")
    return configuration
