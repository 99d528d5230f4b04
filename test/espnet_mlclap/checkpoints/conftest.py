"""A cache of weights of the test's own."""

import pytest


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """No cache but the test's own."""
    monkeypatch.setenv("MLCLAP_WEIGHTS", str(tmp_path / "cache"))
