"""Secrets at rest and the random strings we hand out.

Owns: the vault's key ring and its file, ``Sealer`` (what is stored sealed), and the
making, hashing and comparing of tokens. It does not own passwords (argon2, ``domains.identity``), the vault's rows and audit
(``domains.vault``), or receipts' signatures.
"""

from __future__ import annotations

from carbonledger.infra.crypto.keyring import (
    FixedKeys,
    KeyFile,
    KeyRing,
    KeySource,
    VaultKeyFault,
    VaultKeysExposed,
    VaultKeysMissing,
    VaultKeysUnreadable,
    generate_key,
    open_or_create,
    parse_keys,
    prepend_key,
    read_file,
    retain_newest_key,
)
from carbonledger.infra.crypto.sealer import Sealer, SealFault, SealForeign, SealKeyUnknown, SealTampered, key_of
from carbonledger.infra.crypto.tokens import API_KEY_LIVE, API_KEY_TEST, digest, is_api_key, new_api_key, new_token, same
from carbonledger.kernel.secret import REDACTED, SecretText

__all__ = [
    "API_KEY_LIVE",
    "API_KEY_TEST",
    "REDACTED",
    "FixedKeys",
    "KeyFile",
    "KeyRing",
    "KeySource",
    "SealFault",
    "SealForeign",
    "SealKeyUnknown",
    "SealTampered",
    "Sealer",
    "SecretText",
    "VaultKeyFault",
    "VaultKeysExposed",
    "VaultKeysMissing",
    "VaultKeysUnreadable",
    "digest",
    "generate_key",
    "is_api_key",
    "key_of",
    "new_api_key",
    "new_token",
    "open_or_create",
    "parse_keys",
    "prepend_key",
    "read_file",
    "retain_newest_key",
    "same",
]
