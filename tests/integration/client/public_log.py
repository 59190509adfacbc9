"""A public log on loopback, made of files as C2SP tlog-tiles lays them out: a second one beside the server's, made from leaves alone."""

from __future__ import annotations

import dataclasses
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from carbonledger_proof import canonical, checkpoint, keys, leaves, merkle, signature, statement, tiles

PREFIX = "/v1/public/log"
ORIGIN = "ledger.example/v1/public/log"
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(slots=True)
class Log:
    """Leaves, the keys that there are, and the files that a monitor sees."""

    contents: list[bytes] = field(default_factory=list)
    shown: list[keys.Key] = field(default_factory=list)
    signers: dict[str, signature.Signer] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def now(self) -> datetime:
        """The time of the next leaf: a second for each."""
        return START + timedelta(seconds=len(self.contents))

    def append(self, *more: leaves.Leaf) -> None:
        self.contents += [leaves.content(leaf) for leaf in more]

    def publish(self, purpose: keys.Purpose, *, seed: int) -> keys.Key:
        """Make the first key of a purpose."""
        key, sign = self._key(purpose, seed)
        self.append(leaves.publish_key(key, at=self.now, sign=sign))
        return key

    def rotate(self, old: keys.Key, *, seed: int) -> keys.Key:
        """Let a key follow another."""
        key, sign = self._key(old.purpose, seed)
        leaf = leaves.rotate_key(old, key, at=self.now, old_exp=key.nbf + 300, old_sign=self.signers[old.kid], sign=sign)
        self.append(leaf)
        self.shown = [dataclasses.replace(one, exp=leaf.old_exp) if one.kid == old.kid else one for one in self.shown]
        return key

    def _key(self, purpose: keys.Purpose, seed: int) -> tuple[keys.Key, signature.Signer]:
        public, sign = signature.signer(bytes([seed]) * 32)
        key = keys.Key(public=public, purpose=purpose, nbf=int(self.now.timestamp()))
        self.shown.append(key)
        self.signers[key.kid] = sign
        return key, sign

    def lots(self, count: int) -> None:
        """Import so many lots."""
        for _ in range(count):
            self.append(lot(len(self.contents), at=self.now))

    def write(self, key: keys.Key, *, size: int | None = None) -> None:
        """Write the files of the log, with a checkpoint that ``key`` signs, of all leaves or of the first ``size``."""
        some = self.contents[:size]
        hashes = [merkle.leaf_hash(content) for content in some]
        said = checkpoint.Checkpoint(ORIGIN, len(some), merkle.tree_root(hashes))
        self.files = {f"{PREFIX}/checkpoint": said.signed(key.public, self.signers[key.kid]).encode()}
        self.files["/.well-known/jwks.json"] = canonical.write(keys.KeySet(tuple(self.shown)).to_json())
        level = 0
        while hashes:
            for index in range(-(-len(hashes) // 256)):
                row = hashes[index * 256 : index * 256 + 256]
                self.files[self.place(tiles.Tile(level, index, len(row)))] = b"".join(row)
                if level == 0:
                    packed = tiles.pack_entries(some[index * 256 : index * 256 + 256])
                    self.files[self.place(tiles.Tile(-1, index, len(row)))] = packed
            hashes = [merkle.tree_root(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
            level += 1

    @staticmethod
    def place(tile: tiles.Tile) -> str:
        """Return the address of a tile."""
        return f"{PREFIX}/tile/{tile.path()}"


def lot(number: int, *, at: datetime, name: str = "A wood") -> leaves.LotImported:
    """Return the leaf of a lot of one tonne, unlike that of any other number."""
    return leaves.LotImported(
        at=at, registry="verra", project_id="VCS-1", project_name=name, standard="VCS", kind=statement.Kind.REMOVAL, vintage=2024,
        block=f"VCS-1-{number}-{number}", block_prefix="VCS-1", block_start=number, block_end=number, quantity_mg=leaves.MG_PER_UNIT,
        retired_on=date(2025, 1, 2), retirement_reference="R-1", retirement_url="https://registry.example/r/1", beneficiary=ORIGIN,
        evidence_sha256=None,
    )  # fmt: skip


@contextmanager
def serving(log: Log) -> Iterator[None]:
    """Serve the log's files on loopback while the block runs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log.asked.append(self.path)
            content = log.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("content-length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    log.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
