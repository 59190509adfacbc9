"""One audit of a log: every leaf and every tile is fetched, the tree computed from the leaves, and the leaves replayed.

What the leaves have to obey is in ``carbonledger_proof.audit``. Here is what only somebody with the whole log and a memory can see: a tile
that is not what the leaves come to, a checkpoint that the leaves do not lead to, a key that the log never told, a history that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from carbonledger_client import errors
from carbonledger_client.auditing import memory as memories
from carbonledger_client.auditing import monitor as monitors
from carbonledger_proof import audit, canonical, checkpoint, keys, leaves, merkle, note, signature, tiles
from carbonledger_proof import errors as proof_errors

_TOLD_EACH = 64  # bundles
_KEY_LEAF = b'"leaf":"key.'


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong: a stable word, at which leaf or tile (empty: the log as a whole), and words for a person."""

    problem: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit came to. ``before`` is how many leaves were found right the last time (None: there was none)."""

    origin: str
    size: int
    root: str
    note: str
    before: int | None
    findings: tuple[Finding, ...]
    memory: memories.Memory


@dataclass(slots=True)
class _Walk:
    """The leaves on their way to the replay, and what is seen of them meanwhile."""

    monitor: monitors.Monitor
    size: int
    told: Callable[[int], None]
    findings: list[Finding] = field(default_factory=list)
    key_leaves: list[leaves.KeyPublished | leaves.KeyRotated] = field(default_factory=list)
    last: bytes | None = None
    _bundle: bytes = b""
    _levels: list[list[bytes]] = field(default_factory=list)  # hashes of the tile that is being filled, by level
    _filled: list[int] = field(default_factory=list)  # tiles that are full, by level

    def contents(self) -> Iterator[bytes]:
        """Give the bytes of each leaf, in order, as far as the log gives them; each tile is compared as soon as it is full."""
        for index in range(-(-self.size // tiles.WIDTH)):
            width = min(tiles.WIDTH, self.size - index * tiles.WIDTH)
            entries = self._entries(tiles.Tile(-1, index, width))
            for content in entries:
                self._add(0, merkle.leaf_hash(content))
                self._note_key(content)
                self.last = content
                yield content
            if len(entries) != width:
                return
            if index % _TOLD_EACH == 0:
                self.told(index * tiles.WIDTH + width)
        for level, hashes in enumerate(self._levels):
            if hashes:
                self._compare(tiles.Tile(level, self._filled[level], len(hashes)), hashes)
        self.told(self.size)

    def _entries(self, tile: tiles.Tile) -> list[bytes]:
        try:
            self._bundle = self.monitor.tile(tile)
            entries = tiles.unpack_entries(self._bundle)
        except (monitors.TileMissing, proof_errors.MerkleInvalid) as error:
            self.findings.append(Finding("tile_missing", f"tile {tile.path()}", str(error)))
            return []
        if len(entries) != tile.width:
            text = f"It has {len(entries)} leaves, and should have {tile.width}."
            self.findings.append(Finding("tile_differs", f"tile {tile.path()}", text))
        return entries[: tile.width]

    def _add(self, level: int, hash_: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._filled.append(0)
        hashes = self._levels[level]
        hashes.append(hash_)
        if len(hashes) == tiles.WIDTH:
            self._compare(tiles.Tile(level, self._filled[level]), hashes)
            self._filled[level] += 1
            self._levels[level] = []
            self._add(level + 1, merkle.tree_root(hashes))

    def _compare(self, tile: tiles.Tile, hashes: list[bytes]) -> None:
        place, wanted = f"tile {tile.path()}", b"".join(hashes)
        try:
            found = self.monitor.tile(tile)
        except (monitors.TileMissing, proof_errors.MerkleInvalid) as error:
            self.findings.append(Finding("tile_missing", place, str(error)))
            return
        if found != wanted:
            self.findings.append(Finding("tile_differs", place, "It is not what the leaves come to."))
            return
        self.monitor.keep(tile, found)
        if tile.level == 0:
            self.monitor.keep(tiles.Tile(-1, tile.index, tile.width), self._bundle)

    def _note_key(self, content: bytes) -> None:
        if _KEY_LEAF not in content:
            return
        try:
            leaf = leaves.parse(content)
        except proof_errors.ProofError:
            return  # the replay says so, with its place
        if isinstance(leaf, leaves.KeyPublished | leaves.KeyRotated):
            self.key_leaves.append(leaf)


def run(monitor: monitors.Monitor, *, memory: memories.Memory | None, pinned: keys.KeySet | None, told: Callable[[int], None]) -> Outcome:
    """Audit a log. ``pinned`` are its keys, got another way; without them those of the memory, at first sight the log's own.

    Raises ``Garbled`` where there is nothing that could be audited, ``Unreachable``, ``Refused``.
    """
    text = monitor.checkpoint()
    said = _said(text)
    shown = _shown_keys(monitor)
    trusted = pinned or (shown if memory is None else _remembered_keys(memory))
    origin = said.origin if memory is None else memory.origin
    walk = _Walk(monitor, said.size, told)
    earlier = () if memory is None else memory.checkpoints
    replayed = audit.audit(walk.contents(), [text, *(one for one in earlier if one != text)], origin=origin)
    findings = [
        *walk.findings,
        *(Finding(one.problem.value, "" if one.leaf is None else f"leaf {one.leaf}", one.text) for one in replayed),
        *_checked_signature(text, origin, _followed(trusted, walk.key_leaves)),
        *_checked_keys(shown, walk),
    ]
    fresh = memory or memories.Memory(origin, _text_of(shown))
    return Outcome(
        origin=origin,
        size=said.size,
        root=said.root.hex(),
        note=text,
        before=None if not earlier else _said(earlier[-1]).size,
        findings=tuple(findings),
        memory=fresh.with_checkpoint(text),
    )


def _said(text: str) -> checkpoint.Checkpoint:
    try:
        return checkpoint.parse(note.parse(text).text)
    except proof_errors.NoteInvalid as error:
        raise errors.Garbled(f"What stands at /checkpoint is none: {error}") from error


def _shown_keys(monitor: monitors.Monitor) -> keys.KeySet:
    try:
        return keys.pinned(monitor.keys())
    except proof_errors.ProofError as error:
        raise errors.Garbled(f"The log's list of keys can't be read: {error}") from error


def _remembered_keys(memory: memories.Memory) -> keys.KeySet:
    try:
        return keys.pinned(memory.keys.encode())
    except proof_errors.ProofError as error:
        raise errors.Misused(f"The keys that are remembered can't be read: {error}") from error


def _text_of(shown: keys.KeySet) -> str:
    return canonical.write(shown.to_json()).decode()


def _followed(trusted: keys.KeySet, told: list[leaves.KeyPublished | leaves.KeyRotated]) -> list[signature.PublicKey]:
    """Return the keys of checkpoints that are trusted, and those that they vouch for, one after another."""
    known = {key.kid: key for key in trusted.of(keys.Purpose.LOG)}
    for leaf in told:
        if isinstance(leaf, leaves.KeyRotated) and leaf.old_kid in known and leaf.key.purpose is keys.Purpose.LOG:
            part = canonical.write(leaves.signed_part(leaf))
            try:
                signature.verify(signature.LOG_KEY, part, leaf.old_signature, known[leaf.old_kid].public)
                signature.verify(signature.LOG_KEY, part, leaf.signature, leaf.key.public)
            except proof_errors.SignatureInvalid:
                continue  # the replay says so, with its place
            known[leaf.key.kid] = leaf.key
    return [key.public for key in known.values()]


def _checked_signature(text: str, origin: str, trusted: list[signature.PublicKey]) -> list[Finding]:
    try:
        checkpoint.verified(text, origin=origin, keys=trusted)
    except proof_errors.NoteInvalid as error:
        return [Finding("checkpoint_untrusted", "", f"No key that you know, or that one of them vouches for, signed it: {error}")]
    return []


def _checked_keys(shown: keys.KeySet, walk: _Walk) -> list[Finding]:
    """Hold the keys that the log's address shows against those that the log tells: a key that is in one only was not meant for all."""
    told = {leaf.key.kid: leaf.key for leaf in walk.key_leaves}
    known = {key.kid for key in shown}
    ends = {leaf.old_kid: leaf.old_exp for leaf in walk.key_leaves if isinstance(leaf, leaves.KeyRotated)}
    until = _last_second(walk.last)
    return [
        *(Finding("key_withheld", "", f"The log tells of key {kid}, its list of keys does not.") for kid in told if kid not in known),
        *(
            Finding("key_unlogged", "", f"Key {key.kid} is in the list of keys, and the log does not tell of it.")
            for key in shown
            if key.kid not in told and key.nbf <= until  # a newer one may be behind this checkpoint
        ),
        *(
            Finding("key_differs", "", f"What key {key.kid} signs, and from when to when, is told otherwise by the log.")
            for key in shown
            if key.kid in told and _told_otherwise(key, told[key.kid], ends.get(key.kid))
        ),
    ]


def _told_otherwise(shown: keys.Key, told: keys.Key, ended: int | None) -> bool:
    """Say whether a key differs from how the log tells of it. Its end may be told behind the checkpoint: then it is not compared."""
    same = (shown.purpose, shown.nbf) == (told.purpose, told.nbf)
    return not same or (ended is not None and shown.exp != ended)


def _last_second(content: bytes | None) -> int:
    try:
        return -1 if content is None else int(leaves.parse(content).at.timestamp())
    except proof_errors.ProofError:
        return -1  # the replay says so
