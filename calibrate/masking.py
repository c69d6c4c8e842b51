"""What may be printed: texts without the passwords of databases, and without signs that steer a terminal."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

HIDDEN = "***"

# Drivers may tell in an error what they were given: passwords that this process has seen. Shorter ones are
# parts of words.
_SECRETS: set[str] = set()
_SHORTEST = 4

# In a URL, written well or not: from the first colon after the user's name to the last @. In `?password=...`,
# which drivers of databases take too.
_IN_URL = re.compile(r"^((?:[^/@]*/{2,})?[^:/@]*:)(.*)@", re.DOTALL)
_NO_PASSWORD = re.compile(r"^[^/@]*/{2,}[^:/@]*@[^@]*$")
# Lengths are bounded, so that a long text takes no longer than its length.
_IN_QUERY = re.compile(
    r"([?&;][^=&\s]{0,40}?(?:pass|pwd|secret|token)[^=&\s]{0,40}=)[^&;\s'\"]*", re.IGNORECASE
)
# Whoever forgets the host writes the password where a port is.
_AS_PORT = re.compile(r"^([^/@]*//[^:/@]*:)(?!\d*(?:/|$))[^/@]*")
# The same in the middle of a text, where a blank or the quotes around it end a URL.
_IN_TEXT = re.compile(r"((?<![\w+.-])[A-Za-z][\w+.-]{0,40}(?::?//|:)/?[^\s:/@'\"]{0,100}:)\S{0,1000}@")


def without_password(url: str) -> str:
    """The URL of a database without its password, even where it is not written as a URL should be."""
    if url.startswith(("sqlite:///", "sqlite+pysqlite:///")):  # names a file
        return _IN_QUERY.sub(rf"\1{HIDDEN}", url)
    masked = url
    if "@" not in url:
        masked = _AS_PORT.sub(rf"\1{HIDDEN}", url)
    elif not _NO_PASSWORD.match(url):
        masked = _IN_URL.sub(rf"\1{HIDDEN}@", url)
    return _IN_QUERY.sub(rf"\1{HIDDEN}", masked)


def keep_secret(password: str) -> None:
    """From now on, `without_passwords` finds `password` in any text, percent-encoded too."""
    if len(password) >= _SHORTEST:
        _SECRETS.update((password, quote(password, safe=""), quote(password), quote_plus(password)))


def without_passwords(text: str) -> str:
    """A text without the passwords of all URLs in it, and without those that are to be kept secret."""
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_TEXT.sub(rf"\1{HIDDEN}@", text))


def printable(text: str) -> str:
    """A text in which line breaks stay, and other signs that cannot be seen are written out."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode()
        for sign in text
    )
