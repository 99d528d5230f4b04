"""What hostile cases need: a limit of time, and a small model.

Each test is a kind: the first line of its docstring names it in the table of `tools/hostile.py`, its
parameters are the cases. What an earlier version of the package lacks is imported inside the tests, so that
these can be tried on it.
"""

import shutil
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml

from espnet_mlclap.checkpoints.sonar_architecture import PUBLISHED_SONAR
from espnet_mlclap.models.registry import build_model
from espnet_mlclap.utils.config import BEST_MODEL

_SECONDS = 90  # for one case, on a busy machine too; what hangs takes for ever


def pytest_configure(config):
    config.addinivalue_line("markers", f"seconds(limit): of a case, where {_SECONDS} will not do")


@pytest.fixture(autouse=True)
def time_limit(request):
    """End a case that hangs."""
    marker = request.node.get_closest_marker("seconds")
    limit = marker.args[0] if marker else _SECONDS

    def give_up(*_):
        raise TimeoutError(f"took more than {limit} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def small_model(small_sonar, tmp_path_factory):
    """An experiment folder with a model of a moment's making: config.yaml, weights, tokenizer."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("small") / "exp"
    (folder / "text_encoder").mkdir(parents=True)
    pieces = (small_sonar / "sonar_mini_sentencepiece.model").read_bytes()
    (folder / "text_encoder/sentencepiece.model").write_bytes(pieces)
    config = small_config(str(folder / "text_encoder/sentencepiece.model"))
    torch.save(build_model(config).state_dict(), folder / BEST_MODEL)
    config = small_config("text_encoder/sentencepiece.model")
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def small_config(tokenizer):
    """The configuration of a model of 0.2 MB."""
    vocabulary = replace(PUBLISHED_SONAR.vocab_info, size=2048)
    sizes = {"model_dim": 16, "max_seq_len": 64, "ffn_inner_dim": 16, "vocab_info": vocabulary}
    layers = {"num_encoder_layers": 1, "num_encoder_attn_heads": 2}
    architecture = asdict(replace(PUBLISHED_SONAR, **sizes, **layers))
    return {
        "audio_encoder": "ced",
        "audio_encoder_conf": {"embed_dim": 16, "depth": 1, "num_heads": 2},
        "text_encoder": "sonar",
        "text_encoder_conf": {
            "architecture": architecture,
            "tokenizer_model": tokenizer,
            "langs": ["eng_Latn", "deu_Latn"],
        },
        "model_conf": {"embed_size": 8},
        "train_langs": ["eng_Latn", "deu_Latn"],
    }


@pytest.fixture
def copied_model(small_model, tmp_path):
    """A copy of `small_model` that a case may spoil."""
    return Path(shutil.copytree(small_model, tmp_path / "exp"))
