"""What ``vault`` does."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from carbonledger.domains.vault import service as vault
from carbonledger.entrypoints.cli import backups, console, operating
from carbonledger.infra import clock, crypto, opening, settings
from carbonledger.kernel import errors


class KeysAreYours(errors.Conflict):
    """The keys come from the environment, where only you can change them."""

    code = "vault_keys_given"


class StillSealed(errors.Conflict):
    """Secrets are still sealed with an old key."""

    code = "vault_still_sealed"


class ExportRefused(errors.Conflict):
    """The keys can't be written there."""

    code = "vault_export_refused"


def export(file: Path, *, force: bool) -> None:
    """Copy the key file and note that it was done."""
    configuration = operating.load()
    _require_file(configuration, remedy="they are wherever you keep that variable; back that up")
    keys = crypto.read_file(configuration.vault_keys_path)
    content = configuration.vault_keys_path.read_bytes()
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(file, flags, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            os.fchmod(target.fileno(), 0o600)
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
    except FileExistsError:
        raise ExportRefused(f"{file} exists already; choose another name, or replace it with --force.") from None
    except OSError as error:
        raise ExportRefused(f"{file} can't be written ({error.strerror}); choose another place.") from error
    backups.note(configuration.secrets_dir, fingerprints=keys.fingerprints, at=clock.now())
    console.say(f"Wrote {', '.join(keys.fingerprints)} to {file}. Keep it safe, and apart from the database's dumps.")


def rotate() -> None:
    """Put a new key first and ask for every secret to be sealed with it."""
    configuration = operating.load()
    if configuration.vault_keys is None:
        fresh = crypto.prepend_key(configuration.vault_keys_path)
        console.say(f"New secrets are sealed with the key {fresh}. Back it up now: carbonledger vault export FILE")
    else:
        console.say("The keys are given by CARBONLEDGER_VAULT_KEYS: put the new one first there and restart every process before this.")

    async def work(operator: operating.Operator) -> UUID:
        house = await operator.organization(operating.HOUSE)
        sealer = crypto.Sealer(opening.vault_keys(configuration))
        async with operator.database.transaction(house) as uow:
            return await vault.request_reseal(uow, actor=operator.acting_in(house), now=operator.at, sealer=sealer)

    job_id = operating.run(work)
    console.say(
        f"The worker seals every secret anew (job {job_id}). When `carbonledger vault status` shows none under an old key: --finish"
    )


def finish() -> None:
    """Drop the old keys, if nothing is sealed with them."""
    configuration = operating.load()
    _require_file(configuration, remedy="take the old ones out there")
    newest, *old = crypto.read_file(configuration.vault_keys_path).fingerprints
    sealed = operating.run(_sealed_by)
    waiting = {key: count for key, count in sealed.items() if key != newest}
    if waiting:
        told = ", ".join(f"{count} with {key}" for key, count in sorted(waiting.items()))
        raise StillSealed(
            f"Secrets are still sealed with old keys ({told}); wait for the worker, or run `carbonledger vault rotate` again."
        )
    dropped = crypto.retain_newest_key(configuration.vault_keys_path) if old else ()
    console.say(f"Dropped {', '.join(dropped)}." if dropped else "There is no old key.")


def status(*, json: bool) -> None:
    """Print the keys by fingerprint."""
    configuration = operating.load()
    sealed = operating.run(_sealed_by)
    here = opening.vault_keys(configuration).ring().fingerprints
    exported = backups.read(configuration.secrets_dir)
    given = configuration.vault_keys is not None
    place = "CARBONLEDGER_VAULT_KEYS" if given else str(configuration.vault_keys_path)
    keys = [
        {"fingerprint": key, "here": key in here, "secrets": sealed.get(key, 0), "exported_at": exported.get(key)}
        for key in dict.fromkeys((*here, *sorted(sealed)))
    ]
    if json:
        console.json({"place": place, "keys": keys})
        return
    console.say(f"Keys: {place}, newest first.")
    rows = [(key["fingerprint"], "here" if key["here"] else "MISSING", str(key["secrets"]), key["exported_at"] or "never") for key in keys]
    console.table(("fingerprint", "key", "secrets", "exported"), [tuple(map(str, row)) for row in rows])


async def _sealed_by(operator: operating.Operator) -> dict[str, int]:
    async with operator.database.transaction(read_only=True) as uow:
        return await vault.sealed_by(uow)


def _require_file(configuration: settings.Settings, *, remedy: str) -> None:
    if configuration.vault_keys is not None:
        raise KeysAreYours(f"The keys are given by CARBONLEDGER_VAULT_KEYS: {remedy}.")
