"""What must not be shown of an address, and is taken out of what a server says."""

import pytest

from espnet_mlclap.utils.secret import conceal, secrets_of, shown_address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/v1", "https://example.org/v1"),
        ("http://me:secret@example.org:80/v1", "http://***@example.org:80/v1"),
        ("http://example.org/v1?a=1&api_key=s%20e", "http://example.org/v1?a=***&api_key=***"),
        ("http://example.org/#secret", "http://example.org/"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_an_address_without_its_secrets(address, expected):
    assert shown_address(address) == expected


def test_secrets_are_taken_out_of_a_text_in_every_form():
    secrets = secrets_of("http://me:pass%2Fword@example.org/?key=a/b+c+d")
    assert conceal("pass%2Fword", secrets) == "***"
    assert conceal("a/b c d or a%2Fb%20c%20d", secrets) == "*** or ***"
    assert conceal("none of them is EMPTY", ["EMPTY", "none"]) == "none of them is EMPTY"
