"""Addresses of servers, checked where they are given."""

from urllib.parse import urlsplit

from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown


def check_address(address: str, name: str) -> str:
    """`address`, which must be that of a server: `http://host:port/path`.

    Args:
        address: what was given.
        name: of the setting; comes first in errors, which do not show the address: it may hold a password.

    Raises:
        UserError: it is no such address.
    """
    try:
        parts = urlsplit(address)
        right = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 80) <= 65535
    except ValueError:  # brackets of IPv6, a port that is no number
        right = False
    if not right or shown(address) != address or " " in address:
        raise UserError(f"{name}: not the address of a server. It reads like https://host:8000/v1.")
    return address
