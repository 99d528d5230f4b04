"""Tables of published files: mistakes in them are named with row and key."""

import pytest

from espnet_mlclap.fileio.published import read_published
from espnet_mlclap.utils.errors import UserError

ROW = "what: x, size: null, about: null, sha256: null, licence: null"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "must hold `key: value` lines"),
        ("a: [", "not YAML"),
        ("a: {what: x}", "a: the key 'source' is missing"),
        (f"a: {{{ROW}, colour: red}}", "a: unknown key 'colour'. Known keys: what, source"),
        (f"a: {{{ROW}, source: {{kind: ftp}}}}", "kind must be one of hub, zenodo, address"),
        (
            f"a: {{{ROW}, source: {{kind: zenodo, record: 1}}}}",
            "a: source: the key 'path' is missing",
        ),
        (f"a: {{{ROW}, source: {{kind: address, url: 'file:///etc/passwd'}}}}", "not an http"),
    ],
)
def test_a_bad_table_is_named(tmp_path, text, message):
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_published(path)
    assert str(path) in str(error.value)
