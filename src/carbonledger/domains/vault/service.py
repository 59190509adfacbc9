"""The vault's front door: seal, find, open, replace and destroy secrets; LLM keys; change of the master key.

A secret always enters sealed, in the caller's transaction. Where an outside store is configured, a job then moves it there and
drops the sealed copy, so no request waits for that store and no crash leaves a secret without a row. Opening is audited: ``find`` writes
the event in the caller's transaction, and what it returns is opened after the commit.

``now`` is the organization's time, ``at`` the real one, from which ids are made.
"""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn
from uuid import UUID

import asyncpg

from carbonledger.domains.vault import core, store, types
from carbonledger.infra import crypto, db, outbox, queue
from carbonledger.kernel import errors, ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor

RESEAL_JOB = "vault.reseal"
MOVE_JOB = "vault.move_outside"
FORGET_JOB = "vault.forget_outside"
_LABEL_INDEX = "llm_keys_organization_id_provider_label_idx"


async def seal(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    sealer: crypto.Sealer,
    organization_id: UUID,
    purpose: types.Purpose,
    secret: crypto.SecretText,
    outside: bool,
) -> UUID:
    """Keep a secret and return its id. ``outside`` also sends it to the outside store, in a job."""
    secret_id = ids.new_id(at)
    sealed = sealer.seal(secret, organization_id=organization_id, secret_id=secret_id, purpose=purpose.value)
    await store.insert_secret(
        uow,
        organization_id=organization_id,
        secret_id=secret_id,
        purpose=purpose,
        sealed=sealed,
        fingerprint=crypto.key_of(sealed),
        now=now,
    )
    if outside:
        await queue.enqueue(uow, name=MOVE_JOB, args={"secret_id": str(secret_id)}, now=now, actor=actor)
    return secret_id


async def find(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, secret_id: UUID, reason: str) -> types.Located:
    """Return a secret's place and write down that ``actor`` opens it and why. Raises ``SecretNotFound``."""
    located = await store.secret(uow, organization_id=organization_id, secret_id=secret_id)
    if located is None:
        raise types.SecretNotFound(f"There is no secret {secret_id}.")
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="secret.opened",
        target_type="secret",
        target_id=secret_id,
        after={"purpose": located.purpose.value, "reason": reason},
    )
    return located


async def reveal(located: types.Located, *, sealer: crypto.Sealer, outside: types.SecretStore | None) -> crypto.SecretText:
    """Open what ``find`` returned; outside a transaction, since it may ask the outside store. Raises ``SecretUnreadable``."""
    if located.place is types.Place.DATABASE:
        return _open(located, sealer=sealer)
    if outside is None or located.ref is None:
        raise types.SecretUnreadable("It is kept in an outside secret store, and none is configured. See CARBONLEDGER_VAULT_BACKEND.")
    return await outside.get(organization_id=located.organization_id, secret_id=located.secret_id, ref=located.ref)


def _open(located: types.Located, *, sealer: crypto.Sealer) -> crypto.SecretText:
    try:
        return sealer.open(
            located.sealed or "", organization_id=located.organization_id, secret_id=located.secret_id, purpose=located.purpose.value
        )
    except crypto.SealFault as fault:
        raise types.SecretUnreadable(f"Secret {located.secret_id}: {fault.detail}") from fault


async def destroy(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, secret_id: UUID) -> None:
    """Forget a secret here at once, and in the outside store by a job. Raises ``SecretNotFound``."""
    located = await store.secret(uow, organization_id=organization_id, secret_id=secret_id, lock=True)
    if located is None:
        raise types.SecretNotFound(f"There is no secret {secret_id}.")
    await store.delete_secret(uow, organization_id=organization_id, secret_id=secret_id)
    if located.ref is not None:
        await queue.enqueue(uow, name=FORGET_JOB, args={"ref": located.ref}, now=now, actor=actor)


def mark(*, organization_id: UUID, provider: str, key: crypto.SecretText) -> types.KeyMark:
    """Return by what a provider's key is known again, for a domain that keeps one."""
    value = key.reveal()
    return types.KeyMark(hint=core.hint(value), digest=core.digest(organization_id, provider, value))


def key_problems(key: crypto.SecretText) -> tuple[errors.Problem, ...]:
    """Return what is wrong with the value of a provider's key, at ``/api_key``, without showing any of it."""
    return core.value_problems(key.reveal())


async def add_llm_key(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    sealer: crypto.Sealer,
    organization_id: UUID,
    provider: str,
    label: str,
    key: crypto.SecretText,
    outside: bool,
) -> types.LlmKey:
    """Keep a provider's key. Raises ``errors.Invalid`` with all problems, ``LlmKeyDuplicate``."""
    problems = core.key_problems(provider, label, key.reveal())
    if problems:
        raise errors.Invalid("The key can't be kept as given.", problems=problems)
    secret_id = await seal(
        uow,
        actor=actor,
        now=now,
        at=at,
        sealer=sealer,
        organization_id=organization_id,
        purpose=types.Purpose.LLM_KEY,
        secret=key,
        outside=outside,
    )
    made = types.LlmKey(
        id=ids.new_id(at),
        provider=provider,
        label=label,
        key_hint=core.hint(key.reveal()),
        secret_id=secret_id,
        created_at=now,
        rotated_at=None,
    )
    try:
        await store.insert_llm_key(
            uow, organization_id=organization_id, key=made, digest=core.digest(organization_id, provider, key.reveal())
        )
    except asyncpg.UniqueViolationError as error:
        _raise_duplicate(error, label=label)
    await _tell(uow, actor=actor, now=now, action="llm_key.created", key=made)
    return made


def _raise_duplicate(error: asyncpg.UniqueViolationError, *, label: str) -> NoReturn:
    if error.constraint_name == _LABEL_INDEX:
        raise types.LlmKeyDuplicate(
            f"There is a key of this provider labelled {label!r} already. Choose another label or rotate it."
        ) from error
    raise types.LlmKeyDuplicate("This very key is kept already, under another label.") from error


async def _tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, action: str, key: types.LlmKey) -> None:
    # Not the label: people write anything there, and the trail refuses what looks like a person or a secret.
    after = {"provider": key.provider}
    await outbox.emit(uow, actor=actor, now=now, action=action, target_type="llm_key", target_id=key.id, after=after)


async def list_llm_keys(
    uow: db.UnitOfWork, *, organization_id: UUID, provider: str | None, page: pages.PageRequest
) -> pages.Page[types.LlmKey]:
    """Return LLM keys, newest first."""
    rows = await store.list_llm_keys(
        uow, organization_id=organization_id, provider=provider, before=pages.before_id(page), limit=page.limit + 1
    )
    return pages.cut(rows, limit=page.limit, key=lambda key: (str(key.id),))


async def rotate_llm_key(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    sealer: crypto.Sealer,
    organization_id: UUID,
    key_id: UUID,
    key: crypto.SecretText,
    outside: bool,
) -> types.LlmKey:
    """Put a new value in place of an LLM key's; who holds the key's id keeps it. Raises ``LlmKeyNotFound``, ``LlmKeyDuplicate``."""
    problems = core.value_problems(key.reveal())
    if problems:
        raise errors.Invalid("The key can't be kept as given.", problems=problems)
    old = await _locked_key(uow, organization_id=organization_id, key_id=key_id)
    secret_id = await seal(
        uow,
        actor=actor,
        now=now,
        at=at,
        sealer=sealer,
        organization_id=organization_id,
        purpose=types.Purpose.LLM_KEY,
        secret=key,
        outside=outside,
    )
    try:
        await store.change_llm_key(
            uow,
            organization_id=organization_id,
            key_id=key_id,
            secret_id=secret_id,
            key_hint=core.hint(key.reveal()),
            digest=core.digest(organization_id, old.provider, key.reveal()),
            now=now,
        )
    except asyncpg.UniqueViolationError as error:
        _raise_duplicate(error, label=old.label)
    await destroy(uow, actor=actor, now=now, organization_id=organization_id, secret_id=old.secret_id)
    await _tell(uow, actor=actor, now=now, action="llm_key.rotated", key=old)
    return await _locked_key(uow, organization_id=organization_id, key_id=key_id)


async def _locked_key(uow: db.UnitOfWork, *, organization_id: UUID, key_id: UUID) -> types.LlmKey:
    found = await store.llm_key(uow, organization_id=organization_id, key_id=key_id, lock=True)
    if found is None:
        raise types.LlmKeyNotFound(f"There is no LLM key {key_id}.")
    return found


async def remove_llm_key(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, key_id: UUID) -> None:
    """Forget an LLM key and its secret. Raises ``LlmKeyNotFound``."""
    found = await _locked_key(uow, organization_id=organization_id, key_id=key_id)
    await store.delete_llm_key(uow, organization_id=organization_id, key_id=key_id)
    await destroy(uow, actor=actor, now=now, organization_id=organization_id, secret_id=found.secret_id)
    await _tell(uow, actor=actor, now=now, action="llm_key.deleted", key=found)


async def reseal(uow: db.UnitOfWork, *, now: datetime, sealer: crypto.Sealer, organization_id: UUID, secret_id: UUID) -> bool:
    """Seal one secret with the newest key; False when there is nothing to do. One step of a change of the master key."""
    located = await store.secret(uow, organization_id=organization_id, secret_id=secret_id, lock=True)
    if located is None or located.sealed is None or sealer.is_current(located.sealed):
        return False
    try:
        sealed = sealer.rotate(located.sealed)
    except crypto.SealFault as fault:
        raise types.SecretUnreadable(f"Secret {secret_id}: {fault.detail}") from fault
    await store.reseal(uow, organization_id=organization_id, secret_id=secret_id, sealed=sealed, fingerprint=crypto.key_of(sealed), now=now)
    return True


async def to_reseal(uow: db.UnitOfWork, *, sealer: crypto.Sealer, after: UUID, at_most: int) -> list[tuple[UUID, UUID]]:
    """Return the next (organization, secret) pairs, of all organizations, that an older key sealed."""
    return await store.secrets_to_reseal(uow, fingerprint=sealer.fingerprints()[0], after=after, at_most=at_most)


async def sealed_by(uow: db.UnitOfWork) -> dict[str, int]:
    """Return how many secrets of all organizations each key, by fingerprint, has sealed; for ``doctor``, dumps and rotation."""
    return await store.fingerprints(uow)


async def located_for_move(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID) -> types.Located | None:
    """Return where a secret that was to be moved is now, or None when it was destroyed meanwhile."""
    return await store.secret(uow, organization_id=organization_id, secret_id=secret_id)


def open_for_move(located: types.Located, *, sealer: crypto.Sealer) -> crypto.SecretText:
    """Open a sealed secret to hand it to the outside store. Raises ``SecretUnreadable``."""
    return _open(located, sealer=sealer)


async def moved(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID, ref: str, now: datetime, actor: Actor) -> None:
    """Record that the outside store has the secret; when it was destroyed meanwhile, have it forgotten there too."""
    located = await store.secret(uow, organization_id=organization_id, secret_id=secret_id, lock=True)
    if located is None:
        await queue.enqueue(uow, name=FORGET_JOB, args={"ref": ref}, now=now, actor=actor)
    elif located.place is types.Place.DATABASE:
        await store.move_outside(uow, organization_id=organization_id, secret_id=secret_id, ref=ref)


async def request_reseal(uow: db.UnitOfWork, *, actor: Actor, now: datetime, sealer: crypto.Sealer) -> UUID:
    """Ask for every secret to be sealed with the newest key of ``sealer``; in the house's transaction. Returns the job's id.

    One job at a time for each key: one that runs already for an older key has passed secrets by that the newest must seal too.
    """
    dedupe_key = f"reseal:{sealer.fingerprints()[0]}"
    job_id = await queue.enqueue(uow, name=RESEAL_JOB, args={}, now=now, actor=actor, dedupe_key=dedupe_key)
    await outbox.emit(uow, actor=actor, now=now, action="vault.reseal_requested", target_type="job", target_id=job_id)
    return job_id
