"""Texts fit to be shown or stored: the one place that takes passwords out of addresses.

Whatever is printed, written into a file or kept in a ledger and may hold an address goes through it. It rather hides
too much of a text than too little.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from urllib.parse import unquote

HIDDEN = "***"
"""What stands for a password."""

# Each pattern begins where a word does and tries no letter of it often: long texts take no longer than many short ones.
_SCHEMES = r"(?:postgres(?:ql)?|mysql|mariadb|redis|rediss|valkey|mssql|oracle|cockroachdb|mongodb|amqp|amqps|ray)"
_WORD = r"(?<![\w.+-])"
_ADDRESS = re.compile(
    rf"(?P<url>{_WORD}(?:[\w.+-]+://|(?:{_SCHEMES}|https?)(?:\+\w+)?:/)(?!/)|(?<![\w:/])//(?!/))"
    rf"|{_WORD}(?:[\w.+-]+:/+|{_SCHEMES}(?:\+\w+)?:)",
    re.IGNORECASE,
)
"""How an address begins; what is no `url` has a slash too few or too many. A path has one slash of two."""
_NEXT_ADDRESS = re.compile(rf"[\s'\"(\[,](?:[\w.+-]+:/|{_SCHEMES}(?:\+\w+)?:)", re.IGNORECASE)
_USER = {
    True: re.compile(r"[^\s:]*?(?::|%3A)", re.IGNORECASE),
    False: re.compile(r"[^\s:/?]*?(?::|%3A)", re.IGNORECASE),
}
"""The user of an address and what ends it, by whether it is a `url`."""
_HOSTLESS = re.compile(
    rf"({_WORD}(?:{_SCHEMES}|https?)(?:\+\w+)?:/{{1,3}}[^\s:/?@\[]*):(?!\d{{1,5}}(?!\w))[^\s/?@]+", re.IGNORECASE
)
"""`scheme://user:password` without a host, or with its `@` written as `%40`: what stands there is no port."""
_TOKEN_OF_HOST = re.compile(r"(\bhttps?:/{1,3})[^\s/?#@]+@", re.IGNORECASE)
"""`https://token@`, `https://token:@`: a user of a web address may be a token that stands for both."""
_NAME = (
    r"(?<![\w.-])[\w.-]*"
    r"(?:password|passwd|passphrase|passfile|pwd|secret|token|credentials?|(?:api|access|private)[_-]?key)"
)
_ENCODED_NAME = re.compile(r"(?<=[?&;])[\w.-]*%[\w.%-]*(?==)")
_NAMED_IN_QUERY = re.compile(
    rf"([?&;](?:{_NAME}|pass|pw|auth|sig|signature|key)=)(?:(?!&[\w.%-]+=)[^\n])*(?:\n[^\s&]*)?", re.IGNORECASE
)
"""`?password=...`: up to the next field of the address, spaces and all, and the word behind the line's end."""
_NAMED_ENCODED = re.compile(rf"({_NAME}(?:%20|\+)*%3D)(?:(?!%3B|%26|%20)[^\s&+])*", re.IGNORECASE)
"""`password%3D...` as in a connection string that is a field of an address."""
_NAMED = re.compile(
    rf"(?<![?&;])({_NAME}\s*=\s*)('(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|(?:\\+.|[^\s&\\])+)", re.IGNORECASE
)
"""`password=...` as in a connection string of PostgreSQL; messages that quote one double its backslashes."""
_QUOTED_NAME = re.compile(
    rf"('{_NAME}'|\"{_NAME}\")(\s*:\s*)(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")", re.IGNORECASE
)
"""`"password": "..."` as in JSON."""


def without_passwords(text: str) -> str:
    """A text with `***` for every password that stands in it as part of an address.

    Of `scheme://user:password@host` everything up to the line's last `@` is hidden, of `https://token@host` the token,
    of `?password=...` and fields of such names everything up to the next field.

    >>> without_passwords("postgresql://me:p@ss w:rd@host/db?sslpassword=a b&sslmode=require")
    'postgresql://me:***@host/db?sslpassword=***&sslmode=require'
    >>> without_passwords("host=db.example user=me password='a b' port=5432")
    'host=db.example user=me password=*** port=5432'
    """
    if not any(sign in text for sign in ("=", "@", ":/", "%", "':", '":')):
        return text
    text = _HOSTLESS.sub(rf"\1:{HIDDEN}", _TOKEN_OF_HOST.sub(rf"\1{HIDDEN}@", _hidden_in_front_of_hosts(text)))
    text = _ENCODED_NAME.sub(lambda found: unquote(found[0]), text)
    text = _NAMED_ENCODED.sub(rf"\1{HIDDEN}", _NAMED_IN_QUERY.sub(rf"\1{HIDDEN}", text))
    return _QUOTED_NAME.sub(rf"\1\2'{HIDDEN}'", _NAMED.sub(rf"\1{HIDDEN}", text))


def _hidden_in_front_of_hosts(text: str) -> str:
    """A text with `***` for the password of each `scheme://user:password@`: up to its last `@`, which may hold one."""
    parts, done = [], 0
    while "@" in text and (begin := _ADDRESS.search(text, done)):
        following = _NEXT_ADDRESS.search(text, begin.end())
        end = following.start() if following else len(text)
        user = _USER[begin["url"] is not None].match(text, begin.end(), end)
        last = user and _end_of_password(text[user.end() : end])
        if user and last is not None:
            parts.append(text[done : user.end()].removesuffix(":") + f":{HIDDEN}")
            parts.append(text[user.end() + last : end])
        else:
            parts.append(text[done:end])
        done = end
    return "".join([*parts, text[done:]])


def _end_of_password(rest: str) -> int | None:
    """Where the last `@` is on the first line of what stands behind `user:`, or in all up to a space."""
    for candidate in (rest.partition("\n")[0], re.split(r"[ \t]", rest, maxsplit=1)[0]):
        if "@" in candidate:
            return candidate.rindex("@")
    return None


def holds_password(text: str) -> bool:
    """Whether a text is or holds an address with a password, which no file is called.

    >>> holds_password("postgresql://me:secret@host/db"), holds_password("/data/a@b:c.csv")
    (True, False)
    """
    if _hidden_in_front_of_hosts(text) != text or _HOSTLESS.search(text):
        return True
    text = unquote(text)
    return bool(_NAMED_IN_QUERY.search(text) or re.search(r"(?:password|passwd|pwd)\s*=", text, re.IGNORECASE))


def command_without_passwords(words: Iterable[str]) -> str:
    """A command line of these words as one would type it, each word's passwords hidden.

    >>> command_without_passwords(["naslab", "studies", "--ledger", "postgresql://me:a b@host/db"])
    "naslab studies --ledger 'postgresql://me:***@host/db'"
    """
    return shlex.join(map(without_passwords, words))
