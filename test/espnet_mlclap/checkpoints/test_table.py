"""The table of weights: that its rows are sound, and where files are looked for."""

import re
from pathlib import Path

import pytest

from espnet_mlclap.checkpoints.ced_sizes import SIZES
from espnet_mlclap.checkpoints.table import (
    cache_dir,
    cached_path,
    find_weights,
    local_copies,
    read_table,
    resolve,
    use_local_copy,
)
from espnet_mlclap.utils.errors import UserError


def test_rows_are_sound():
    table = read_table()
    for size in SIZES:
        assert table[f"ced_{size}"].kind == "hub"
        assert table[f"ced_{size}_zenodo"].kind == "zenodo"
    for weights in table.values():
        assert re.fullmatch(r"[a-z0-9_]+", weights.name)
        assert weights.url.startswith("https://")
        assert weights.sha256 is None or re.fullmatch("[0-9a-f]{64}", weights.sha256)
        assert weights.verification
        assert Path(weights.file).suffix in (".pt", ".safetensors", ".model")


def test_addresses():
    table = read_table()
    assert table["mlclap_pretrain"].url == (
        "https://zenodo.org/records/14229658/files/pretrain.pt?download=1"
    )
    assert table["mlclap_pretrain"].page == "https://zenodo.org/records/14229658"
    assert table["mlclap_pretrain"].file == "pretrain.pt"
    small = table["ced_small"]
    assert small.url == "https://huggingface.co/mispeech/ced-small/resolve/main/model.safetensors"
    assert table["sonar_text_encoder"].file == "sonar_text_encoder.pt"


def test_cache_folder(monkeypatch, tmp_path):
    weights = find_weights("ced_base")
    assert cache_dir() == tmp_path / "cache"
    assert cached_path(weights) == tmp_path / "cache" / "ced_base" / "model.safetensors"
    monkeypatch.delenv("MLCLAP_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_dir() == Path("/x/espnet_mlclap/weights")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert cache_dir() == Path("/h/.cache/espnet_mlclap/weights")


def test_a_file_put_into_place_by_hand_is_found():
    path = cached_path(find_weights("ced_base"))
    with pytest.raises(UserError, match=f"put it at {path}"):
        resolve("ced_base")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1")
    assert resolve("ced_base") == path


def test_a_local_copy_wins_until_it_is_forgotten(tmp_path):
    weights = find_weights("ced_base")
    with pytest.raises(UserError, match="no such file"):
        use_local_copy(weights, tmp_path / "absent.pt")
    copy = tmp_path / "with spaces é.pt"
    copy.write_bytes(b"1")
    use_local_copy(weights, copy)
    assert resolve("ced_base") == copy
    use_local_copy(weights, None)
    assert local_copies() == {}
    with pytest.raises(UserError, match="not on this machine"):
        resolve("ced_base")


def test_unknown_name():
    with pytest.raises(UserError, match="ced_bse: no such file, and no such name among ced_tiny,"):
        resolve("ced_bse")


def test_a_damaged_list_of_local_copies(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "local_copies.yaml").write_text("just words")
    with pytest.raises(
        UserError, match=r"local_copies.yaml: must hold `key: value` lines.* Correct or delete it"
    ):
        resolve("ced_base")
