"""A small audit pack for tests: the receipt of ``worlds`` with its page, and all that a pack has beside it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from carbonledger_proof import archive, bundle, canonical, leaves, manifest, merkle, pack
from tests.unit.proof import worlds

PAGE = (Path(__file__).parents[2] / "fixtures" / "proof" / "receipt.pdf").read_bytes()
MADE = datetime(2026, 12, 5, tzinfo=UTC)
SERIAL = worlds.serial()
FOLDER = f"receipts/{SERIAL}"


def log_files() -> dict[str, bytes]:
    """The log's checkpoint and an earlier one, with the proof between them."""
    hashes = [leaves.leaf_hash(leaf) for leaf in worlds.world().log]
    nodes: dict[tuple[int, int], bytes] = {}
    merkle.Frontier().extended(hashes, keep=lambda level, place, hash_: nodes.__setitem__((level, place), hash_))
    path = merkle.prove(merkle.consistency_path(3, len(hashes)), lambda level, place: nodes[level, place])
    return {
        pack.KEYS: canonical.write(worlds.KEYS.to_json()),
        pack.CHECKPOINT: worlds.signed_checkpoint(worlds.world().log).encode(),
        pack.EARLIER: worlds.signed_checkpoint(worlds.world().log[:3]).encode(),
        pack.CONSISTENCY: pack.Consistency(old=3, new=len(hashes), path=tuple(path)).encode(),
    }


def files(**changes: bytes) -> dict[str, bytes]:
    """The files of a pack but for its manifest."""
    return {
        **log_files(),
        f"{FOLDER}/receipt.json": canonical.write(worlds.receipt().to_json()),
        f"{FOLDER}/bundle.json": worlds.world().bundled().encode(),
        f"{FOLDER}/receipt.pdf": PAGE,
        "events.csv": b"id\n",
        "README.txt": b"",
        **changes,
    }


def manifest_of(given: Mapping[str, bytes], **changes: object) -> manifest.Manifest:
    """The manifest of these files. What is changed is changed before it is sealed."""
    receipt = worlds.receipt()
    said: dict[str, object] = {
        "test": False,
        "issuer": worlds.ORIGIN,
        "organization": receipt.organization,
        "period": receipt.period,
        "number": 1,
        "events": receipt.events,
        "receipts": (manifest.Stated(serial=SERIAL, state=bundle.State.VALID),),
        "files": manifest.in_order(
            manifest.File(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest()) for name, content in given.items()
        ),
        "keys": worlds.KEYS,
        "made_at": MADE,
        "seal": bundle.Seal(kid="-", signature="-"),
        **changes,
    }
    unsealed = manifest.Manifest(**said)  # type: ignore[arg-type]  # each test gives what the field takes
    return manifest.sealed(unsealed, kid=worlds.RECEIPT_KEY.kid, sign=worlds.RECEIPT_SIGN)


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """An archive of these files in this order."""
    plan = archive.plan(archive.Entry(name, len(content), zlib.crc32(content)) for name, content in contents.items())
    return b"".join(part for head, content in zip(plan.heads, contents.values(), strict=True) for part in (head, content)) + plan.tail


def packed(given: Mapping[str, bytes] | None = None, **changes: object) -> bytes:
    """A whole pack."""
    some = files() if given is None else given
    return zipped({manifest.FILE_NAME: manifest_of(some, **changes).encode(), **dict(sorted(some.items()))})
