"""Rows of the table of weights whose files lie on a small server."""

import hashlib

import pytest

from espnet_mlclap.checkpoints.table import Weights

CONTENT = bytes(hashlib.sha256(str(i).encode()).digest()[0] for i in range(300_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(http_server):
    """A server that has the weights."""
    http_server.files["/weights.bin"] = CONTENT
    return http_server


@pytest.fixture
def make_weights(server):
    """Make a row of the table whose file lies on the server."""

    def make(size=None, sha256=DIGEST, source=None) -> Weights:
        source = source or {"kind": "address", "url": f"{server.address}/weights.bin"}
        return Weights("some_weights", "for tests", source, size, None, sha256, "CC0-1.0")

    return make


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch, tmp_path):
    """No pauses, and no cache but the test's own."""
    monkeypatch.setattr("espnet_mlclap.checkpoints.download._PAUSE", 0.0)
    monkeypatch.setenv("MLCLAP_WEIGHTS", str(tmp_path / "cache"))
