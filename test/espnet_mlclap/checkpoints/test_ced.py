"""Loading published layouts, and refusing what does not fit or could run code."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from espnet_mlclap.checkpoints.ced import (
    fit_positions,
    to_ced_layout,
)
from espnet_mlclap.checkpoints.state_dict import load_state_dict
from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.utils.errors import UserError

SMALL = {"embed_dim": 12, "depth": 1, "num_heads": 3, "num_classes": 5}


@pytest.fixture
def state():
    torch.manual_seed(0)
    model = CEDAudioEncoder(**SMALL)
    return {key: torch.randn_like(t) if t.is_floating_point() else t + 7
            for key, t in model.state_dict().items()}  # fmt: skip


def to_hugging_face_layout(state):
    """The inverse of `to_ced_layout`: keys as in `mispeech/ced-*`, without the front end."""
    renamed = {}
    for key, value in state.items():
        if key.startswith("front_end."):
            continue
        key = key.replace("init_bn.1.", "init_bn.", 1)
        renamed[key if key.startswith("outputlayer.") else f"encoder.{key}"] = value
    return renamed


def saved(state, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def check_loaded(model: CEDAudioEncoder, state) -> None:
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[key]), key


def test_flat_wrapped_and_safetensors(state, tmp_path):
    for path in (
        saved(state, tmp_path / "flat.pt"),
        saved({"model": state, "epoch": 3}, tmp_path / "wrapped.pt"),
        saved(state, tmp_path / "flat.safetensors"),
    ):
        check_loaded(CEDAudioEncoder(**SMALL, checkpoint=path), state)
        check_loaded(CEDAudioEncoder(**SMALL, checkpoint=str(path)), state)


def test_hugging_face_layout(state, tmp_path):
    hub = to_hugging_face_layout(state)
    assert "encoder.init_bn.running_mean" in hub
    assert "encoder.blocks.0.attn.qkv.weight" in hub
    assert "outputlayer.1.weight" in hub
    assert not any("front_end" in key for key in hub)
    trip = to_ced_layout(hub)
    assert trip.keys() == {key for key in state if not key.startswith("front_end.")}
    model = CEDAudioEncoder(**SMALL, checkpoint=saved(hub, tmp_path / "model.safetensors"))
    fresh = CEDAudioEncoder(**SMALL).state_dict()
    constants = {key: fresh[key] for key in state if key.startswith("front_end.")}
    check_loaded(model, {**state, **constants})


def test_by_name_from_the_cache_of_downloaded_weights(state, tmp_path, monkeypatch):
    monkeypatch.setenv("MLCLAP_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match="ced_tiny: not on this machine.*download_weights ced_tiny"):
        CEDAudioEncoder(**SMALL, checkpoint="ced_tiny")
    with pytest.raises(UserError, match="ced_giant: no such file, and no such name"):
        CEDAudioEncoder(**SMALL, checkpoint="ced_giant")
    (tmp_path / "ced_tiny").mkdir()
    saved(to_hugging_face_layout(state), tmp_path / "ced_tiny" / "model.safetensors")
    model = CEDAudioEncoder(**SMALL, checkpoint="ced_tiny")
    assert torch.equal(model.norm.weight, state["norm.weight"])


def test_positions_are_cut_or_resampled(state, tmp_path):
    path = saved(state, tmp_path / "ced.pt")
    shorter = CEDAudioEncoder(**SMALL, checkpoint=path, chunk_frames=500)
    assert torch.equal(shorter.time_pos_embed, state["time_pos_embed"][..., :31])
    longer = CEDAudioEncoder(**SMALL, checkpoint=path, chunk_frames=2024)
    assert longer.time_pos_embed.shape == (1, 12, 1, 126)
    # twice as long, half-pixel centres: place 2k + 1 lies a quarter from k towards k + 1
    old, new = state["time_pos_embed"], longer.time_pos_embed
    torch.testing.assert_close(new[..., 1:-1:2], 0.75 * old[..., :-1] + 0.25 * old[..., 1:])


def test_fit_positions_in_frequency():
    rows = torch.arange(4.0).view(1, 1, 4, 1)
    assert fit_positions(rows, torch.empty(1, 1, 2, 1)).flatten().tolist() == [0, 1]
    assert fit_positions(rows, torch.empty(1, 1, 8, 1)).shape == (1, 1, 8, 1)


def test_missing_unknown_and_misshapen_keys_are_named(state, tmp_path):
    del state["norm.bias"]
    state["norm.bais"] = torch.zeros(12)
    state["outputlayer.1.bias"] = torch.zeros(6)
    path = saved(state, tmp_path / "ced.pt")
    with pytest.raises(UserError) as error:
        CEDAudioEncoder(**SMALL, checkpoint=path)
    message = str(error.value)
    assert str(path) in message
    assert "missing: norm.bias" in message
    assert "unknown: norm.bais" in message
    assert "1 of another shape: outputlayer.1.bias (6,) instead of (5,)" in message


def test_another_size_is_an_error_that_stays_short(state, tmp_path):
    path = saved(state, tmp_path / "ced.pt")
    with pytest.raises(UserError, match=r"21 of another shape: .* \.\.\..*encoder's size") as error:
        CEDAudioEncoder(embed_dim=24, depth=1, num_heads=3, num_classes=5, checkpoint=path)
    assert len(str(error.value)) < 1000


class Exploit:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_exploit_is_refused_and_never_runs(state, tmp_path, zipped):
    proof = tmp_path / "executed"
    path = tmp_path / "ced.pt"
    torch.save(
        {"model": state, "extra": Exploit(proof)}, path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(UserError, match="refused"):
        CEDAudioEncoder(**SMALL, checkpoint=path)
    path.write_bytes(pickle.dumps(Exploit(proof)))
    with pytest.raises(UserError, match="refused"):
        load_state_dict(path)
    assert not proof.exists()
    pickle.loads(path.read_bytes())
    assert proof.exists(), "the exploit works where it is not refused"


def test_damaged_and_foreign_files(state, tmp_path):
    whole = saved(state, tmp_path / "ced.pt").read_bytes()
    cases = {
        "cut.pt": whole[: len(whole) // 2],
        "empty.pt": b"",
        "text.pt": b"<html>404 not found</html>",
        "cut.safetensors": saved(state, tmp_path / "s.safetensors").read_bytes()[:1000],
        "text.safetensors": b"not tensors",
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=name):
            load_state_dict(path)
    with pytest.raises(UserError, match="no such checkpoint"):
        load_state_dict(tmp_path / "absent.pt")
    with pytest.raises(UserError, match="no state dict .*list"):
        load_state_dict(saved([1, 2], tmp_path / "list.pt"))
    with pytest.raises(UserError, match="not tensors: step"):
        load_state_dict(saved({**state, "step": 3}, tmp_path / "step.pt"))
