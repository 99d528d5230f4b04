"""Packed models of the hub, without a network: what was fetched before is used, the rest is explained.

In processes of their own: huggingface_hub reads its settings when it is imported.
"""

import os
import subprocess
import sys

import pytest

FIND = """
import sys
from espnet_mlclap.checkpoints.hub import find_packed_model
from espnet_mlclap.utils.errors import UserError
try:
    print(find_packed_model(sys.argv[1]))
except UserError as error:
    print("error:", error)
"""


@pytest.fixture
def find(tmp_path):
    pytest.importorskip("huggingface_hub")

    def find(name):
        done = subprocess.run(
            [sys.executable, "-c", FIND, name],
            cwd=tmp_path,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return find


@pytest.fixture
def fetched(tmp_path):
    """Folder of the repository user/name in the cache."""
    repository = tmp_path / "hub/models--user--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("abc")
    folder = repository / "snapshots/abc"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("")
    return folder


def test_a_file_is_taken_as_it_is(find, tmp_path):
    (tmp_path / "model.zip").write_text("")
    assert find("model.zip") == "model.zip"


def test_what_was_fetched_before(find, fetched):
    (fetched / "mlclap_t.zip").write_text("")
    assert find("user/name") == str(fetched / "mlclap_t.zip")
    assert find("user/name/mlclap_t.zip") == str(fetched / "mlclap_t.zip")
    (fetched / "other.tgz").write_text("")
    assert "several packed models: mlclap_t.zip, other.tgz. Give user/name/FILE" in find(
        "user/name"
    )
    assert find("user/name/other.tgz") == str(fetched / "other.tgz")


def test_mistakes_are_named(find, fetched):
    assert find("nowhere.zip").startswith("error: nowhere.zip: neither a file nor user/name")
    assert "user/other: cannot be fetched from the Hugging Face hub" in find("user/other")
    assert "no packed model there" in find("user/name")
