"""What several tests need: the material beside the repository, and quiet threads."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder `../shared` with golden numbers and real material; skips where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not there (golden numbers and real material)")
    return path
