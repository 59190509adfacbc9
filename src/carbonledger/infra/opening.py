"""Opens, as the settings say, what a short command needs as well as the whole service: the pool of the database and the vault's keys."""

from __future__ import annotations

from carbonledger.infra import crypto, db, reach, settings
from carbonledger.infra.observe import metrics


async def database(configuration: settings.Settings, addresses: reach.Addresses, *, application: str) -> db.Database:
    """Open the pool of the running service; ``application`` names it in pg_stat_activity. Raises ``DatabaseUnavailable``."""
    return await db.connect(
        addresses.app,
        size=configuration.database_pool_size,
        application=application,
        role=addresses.app_role,
        observe=metrics.statement,
    )


def vault_keys(configuration: settings.Settings) -> crypto.KeySource:
    """Return the keys that seal secrets. Raises ``VaultKeyFault``; a missing file is made by ``migrate`` alone."""
    if configuration.vault_keys is not None:
        return crypto.FixedKeys(crypto.parse_keys(crypto.SecretText(configuration.vault_keys.get_secret_value())))
    return crypto.KeyFile(configuration.vault_keys_path)
