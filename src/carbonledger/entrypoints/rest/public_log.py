"""The public log over HTTP, for anybody to mirror and audit: checkpoint and tiles as C2SP tlog-tiles has them, and proofs computed here.

Under ``/v1/public/log``, which is the prefix of the specification. What is immutable may be kept for ever.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from carbonledger.domains.receipts.service import keys, log
from carbonledger.domains.receipts.types import log as types
from carbonledger.entrypoints.rest import routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import errors
from carbonledger_proof import errors as proof_errors
from carbonledger_proof import keys as proof_keys
from carbonledger_proof import merkle, tiles

router = routing.Router(prefix=types.MONITOR_PATH, tag="Public log")
well_known = routing.Router(prefix="/.well-known", tag="Public log")

CHECKPOINT_S = 5  # how long a mirror may be behind
KEYS_S = 300
_TEXT = "text/plain"
_BYTES = "application/octet-stream"
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
_PUBLIC = access.public(limit="public")
_HASH = r"^[0-9a-f]{64}$"


class LeafWanted(errors.Invalid):
    """Say which leaf: by its index or by its hash, and not by both."""

    code = "log_leaf_wanted"


class InclusionOut(shapes.Out):
    """That a leaf stands in the log."""

    index: int = Field(description="Where it stands, from 0.")
    leaf_hash: str = Field(description="SHA-256 of a zero byte and the leaf (RFC 6962), in hex.")
    size: int = Field(description="Leaves of the tree that it is proven in.")
    path: list[str] = Field(description="Hashes from the leaf up to the root, in hex.")
    checkpoint: str | None = Field(description="The signed note over that tree; null if none was signed of this very size.")


class ConsistencyOut(shapes.Out):
    """That a tree only adds to an earlier one."""

    old: int
    new: int
    path: list[str] = Field(description="Hashes of the proof (RFC 6962, section 2.1.2), in hex.")


class RevokedOut(shapes.Out):
    """When and why a key ended before its time."""

    revoked_at: int = Field(description="Seconds since 1970.")
    reason: str = Field(description="`compromised`: somebody else may sign with it. Or `superseded`, `unspecified`.")


class KeyOut(shapes.Out):
    """A public key of Ed25519."""

    kty: str
    crv: str
    alg: str
    use: str
    x: str = Field(description="The key, 32 bytes in base64url.")
    kid: str = Field(description="Its thumbprint (RFC 7638).")
    purpose: str = Field(description="What it signs: `receipts`, or checkpoints of the `log`.")
    nbf: int = Field(description="From when it may sign, in seconds since 1970.")
    exp: int | None = Field(description="Before when it may sign; null: still.")
    revoked: RevokedOut | None


class KeysOut(shapes.Out):
    """Keys by their name, in the order of the names."""

    keys: list[KeyOut]


_INDEX = Annotated[int | None, Query(ge=0, le=merkle.SIZE_MAX, description="Which leaf, from 0.")]
_LEAF = Annotated[str | None, Query(alias="hash", pattern=_HASH, min_length=64, max_length=64, description="Hash of the leaf, in hex.")]
_SIZE = Annotated[int | None, Query(ge=1, le=merkle.SIZE_MAX, description="Leaves of the tree; else of the newest that was signed.")]
_EXAMPLE_HASH = "9a5eb3e79bc9bf5a2ea7c83977fcb23970a9ee518cdaeaae600b7a9f59aeb702"
# The key of RFC 8037, appendix A, and its thumbprint there.
_EXAMPLE_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "alg": "EdDSA",
    "use": "sig",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "purpose": "receipts",
    "nbf": 1795651200,
    "exp": None,
    "revoked": None,
}


@router.get(
    "/checkpoint",
    access=_PUBLIC,
    summary="Get the newest checkpoint",
    operation_id="getLogCheckpoint",
    answers=(_TEXT,),
    errors=(types.CheckpointNotFound,),
)
async def get_checkpoint(call: routing.CallDep) -> Response:
    """Give the signed note over the log's name, size and root (C2SP tlog-checkpoint)."""
    found = await log.latest(call.uow)
    return Response(found.note, media_type=_TEXT, headers={"cache-control": f"public, max-age={CHECKPOINT_S}"})


@router.get(
    "/tile/{tile:path}",
    access=_PUBLIC,
    summary="Get a tile",
    operation_id="getLogTile",
    answers=(_BYTES,),
    errors=(types.TileNotFound,),
)
async def get_tile(
    call: routing.CallDep,
    tile: Annotated[str, Path(max_length=64, description="Such as `0/x001/x234/067`, `1/000.p/17` or `entries/000` (C2SP tlog-tiles).")],
) -> Response:
    """Give 256 hashes of a level of the tree, or 256 leaves; fewer at the right edge (`.p/`). It never changes and may be kept for ever."""
    try:
        wanted = tiles.parse_path(tile)
    except proof_errors.MerkleInvalid as error:
        raise types.TileNotFound(str(error)) from error
    return Response(await log.tile(call.uow, tile=wanted), media_type=_BYTES, headers=_FOR_EVER)


@router.get(
    "/proof",
    access=_PUBLIC,
    summary="Prove that a leaf is in the log",
    operation_id="getLogInclusion",
    examples={
        "parameters": {"index": 0},
        "response": {
            "index": 0,
            "leaf_hash": _EXAMPLE_HASH,
            "size": 2,
            "path": [_EXAMPLE_HASH],
            "checkpoint": "ledger.example/v1/public/log\n2\n…",
        },
    },
    errors=(LeafWanted, types.EntryNotFound, types.SizeInvalid, types.CheckpointNotFound),
)
async def get_inclusion(call: routing.CallDep, index: _INDEX = None, leaf_hash: _LEAF = None, size: _SIZE = None) -> InclusionOut:
    """Give the hashes by which a leaf, named by its index or its hash, leads to the root of a tree, and that tree's checkpoint."""
    if (index is None) == (leaf_hash is None):
        raise LeafWanted("Give either index or hash.")
    entry = await log.find(call.uow, index=index, leaf_hash=None if leaf_hash is None else bytes.fromhex(leaf_hash))
    found = await log.proven(call.uow, entry=entry, size=size)
    call.header("cache-control", f"public, max-age={CHECKPOINT_S}" if size is None else _FOR_EVER["cache-control"])
    return InclusionOut(
        index=entry.index,
        leaf_hash=entry.hash.hex(),
        size=found.size,
        path=[one.hex() for one in found.path],
        checkpoint=found.checkpoint,
    )


@router.get(
    "/consistency",
    access=_PUBLIC,
    summary="Prove that the log only grew",
    operation_id="getLogConsistency",
    examples={"parameters": {"old": 1, "new": 2}, "response": {"old": 1, "new": 2, "path": [_EXAMPLE_HASH]}},
    errors=(types.SizeInvalid,),
)
async def get_consistency(
    call: routing.CallDep,
    old: Annotated[int, Query(ge=0, le=merkle.SIZE_MAX, description="Leaves of the earlier tree.")],
    new: Annotated[int, Query(ge=0, le=merkle.SIZE_MAX, description="Leaves of the later tree.")],
) -> ConsistencyOut:
    """Give the hashes by which the tree of `new` leaves begins with that of `old`."""
    path = await log.consistency(call.uow, old=old, new=new)
    call.header("cache-control", _FOR_EVER["cache-control"])
    return ConsistencyOut(old=old, new=new, path=[one.hex() for one in path])


@well_known.get(
    "/jwks.json",
    access=_PUBLIC,
    summary="Get the public keys",
    operation_id="getKeys",
    examples={"response": {"keys": [_EXAMPLE_KEY]}},
)
async def get_keys(call: routing.CallDep) -> KeysOut:
    """Give every key that ever signed receipts or checkpoints, with its time. A JWK set (RFC 7517, RFC 8037).

    Keys stay in it for ever, so that what they signed goes on being verified.
    """
    found = await keys.published(call.uow)
    call.header("cache-control", f"public, max-age={KEYS_S}")
    return KeysOut(keys=[KeyOut.model_validate(proof_keys.to_json(key)) for key in found])
