"""What ``db`` does."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import carbonledger
from carbonledger.domains.vault import service as vault
from carbonledger.entrypoints.cli import console, folder, operating
from carbonledger.infra import crypto, opening, reach, settings
from carbonledger.infra import dump as dumps
from carbonledger.infra.observe import logs


def dump(file: Path, *, force: bool, json: bool) -> None:
    """Write a dump and say what is in it."""
    path = file.absolute()

    async def work(operator: operating.Operator) -> dumps.Manifest:
        async with operator.database.transaction(read_only=True) as uow:
            sealed = await vault.sealed_by(uow)
        return await dumps.take(
            path,
            owner=operator.reached.addresses.owner,
            version=carbonledger.__version__,
            keys=tuple(sorted(sealed)),
            now=operator.at,
            programs_dir=operator.reached.programs_dir,
            replace=force,
        )

    made = operating.run(work)
    if json:
        console.json(_summary(made))
        return
    console.say(f"Wrote {file}: {sum(made.tables.values())} rows of {len(made.tables)} tables, schema {made.revision}.")
    if made.keys:
        console.say(f"Its secrets need the vault keys {', '.join(made.keys)}, which are not in it: carbonledger vault export FILE")


def restore(file: Path, *, force: bool, json: bool) -> None:
    """Put a dump back and say what was in it."""
    configuration = settings.load()
    logs.configure(configuration)
    folder.make(configuration.home)
    with reach.reached(configuration) as reached:
        done = asyncio.run(
            dumps.restore(
                file.absolute(),
                owner=reached.addresses.owner,
                keys=_keys_at_hand(configuration),
                keys_place=_keys_place(configuration),
                programs_dir=reached.programs_dir,
                force=force,
            )
        )
    if json:
        console.json(_summary(done))
    else:
        console.say(
            f"Restored {sum(done.tables.values())} rows of {len(done.tables)} tables from {file}; each count and right is as it was."
        )


def _keys_at_hand(configuration: settings.Settings) -> tuple[str, ...]:
    try:
        return opening.vault_keys(configuration).ring().fingerprints
    except crypto.VaultKeysMissing:
        return ()


def _keys_place(configuration: settings.Settings) -> str:
    return "CARBONLEDGER_VAULT_KEYS" if configuration.vault_keys is not None else f"{configuration.vault_keys_path} (mode 0600)"


def _summary(manifest: dumps.Manifest) -> dict[str, object]:
    return {key: value for key, value in dataclasses.asdict(manifest).items() if key != "protection"}
