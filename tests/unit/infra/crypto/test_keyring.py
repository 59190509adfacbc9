"""The vault's keys: read strictly, made safely, never shown."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from carbonledger.infra import crypto

ZEROS = base64.urlsafe_b64encode(bytes(32)).decode()
ONES = base64.urlsafe_b64encode(b"\x01" * 32).decode()


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{ZEROS}\n{ONES}\n",  # the file's own form
        f"{ZEROS},{ONES}",  # an environment variable
        f" {ZEROS} , {ONES} ",
        f"# newest\r\n{ZEROS} # made today\r\n\r\n{ONES}\r\n",  # edited on another system
    ],
)
def test_keys_are_read_newest_first(text: str) -> None:
    ring = crypto.parse_keys(crypto.SecretText(text))
    # by hand: the first 16 hex digits of sha256("carbonledger.vault-key.v1\0" + key)
    assert ring.fingerprints == tuple(
        hashlib.sha256(b"carbonledger.vault-key.v1\0" + key).hexdigest()[:16] for key in (bytes(32), b"\x01" * 32)
    )
    assert ring.current == ring.fingerprints[0]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "no key"),
        ("# only a comment\n", "no key"),
        (f"{ZEROS}\n{ZEROS}", "twice"),
        (f"{ZEROS}\nnonsense", "Key 2 is not"),
        (base64.urlsafe_b64encode(bytes(31)).decode(), "Key 1 is not"),  # one byte short
        (ZEROS.rstrip("="), "Key 1 is not"),  # padding lost in copying
        ("ключ", "Key 1 is not"),
        ("\n".join(crypto.generate_key().reveal() for _ in range(17)), "17 keys"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(text: str, words: str) -> None:
    with pytest.raises(crypto.VaultKeysUnreadable, match=words) as caught:
        crypto.parse_keys(crypto.SecretText(text))
    assert ZEROS not in str(caught.value)
    assert "nonsense" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_ring_does_not_show_its_keys() -> None:
    key = crypto.generate_key()
    ring = crypto.parse_keys(key)
    assert key.reveal() not in repr(ring)
    assert ring.current in repr(ring)


def test_a_file_is_made_once_with_mode_0600_in_a_closed_folder(tmp_path: Path) -> None:
    old = os.umask(0)  # the mode must not depend on the umask
    try:
        path = tmp_path / "secrets" / "vault.keys"
        first = crypto.open_or_create(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert crypto.open_or_create(path).fingerprints == first.fingerprints
    assert [entry.name for entry in path.parent.iterdir()] == ["vault.keys"]  # nothing left beside it


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "vault.keys"
    seen: list[tuple[str, ...]] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        seen.append(crypto.open_or_create(path).fingerprints)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601])
def test_a_file_that_others_may_touch_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "vault.keys", ZEROS, mode)
    with pytest.raises(crypto.VaultKeysExposed, match=rf"chmod 600 {path}") as caught:
        crypto.read_file(path)
    assert f"{mode:04o}" in str(caught.value)
    with pytest.raises(crypto.VaultKeysExposed):
        crypto.open_or_create(path)  # never replaced by a fresh key


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_the_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert crypto.read_file(write(tmp_path / "vault.keys", ZEROS, mode)).fingerprints


def test_a_link_counts_as_what_it_points_to(tmp_path: Path) -> None:
    # secrets mounted by an orchestrator are links
    write(tmp_path / "real", ZEROS)
    (tmp_path / "vault.keys").symlink_to(tmp_path / "real")
    assert crypto.read_file(tmp_path / "vault.keys").fingerprints


def test_what_is_no_key_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(crypto.VaultKeysMissing, match="does not exist"):
        crypto.read_file(tmp_path / "none")
    with pytest.raises(crypto.VaultKeysUnreadable, match="Is a directory"):
        crypto.read_file(tmp_path)
    with pytest.raises(crypto.VaultKeysUnreadable, match="larger than"):
        crypto.read_file(write(tmp_path / "large", "#" * 70_000))
    path = tmp_path / "bytes"
    path.write_bytes(b"\xff\xfe secret")
    path.chmod(0o600)
    with pytest.raises(crypto.VaultKeysUnreadable, match="not text") as caught:
        crypto.read_file(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(crypto.VaultKeysUnreadable, match="can't be made"):
        crypto.open_or_create(tmp_path / "file" / "secrets" / "vault.keys")


def test_a_new_key_goes_first_and_the_old_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "vault.keys"
    before = crypto.open_or_create(path).fingerprints
    added = crypto.prepend_key(path)
    assert crypto.read_file(path).fingerprints == (added, *before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert crypto.retain_newest_key(path) == before
    assert crypto.read_file(path).fingerprints == (added,)


def test_two_who_add_a_key_at_once_both_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "vault.keys"
    before = crypto.open_or_create(path).fingerprints
    added: list[str] = []
    threads = [threading.Thread(target=lambda: added.append(crypto.prepend_key(path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(crypto.read_file(path).fingerprints) == {*before, *added}


def test_a_full_file_takes_no_more_keys_and_stays_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "vault.keys", "\n".join(crypto.generate_key().reveal() for _ in range(16)))
    before = path.read_text()
    with pytest.raises(crypto.VaultKeysUnreadable, match="17 keys"):
        crypto.prepend_key(path)
    assert path.read_text() == before


def test_a_running_process_sees_a_key_that_another_one_added(tmp_path: Path) -> None:
    path = tmp_path / "vault.keys"
    crypto.open_or_create(path)
    source = crypto.KeyFile(path)
    old = source.ring()
    assert source.ring() is old  # not read again while nothing changed
    added = crypto.prepend_key(path)
    assert source.ring().current == added


def test_a_running_process_keeps_its_keys_when_the_file_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "vault.keys"
    ring = crypto.open_or_create(path)
    source = crypto.KeyFile(path)
    path.rename(tmp_path / "elsewhere")
    assert source.ring().fingerprints == ring.fingerprints
    with pytest.raises(crypto.VaultKeysMissing):
        crypto.KeyFile(path)
