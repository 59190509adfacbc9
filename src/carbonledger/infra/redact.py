"""Takes whatever looks like a credential out of values on their way to a log.

Three ways to know one: by its shape (a provider's prefix, a JWT, a PEM block), by the words before it in a text (``password=``,
``Authorization:``), and by the name of the field that holds it. When in doubt it goes: a lost detail costs a look into the database, a
leaked key costs the key. What the product counts in (``tokens``, ``input_tokens``), ids, digests, model names and prices stay.

Pure and quick: a line without any of the hint words costs a few substring searches and no regular expression. Every expression runs in
linear time on hostile text: repetitions are bounded or can't give back, starts are anchored.

It does not own the log pipeline: ``processor`` goes after the one that turns exceptions into text, and last before the renderer.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
import functools
import re
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from carbonledger.infra import crypto

REDACTED = crypto.REDACTED
TOO_DEEP = "[too deep]"
DEPTH_MAX = 10  # nothing we log on purpose is deeper; a structure that holds itself ends here
_TEXT_MIN_CHARS = 5  # pwd=x
_MARK = REDACTED.encode()
_PLAIN = (bool, int, float, decimal.Decimal, uuid.UUID, dt.datetime, dt.date, dt.time, dt.timedelta)

_EDGE = r"(?<![A-Za-z0-9])"
_NAMES = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|jwt"
    r"|(?:api|private|secret|access|signing|master|encryption|virtual|vault|account|shared)[_\- ]?keys?)"
)
_QUOTE = r"(?:\\{0,7}[\"'])?"
_HINTS = ("pass", "pwd", "secret", "token", "credential", "jwt", "key")
# Any of the names before a separator, in lower case: what tells "password=x" from a sentence on tokens at a tenth of the cost.
_NAMED = re.compile(r"(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|jwt|keys?)[\\\"']{0,8}\s{0,3}[=:]")
_KEPT = r"(?![bur]?[\"']|None\b|null\b|true\b|false\b|\[redacted)"
_BARE = r"[^\s&\"'<>,;)\]}\\]+"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of credential. The expression runs only on a text that, in lower case, holds one of the ``hints`` and meets ``guard``."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = REDACTED
    guard: re.Pattern[str] | None = None


def _basic(match: re.Match[str]) -> str:
    # "basic plan" is a word, "Basic dXNlcjpwdw==" is a user and a password.
    word = match[2]
    try:
        is_pair = b":" in base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
    except binascii.Error:
        is_pair = False
    return match[1] + REDACTED if is_pair else match[0]


RULES = (
    # --- by shape
    Rule(("sk-",), re.compile(_EDGE + r"sk-[A-Za-z0-9_-]{12,}")),  # OpenAI, Anthropic, OpenRouter and others that follow them
    Rule(("cl_",), re.compile(_EDGE + r"cl_(?:live|test)_[0-9A-Za-z]{16,}")),  # ours
    Rule(("_live_", "_test_"), re.compile(_EDGE + r"[prs]k_(?:live|test)_[0-9A-Za-z]{8,}")),  # Stripe, Clerk
    Rule(("whsec_",), re.compile(_EDGE + r"whsec_[A-Za-z0-9+/_-]{8,}={0,2}")),  # Stripe, Svix, Standard Webhooks
    Rule(("xox", "xapp-"), re.compile(_EDGE + r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[A-Za-z0-9-]{8,}")),  # Slack
    Rule(("slack.com",), re.compile(r"(hooks\.slack(?:-gov)?\.com/[a-z]{1,20}/)[^\s\"'<>]+"), r"\1" + REDACTED),
    Rule(("akia", "asia"), re.compile(_EDGE + r"A(?:KI|SI)A[A-Z0-9]{16}(?![A-Za-z0-9])")),  # AWS access key ids
    Rule(("aiza", "ya29.", "gocspx-"), re.compile(_EDGE + r"(?:AIza|ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}")),  # Google
    Rule(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_"), re.compile(_EDGE + r"(?:gh[oprsu]|github_pat)_[A-Za-z0-9_]{20,}")),
    Rule(("eaa",), re.compile(_EDGE + r"EAA[A-Za-z0-9]{40,}")),  # Meta (WhatsApp)
    Rule(("gaaaaa",), re.compile(r"gAAAAA[A-Za-z0-9_-]{50,}={0,2}")),  # Fernet, and so what our vault has sealed
    Rule(("eyj",), re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}")),  # JWS, JWE
    Rule(("private key",), re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL)),
    Rule(("://",), re.compile(r"(?<=://)[^\s/?#\"'<>]{1,1000}@"), REDACTED + "@"),  # user and password in an address
    # --- by the words before it
    Rule(("bearer",), re.compile(r"(?i)(bearer\s{1,3})(?:(?=\S{0,200}\d)[^\s\"',;]{8,}|[A-Za-z0-9._~+/=-]{20,})"), r"\1" + REDACTED),
    Rule(("basic",), re.compile(r"(?i)(\bbasic\s{1,3})([A-Za-z0-9+/]{6,}={0,2})"), _basic),
    Rule(
        ("authorization", "cookie"),
        re.compile(r"(?i)((?:authorization|cookie)\\*[\"']\s{0,3}[:,]\s{0,3}b?)(\\*[\"'])(?:(?!\2)[^\r\n])*"),
        r"\1\2" + REDACTED,
    ),
    Rule(
        ("authorization", "cookie"),
        re.compile(r"(?i)((?:authorization|cookie)\s{0,3}[:=]\s{0,3})(?![\s\"'\\\[])[^\r\n]+"),
        r"\1" + REDACTED,
    ),
    Rule(
        ("sig", "code=", "key=", "auth=", "credential="),
        re.compile(r"(?i)([?&](?:sig|[a-z-]{0,20}signature|code|key|auth|[a-z-]{0,20}credential)=)[^&#\s\"'<>]+"),
        r"\1" + REDACTED,
    ),
    *(
        Rule(hints, re.compile(r"(?i)" + expression), replacement, guard=_NAMED)
        for hints, expression, replacement in (
            (
                _HINTS,
                # quoted, singly or doubly or inside a quoted text
                rf"({_NAMES}{_QUOTE}\s{{0,3}}(?:=>?|:)\s{{0,3}}[bur]?)"
                r"(?:(\")(?:[^\"\\\r\n]|\\.)*|(')(?:[^'\\\r\n]|\\.)*|(\\{1,7}[\"'])(?:(?!\4)[^\r\n])*)",
                lambda match: match[1] + (match[2] or match[3] or match[4]) + REDACTED,
            ),
            (_HINTS, rf"({_NAMES}{_QUOTE}\s{{0,3}}=>?\s{{0,3}}){_KEPT}{_BARE}", r"\1" + REDACTED),
            # After a colon the words of a sentence may follow ("token: expired"): a password always goes, others when they look made.
            (("pass", "pwd"), rf"((?:pass(?:word|wd|phrase|code)|pwd){_QUOTE}\s{{0,3}}:\s{{0,3}}){_KEPT}{_BARE}", r"\1" + REDACTED),
            (_HINTS, rf"({_NAMES}{_QUOTE}\s{{0,3}}:\s{{0,3}}){_KEPT}(?=\S{{0,80}}\d)[^\s&\"'<>,;)\]}}\\]{{8,}}", r"\1" + REDACTED),
        )
    ),
)

_PASSWORD_WORDS = frozenset({"password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "otp", "pin"})
_LAST_WORDS = frozenset({"token", "apikey", "authorization", "cookie", "cookies", "credential", "credentials", "jwt", "bearer"})
_BEFORE_KEY = frozenset(
    {"api", "private", "secret", "access", "signing", "master", "encryption", "virtual", "vault", "account", "shared", "llm", "provider"}
)
# Says something about a secret without being one: token_type, secret_id, password_changed_at, access_key_id (that one goes by its shape).
_ABOUT = frozenset({"at", "count", "expires", "id", "ids", "hint", "kind", "label", "length", "limit", "max", "min", "name", "type", "url"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def redact(value: Any) -> Any:  # noqa: ANN401 - whatever somebody logs
    """Return ``value`` without credentials: same shape and types where nothing was found, ``[redacted]`` where something was.

    Exceptions become their redacted text; an object of an unknown class becomes its redacted text only if that held a credential.
    """
    return _redact(value, DEPTH_MAX)


def processor(logger: object, method_name: str, event_dict: MutableMapping[str, Any]) -> dict[str, Any]:
    """Redact an event of structlog, field by field. What begins with an underscore is structlog's own and stays."""
    del logger, method_name
    return {key: value if key.startswith("_") else _field(key, value, DEPTH_MAX) for key, value in event_dict.items()}


def redact_text(text: str) -> str:
    """Return ``text`` with every credential in it replaced."""
    if len(text) < _TEXT_MIN_CHARS:
        return text
    lower = text.lower()
    for rule in RULES:
        for hint in rule.hints:
            if hint in lower:
                if rule.guard is None or rule.guard.search(lower):
                    text = rule.pattern.sub(rule.replacement, text)
                break
    return text


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Say whether a field of this name holds a credential, whatever its value looks like. Any spelling: snake, kebab, camel."""
    words = _words(name)
    if not words or words[-1] in _ABOUT:
        return False
    if not _PASSWORD_WORDS.isdisjoint(words) or words[-1] in _LAST_WORDS:
        return True
    return words[-1] in {"key", "keys"} and len(words) > 1 and words[-2] in _BEFORE_KEY


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name[:200]))


def _redact(value: Any, depth: int) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, _PLAIN):
        return value
    return TOO_DEEP if depth == 0 else _compound(value, depth)


def _compound(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        return {_redact(key, depth - 1): _field(key, item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return _collection(value, depth - 1)
    if isinstance(value, bytes | bytearray):
        return redact_text(bytes(value).decode("latin-1")).encode("latin-1")
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__name__}: {value}")
    return _object(value)


def _field(key: object, value: Any, depth: int) -> Any:  # noqa: ANN401
    name = key.decode("latin-1") if isinstance(key, bytes) else key
    if not isinstance(name, str) or not is_secret_name(name) or value is None or isinstance(value, bool):
        return _redact(value, depth)
    if isinstance(value, int | float) and _PASSWORD_WORDS.isdisjoint(_words(name)):
        return value  # time_per_output_token is a measure; a number as a password is one
    return _MARK if isinstance(value, bytes) else REDACTED


def _collection(value: Any, depth: int) -> Any:  # noqa: ANN401
    if isinstance(value, tuple):
        if len(value) == 2 and isinstance(value[0], str | bytes):  # noqa: PLR2004 - a header as a pair
            return (_redact(value[0], depth), _field(value[0], value[1], depth))
        return tuple(_redact(item, depth) for item in value)
    kind = set if isinstance(value, set | frozenset) else list
    return kind(_redact(item, depth) for item in value)


def _object(value: object) -> object:
    if isinstance(value, crypto.SecretText):
        return REDACTED
    try:
        shown = repr(value)
    except Exception as error:
        return f"[{type(value).__name__} without repr: {type(error).__name__}]"
    redacted = redact_text(shown)
    return value if redacted == shown else redacted
