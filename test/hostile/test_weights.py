"""Weights and checkpoints"""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import torch

from espnet_mlclap import MLCLAP
from espnet_mlclap.checkpoints.ced import load_ced
from espnet_mlclap.checkpoints.state_dict import initialise
from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError


class Exploit:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.fixture
def doors(copied_model):
    """The ways by which weights come in: each reads the file that it gets."""
    model = MLCLAP.from_pretrained(copied_model).model
    encoder = model.audio_encoder

    def experiment(path):
        MLCLAP.from_pretrained(copied_model, model_file=str(path))

    return {
        "experiment": (experiment, model.state_dict),
        "init_param": (lambda path: initialise(model, str(path)), model.state_dict),
        "init_param of a part": (
            lambda path: initialise(model, f"{path}:audio_encoder:audio_encoder"),
            model.state_dict,
        ),
        "CED": (lambda path: load_ced(encoder, path), encoder.state_dict),
    }


DOORS = ["experiment", "init_param", "init_param of a part", "CED"]
FLOATS = "patch_embed.proj.weight"


def spoil(states, how):
    key = next(key for key in states if key.endswith(FLOATS))
    if how == "another layout":
        states[key] = states[key].to_sparse()
    else:
        states[key] = {
            "NaN": lambda x: x * float("nan"),
            "infinity": lambda x: x / 0,
            "whole numbers": lambda x: x.to(torch.int64),
            "complex numbers": lambda x: x.to(torch.complex64),
            "no tensor": lambda x: x.tolist(),
        }[how](states[key])
    return states


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "how", ["NaN", "infinity", "whole numbers", "complex numbers", "another layout", "no tensor"]
)
def test_numbers_that_are_none(doors, tmp_path, door, how):
    """NaN, infinity, integers, complex or sparse tensors as weights: refused, the tensor named."""
    read, states = doors[door]
    torch.save(spoil(dict(states()), how), tmp_path / "bad.pth")
    with pytest.raises(UserError, match=f"bad.pth.*{FLOATS}"):
        read(tmp_path / "bad.pth")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_code_in_a_checkpoint(doors, tmp_path, door, zipped, suffix):
    """A checkpoint with a class in it, by any door: refused, nothing runs."""
    read, states = doors[door]
    path = tmp_path / f"evil{suffix}"
    content = {**states(), "more": Exploit(tmp_path / "ran")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="evil"):
        read(path)
    path.write_bytes(pickle.dumps(Exploit(tmp_path / "ran")))
    with pytest.raises(UserError, match="evil"):
        read(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_overwritten_in_the_middle(doors, tmp_path, door, share):
    """4 KB in a .pth overwritten by others: refused, though torch would read it."""
    read, states = doors[door]
    path = tmp_path / "damaged.pth"
    torch.save(dict(states()), path)
    content = bytearray(path.read_bytes())
    start = int(len(content) * share)
    content[start : start + 4096] = bytes(range(16)) * 256
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged.pth"):
        read(path)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "kind", ["empty", "half", "words", "folder", "list", "numbered", "nothing"]
)
def test_no_checkpoint(doors, tmp_path, door, kind):
    """An empty, cut or foreign file, a folder, a list, whole numbers for names: refused with its name."""
    read, states = doors[door]
    path = tmp_path / "foreign.pth"
    torch.save(dict(states()), path)
    content = path.read_bytes()
    if kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind in ("list", "numbered", "nothing"):
        values = list(states().values())
        torch.save({"list": values, "numbered": dict(enumerate(values)), "nothing": {}}[kind], path)
    else:
        path.write_bytes(
            {"empty": b"", "half": content[: len(content) // 2], "words": b"a b"}[kind]
        )
    with pytest.raises(UserError, match="foreign.pth"):
        read(path)


def test_released_and_imported(small_model, tmp_path):
    """NaN in a checkpoint that is imported (`mlclap import_checkpoint`, safetensors): refused."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    encoder = CEDAudioEncoder(embed_dim=12, depth=1, num_heads=3)
    states = spoil(dict(encoder.state_dict()), "NaN")
    save_file(
        {key: value.contiguous() for key, value in states.items()}, tmp_path / "c.safetensors"
    )
    with pytest.raises(UserError, match="NaN"):
        load_ced(encoder, tmp_path / "c.safetensors")


@pytest.mark.parametrize("scale", [1e30, 1e38, -1e38])
def test_inputs_beyond_all_bounds(small_model, scale):
    """Samples of 1e38: an error, or finite numbers."""
    model = MLCLAP.from_pretrained(small_model)
    clip = np.full(16000, scale, dtype=np.float32)
    clip[::2] *= -1
    try:
        vectors = model.encode_audio(clip, sampling_rate=16000)
    except UserError:
        return
    assert np.isfinite(vectors).all()


@pytest.fixture(scope="module")
def trained(small_sonar, tmp_path_factory):
    """The function that trains for some epochs in a folder, and data of its own."""
    from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
    from espnet_mlclap.tasks.mlclap import MLCLAPTask

    soundfile = pytest.importorskip("soundfile")
    root = tmp_path_factory.mktemp("training")
    for name in ("train", "valid"):
        data = DataDir(extra={"utt2num_samples": {}})
        for number in range(4):
            clip, path = f"{name}{number}", root / f"{name}{number}.flac"
            tone = 0.3 * np.sin(np.arange(8000) * (0.1 + 0.1 * number))
            soundfile.write(path, tone, 16000)
            data.wav_scp[clip], data.durations[clip] = str(path), 0.5
            data.extra["utt2num_samples"][clip] = "8000"
            text = f"tone number {number}"
            data.captions[caption_id(clip, "eng_Latn", 1)] = Caption(text, clip, "eng_Latn")
        data.write(root / name)

    def train(folder, epochs, *more):
        options = {
            "train_data_dir": root / "train", "valid_data_dir": root / "valid", "output_dir": folder,
            "max_epoch": epochs, "resume": "true", "batch_size": 4, "length_buckets": 1,
            "num_workers": 0, "use_tensorboard": "false", "optim": "adam", "le_ratio": 0,
        }  # fmt: skip
        command = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        for key in ("embed_dim=16", "depth=1", "num_heads=2"):
            command += ["--audio_encoder_conf", key]
        command += [
            "--text_encoder_conf",
            "model=sonar_mini_encoder",
            "--model_conf",
            "embed_size=8",
        ]
        MLCLAPTask.main(cmd=[*command, *more])
        return folder

    return train


def epochs_of(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["epoch"] for line in lines]


def test_a_training_goes_on(trained, tmp_path):
    """An honest checkpoint.pth goes on, also where its folder has moved."""
    trained(tmp_path / "a", 1)
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert epochs_of(trained(tmp_path / "b", 2)) == [1, 2]


@pytest.mark.parametrize(
    "kind", ["of another training", "that runs code", "with NaN", "of another size"]
)
def test_a_checkpoint_from_elsewhere(trained, tmp_path, kind):
    """A checkpoint.pth of another training or model, that would run code, with NaN: not continued."""
    folder = trained(tmp_path / "own", 1)
    path = folder / "checkpoint.pth"
    if kind == "of another training":
        shutil.copy(trained(tmp_path / "other", 1) / "checkpoint.pth", path)
    else:
        states = torch.load(path, weights_only=False)
        if kind == "that runs code":
            states["more"] = Exploit(tmp_path / "ran")
        key = next(key for key in states["model"] if key.endswith(FLOATS))
        if kind == "with NaN":
            states["model"][key] *= float("nan")
        if kind == "of another size":
            states["model"][key] = states["model"][key][:1]
        torch.save(states, path)
    with pytest.raises(UserError, match="checkpoint.pth"):
        trained(folder, 2)
    assert not (tmp_path / "ran").exists()
    assert epochs_of(folder) == [1]


def test_weights_of_an_experiment_are_a_link_to_nothing(copied_model):
    """The checkpoint is a link to a file that is gone: said with its name."""
    (copied_model / BEST_MODEL).unlink()
    (copied_model / BEST_MODEL).symlink_to("gone.pth")
    with pytest.raises(UserError, match=BEST_MODEL):
        MLCLAP.from_pretrained(copied_model)
