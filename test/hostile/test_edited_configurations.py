"""Configurations edited by hand"""

import contextlib
import copy

import numpy as np
import pytest
import yaml

from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.utils.errors import UserError

VALUES = [
    None,
    7,
    -1,
    1e30,
    float("nan"),
    "no such",
    [],
    [1, 2],
    {"a": 1},
    True,
    "../../etc/passwd",
]
KEYS = (
    "audio_encoder", "audio_encoder_conf", "audio_encoder_conf.embed_dim", "audio_encoder_conf.num_heads",
    "text_encoder", "text_encoder_conf", "text_encoder_conf.architecture",
    "text_encoder_conf.architecture.model_dim", "text_encoder_conf.tokenizer_model",
    "text_encoder_conf.langs",
    "model", "model_conf", "model_conf.embed_size", "audio_pooling", "text_pooling_conf", "audio_projection",
    "text_projection_conf", "text_normalization", "train_langs",
)  # fmt: skip


def changed(config, key, change):
    """A copy of a configuration in which `change` was called with the dictionary and name of a key."""
    config = copy.deepcopy(config)
    *folders, name = key.split(".")
    at = config
    for folder in folders:
        at = at[folder]
    change(at, name)
    return config


def used(folder, config):
    """Embeddings of a caption and a clip by the model that `config` describes."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    model = MLCLAP.from_pretrained(folder)
    return [
        model.encode_text(["a dog"], "deu_Latn"),
        model.encode_audio(np.zeros(16000, np.float32), sampling_rate=16000),
    ]


@pytest.mark.filterwarnings("ignore:the model was not trained in")
@pytest.mark.parametrize("key", KEYS)
def test_other_values(copied_model, key):
    """A value of a configuration is missing, null, of another type or out of its range: no traceback."""
    config = yaml.safe_load((copied_model / "config.yaml").read_text())
    used(copied_model, config)
    changes = [lambda at, name, value=value: at.update({name: value}) for value in VALUES]
    for change in [*changes, lambda at, name: at.pop(name, None)]:
        with contextlib.suppress(UserError):
            for vectors in used(copied_model, changed(config, key, change)):
                assert np.isfinite(vectors).all()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "7", "a: [", "{a: 1, a: 2", "\x00", "a: !!python/object:os.system x", "- \ud83d"],
)
def test_no_configuration(copied_model, content):
    """A config.yaml that is empty, no YAML, a list or cut off: said with its name."""
    (copied_model / "config.yaml").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"config\.yaml"):
        MLCLAP.from_pretrained(copied_model)


@pytest.mark.parametrize("content", [b"", b"\n", b"no model" * 9, bytes(1000)])
def test_no_sentencepiece_model(copied_model, content):
    """The tokenizer's file is empty or foreign: said with its name (sentencepiece may crash)."""
    (copied_model / "text_encoder/sentencepiece.model").write_bytes(content)
    with pytest.raises(UserError, match=r"sentencepiece\.model"):
        MLCLAP.from_pretrained(copied_model).encode_text(["a dog"], "deu_Latn")
