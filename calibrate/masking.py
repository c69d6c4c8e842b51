"""Strings that are safe to print: without database passwords and without terminal control characters."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

HIDDEN = "***"

# Passwords that this process has seen, since drivers can repeat them in their error messages. Shorter ones
# are not masked: they occur within ordinary words.
_SECRETS: set[str] = set()
_SHORTEST = 4

# The password in a URL, well-formed or not: from the first colon after the user name to the last @. Database
# drivers also accept `?password=...`, which _IN_QUERY matches.
_IN_URL = re.compile(r"^((?:[^/@]*/{2,})?[^:/@]*:)(.*)@", re.DOTALL)
_NO_PASSWORD = re.compile(r"^[^/@]*/{2,}[^:/@]*@[^@]*$")
# Lengths are bounded, so that matching takes time linear in the length of the string.
_IN_QUERY = re.compile(
    r"([?&;][^=&\s]{0,40}?(?:pass|pwd|secret|token)[^=&\s]{0,40}=)[^&;\s'\"]*", re.IGNORECASE
)
# In a URL without a host, the password stands in place of the port.
_AS_PORT = re.compile(r"^([^/@]*//[^:/@]*:)(?!\d*(?:/|$))[^/@]*")
# A URL within a longer string ends at a space or at the closing quote.
_IN_TEXT = re.compile(r"((?<![\w+.-])[A-Za-z][\w+.-]{0,40}(?::?//|:)/?[^\s:/@'\"]{0,100}:)\S{0,1000}@")


def without_password(url: str) -> str:
    """Return the URL of a database without its password, even if the URL is malformed."""
    if url.startswith(("sqlite:///", "sqlite+pysqlite:///")):  # names a file
        return _IN_QUERY.sub(rf"\1{HIDDEN}", url)
    masked = url
    if "@" not in url:
        masked = _AS_PORT.sub(rf"\1{HIDDEN}", url)
    elif not _NO_PASSWORD.match(url):
        masked = _IN_URL.sub(rf"\1{HIDDEN}@", url)
    return _IN_QUERY.sub(rf"\1{HIDDEN}", masked)


def keep_secret(password: str) -> None:
    """Make `without_passwords` mask `password`, percent-encoded or not, in every string from now on."""
    if len(password) >= _SHORTEST:
        _SECRETS.update((password, quote(password, safe=""), quote(password), quote_plus(password)))


def without_passwords(text: str) -> str:
    """Return `text` without the passwords of the URLs in it and those registered by `keep_secret`."""
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_TEXT.sub(rf"\1{HIDDEN}@", text))


def printable(text: str) -> str:
    """Return `text` with every unprintable character escaped, except line breaks."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode()
        for character in text
    )
