"""Addresses of servers."""

import pytest

from espnet_mlclap.utils.addresses import check_address
from espnet_mlclap.utils.errors import UserError


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000/v1", "https://a.example/v1", "http://u:p@[::1]:1/", "http://x"],
)
def test_addresses(address):
    assert check_address(address, "base_url") == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "ftp://x",
        "http://",
        "http://[::1",
        "http://x:99999",
        "http://x:y",
        "http://a b",
        "http://a\0b",
        "file:///etc",
    ],
)
def test_what_is_none(address):
    with pytest.raises(UserError, match="base_url: not the address of a server") as error:
        check_address(address, "base_url")
    assert len(address) < 2 or address not in str(error.value)
