"""Which password is good enough: long, and not one that everybody tries first.

No rules of composition and no expiry (NIST SP 800-63B, section 3.1.1.2): they make passwords easier to guess, not harder.
"""

from __future__ import annotations

import unicodedata

from carbonledger.kernel.errors import Problem

LEAST_CHARS = 12
MOST_BYTES = 1024  # more is not safer, and each byte is hashed

_DIFFERENT_LEAST = 5  # "aaaaaaaaaaaa", "121212121212"
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "qazwsxedcrfvtgbyhnujmikolp")
# The commonest of twelve characters and more, from published lists of leaked passwords; shorter ones fail by their length.
_COMMON_TEXT = """
1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv administrator adminadmin123 admin1234567 asdfghjkl123 basketball123
carbonledger changemechangeme correcthorsebatterystaple football1234 helloworld123 iloveyou1234 iloveyouforever letmeinletmein
letmeinplease liverpoolfc1 manchesterunited mypassword12 mypassword123 p@ssw0rd1234 p@ssword1234 passw0rd1234 passpasspass
password1234 password12345 password123456 passwordpassword princess1234 qwerty123456 qwerty1234567 qwertyqwerty qwertyuiop12
qwertyuiop123 superman1234 sunshine1234 trustno1trustno1 welcome12345 welcome123456 welcomewelcome whatever1234 zaq12wsxcde3
"""
_COMMON = frozenset(_COMMON_TEXT.split())


def normal(password: str) -> str:
    """Return the password as it is hashed: NFC, so that two keyboards type the same one (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFC", password)


def problems(password: str, *, pointer: str, email: str) -> tuple[Problem, ...]:
    """Return what is wrong with a new password of whoever has this e-mail address; empty if nothing is."""
    text = normal(password)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return (Problem(pointer, "characters", "The password holds half a character (a lone surrogate)."),)
    if len(text) < LEAST_CHARS:
        return (Problem(pointer, "too_short", f"Use at least {LEAST_CHARS} characters; a few words make a good password."),)
    if size > MOST_BYTES:
        return (Problem(pointer, "too_long", f"Use at most {MOST_BYTES} bytes."),)
    if _is_easy(text.casefold(), email.casefold()):
        return (Problem(pointer, "too_common", "This password is among the first that anybody would try. Choose another."),)
    return ()


def may_be_right(password: str) -> bool:
    """Say whether a password given at sign-in could be anybody's: only then is it worth the work of a check."""
    return 0 < len(password) <= MOST_BYTES and len(normal(password).encode(errors="replace")) <= MOST_BYTES


def _is_easy(folded: str, email: str) -> bool:
    if folded in _COMMON or len(set(folded)) < _DIFFERENT_LEAST or folded == email:
        return True
    local = email.partition("@")[0]
    if len(local) >= _DIFFERENT_LEAST and folded.replace(local, "").strip("0123456789!.-_") == "":
        return True
    return any(folded in run or folded in run[::-1] for run in _RUNS)
