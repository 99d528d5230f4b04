"""The recipe's own modules, as its stages see them."""

from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[3] / "egs2/esc10/mlclap1"


@pytest.fixture
def recipe(monkeypatch):
    """Folder of the recipe, whose `local/` is where modules are looked for."""
    monkeypatch.syspath_prepend(RECIPE / "local")
    return RECIPE
