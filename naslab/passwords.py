"""Texts fit to be shown or stored: the one place that takes passwords out of addresses.

Whatever is printed, written into a file or kept in a ledger and may hold an address goes through it. It rather hides
too much of a text than too little.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

HIDDEN = "***"
"""What stands for a password."""

_SCHEMES = r"(?:postgres(?:ql)?|mysql|mariadb|redis|rediss|valkey|mssql|oracle|cockroachdb|mongodb|amqp|amqps|ray)"
_START = rf"(?:\b[A-Za-z][\w.-]*(?:\+\w+)?:/+|\b{_SCHEMES}(?:\+\w+)?:/*)"
_IN_FRONT_OF_HOST = re.compile(rf"({_START}[^\s:/?]*):((?:(?!://)[^\n])*)@")
"""`scheme://user:password@`: up to the last `@`, for a password may hold one, and every other character."""
_TOKEN_OF_HOST = re.compile(r"(\bhttps?://)[^\s:/?#@]+@")
"""`https://token@`: a user of a web address without a password is a token that stands for both."""
_NAME = r"[\w.-]*(?:password|passwd|passphrase|passfile|pwd|secret|token|credentials?|api_?key|access_?key)"
_NAMED_IN_QUERY = re.compile(rf"([?&;]{_NAME}=)[^&\n]*", re.IGNORECASE)
"""`?password=...`: up to the next field of the address, spaces and all."""
_NAMED = re.compile(rf"(?<![?&;\w])({_NAME}\s*=\s*)('(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[^\s&]+)", re.IGNORECASE)
"""`password=...` as in a connection string of PostgreSQL."""


def without_passwords(text: str) -> str:
    """A text with `***` for every password that stands in it as part of an address.

    Of `scheme://user:password@host` everything up to the line's last `@` is hidden, of `https://token@host` the token,
    of `?password=...` and fields of such names everything up to the next `&`.

    >>> without_passwords("postgresql://me:p@ss w:rd@host/db?sslpassword=a b&sslmode=require")
    'postgresql://me:***@host/db?sslpassword=***&sslmode=require'
    >>> without_passwords("host=db.example user=me password='a b' port=5432")
    'host=db.example user=me password=*** port=5432'
    """
    if "=" not in text and "@" not in text:
        return text
    text = _IN_FRONT_OF_HOST.sub(rf"\1:{HIDDEN}@", text)
    text = _TOKEN_OF_HOST.sub(rf"\1{HIDDEN}@", text)
    text = _NAMED_IN_QUERY.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)


def holds_password(text: str) -> bool:
    """Whether a text is or holds an address with a password, which no file is called.

    >>> holds_password("postgresql://me:secret@host/db"), holds_password("/data/a@b:c.csv")
    (True, False)
    """
    return bool(_IN_FRONT_OF_HOST.search(text) or re.search(r"(?:password|passwd|pwd)\s*=", text, re.IGNORECASE))


def command_without_passwords(words: Iterable[str]) -> str:
    """A command line of these words as one would type it, each word's passwords hidden.

    >>> command_without_passwords(["naslab", "studies", "--ledger", "postgresql://me:a b@host/db"])
    "naslab studies --ledger 'postgresql://me:***@host/db'"
    """
    return shlex.join(map(without_passwords, words))
