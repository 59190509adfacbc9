"""What people type: e-mail addresses, names, labels, locales. Owns their normal form and bounds; that of a line is the kernel's.

Each check adds what is wrong to a list, so that all is said at once.
"""

from __future__ import annotations

import re
import unicodedata

from carbonledger.kernel import currency, errors, line, zone
from carbonledger.kernel.errors import Problem

NAME_MAX_CHARS = 200
LABEL_MAX_CHARS = 100
EXTERNAL_ID_MAX_CHARS = 200
EMAIL_MAX_CHARS = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets (errata 1690)
_LOCAL_MAX_OCTETS = 64  # RFC 5321, section 4.5.3.1.1
_LABEL_OF_DOMAIN = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")  # the plain forms of BCP 47

text = line.tidy
refuse = errors.refuse


def email(problems: list[Problem], pointer: str, value: str) -> str:
    """Return the address in its one form: NFC, case folded (no mail system in use tells ``Ann@`` from ``ann@``)."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).strip().casefold())
    if not is_email(folded):
        problems.append(Problem(pointer, "email", "Give an e-mail address, such as ann@example.com."))
    return folded


def is_email(address: str) -> bool:
    """Say whether mail could be sent there: one @, a local part of at most 64 octets, a domain of labels, no blanks, quotes or brackets.

    Stricter than RFC 5322 (no quoted local parts, no comments, no address literals), wider in letters (RFC 6531). A name without a dot,
    such as ``owner@localhost``, is allowed: an installation may have a mail domain of its own.
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or len(address) > EMAIL_MAX_CHARS or len(local.encode(errors="replace")) > _LOCAL_MAX_OCTETS:
        return False
    if any(char in '@"(),:;<>[\\]' or char.isspace() or unicodedata.category(char)[0] == "C" for char in local):
        return False
    if local[0] == "." or local[-1] == "." or ".." in local:
        return False
    return all(_LABEL_OF_DOMAIN.fullmatch(label) for label in domain.split("."))


def time_zone(problems: list[Problem], pointer: str, value: str) -> str:
    """Return the name of an IANA time zone."""
    try:
        zone.named(value)
    except errors.Invalid as error:
        problems.append(Problem(pointer, type(error).code, str(error)))
    return value


def currency_code(problems: list[Problem], pointer: str, value: str) -> str:
    """Return the code of an ISO 4217 currency that amounts can be in."""
    try:
        currency.by_code(value)
    except errors.Invalid as error:
        problems.append(Problem(pointer, type(error).code, str(error)))
    return value


def locale(problems: list[Problem], pointer: str, value: str) -> str:
    """Return a language tag, such as ``en`` or ``pt-BR``."""
    if not _LOCALE.fullmatch(value):
        problems.append(Problem(pointer, "locale", "Give a language tag, such as en or pt-BR."))
    return value
