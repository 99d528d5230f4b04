"""Keys and passwords stay out of messages, logs and files, also where a server sends them back."""

from typing import Iterable, List
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

_HIDDEN = "***"
_SHORTEST = 6  # characters of a secret; a shorter word ("none", "EMPTY") is a placeholder


def shown_address(address: str) -> str:
    """`address` without its user, its password and the values of its query.

    >>> shown_address("http://me:pw@example.org:80/v1?api_key=1234567#top")
    'http://***@example.org:80/v1?api_key=***'
    """
    parts = urlsplit(address)
    credentials, at, host = parts.netloc.rpartition("@")
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    query = "&".join(f"{quote(name)}={_HIDDEN}" for name in names)
    return urlunsplit(
        parts._replace(netloc=f"{_HIDDEN}@{host}" if at else host, query=query, fragment="")
    )


def secrets_of(address: str) -> List[str]:
    """What `shown_address` hides."""
    parts = urlsplit(address)
    values = [value for _, value in parse_qsl(parts.query)]
    return [value for value in (parts.username, parts.password, *values) if value]


def conceal(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, as they are or as they are written in an address."""
    for secret in sorted({form for one in secrets for form in (one, quote(one, safe=""))}, key=len)[
        ::-1
    ]:
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, _HIDDEN)
    return text
