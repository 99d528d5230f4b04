"""The description of a SONAR text encoder: sonar-space's fields, and errors that name a key."""

from dataclasses import MISSING, asdict, fields

import pytest

from espnet_mlclap.checkpoints.sonar_architecture import (
    PUBLISHED_SONAR,
    SonarArchitecture,
    Vocabulary,
    read_architecture,
)
from espnet_mlclap.utils.errors import UserError

CONF = asdict(PUBLISHED_SONAR)


def test_the_published_one_is_that_of_sonar_space():
    sonar_text = pytest.importorskip("sonar.models.sonar_text")
    assert asdict(sonar_text.get_sonar_text_encoder_hub().get_arch_config("basic")) == CONF


def test_fields_and_defaults_are_those_of_sonar_space():
    sonar_text = pytest.importorskip("sonar.models.sonar_text")
    from fairseq2.data.tokenizers import VocabularyInfo

    for ours, theirs in (
        (SonarArchitecture, sonar_text.SonarTextEncoderConfig),
        (Vocabulary, VocabularyInfo),
    ):
        defaults = {field.name: field.default for field in fields(theirs)}
        assert {field.name: field.default for field in fields(ours)} == defaults


def test_written_and_read_again():
    assert read_architecture(CONF) == PUBLISHED_SONAR
    needed = {f.name: CONF[f.name] for f in fields(SonarArchitecture) if f.default is MISSING}
    assert read_architecture(needed).emb_dropout_p == 0.1
    unchanged = asdict(PUBLISHED_SONAR)
    assert read_architecture(CONF).with_dropout(0.5) != PUBLISHED_SONAR
    assert unchanged == CONF


def test_positions():
    assert PUBLISHED_SONAR.positions == 514
    assert read_architecture({**CONF, "_from_fairseq": False}).positions == 512


def test_dropout_everywhere():
    dropped = PUBLISHED_SONAR.with_dropout(0.3)
    changed = {key for key in CONF if asdict(dropped)[key] != CONF[key]}
    assert changed == {"emb_dropout_p", "attention_dropout_p", "activation_dropout_p"}
    with pytest.raises(UserError, match="dropout: must be a probability between 0 and 1, not 1.5"):
        PUBLISHED_SONAR.with_dropout(1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_width": 3}, "model_width: unknown key; known: model_dim, max_seq_len"),
        ({"model_dim": "160"}, "model_dim: must be a whole number of 1 or more, not '160'"),
        ({"model_dim": True}, "model_dim: must be a whole number of 1 or more, not True"),
        ({"ffn_inner_dim": 0}, "ffn_inner_dim: must be a whole number of 1 or more, not 0"),
        ({"embedding_dim": -1}, "embedding_dim: must be null or a whole number from 0, not -1"),
        ({"learned_pos": "no"}, "learned_pos: must be true or false, not 'no'"),
        ({"emb_dropout_p": -0.1}, "emb_dropout_p: must be a probability between 0 and 1, not -0.1"),
        ({"activation_fn": None}, "activation_fn: must be a word, not None"),
        ({"activation_fn": "Relu"}, "activation_fn: there is no 'Relu'; known: ReLU, GELU"),
        ({"pooling": "attention"}, "pooling: must be mean, not 'attention'"),
        ({"num_encoder_attn_heads": 3}, "num_encoder_attn_heads: 3 heads do not divide model_dim"),
        ({"model_dim": 15, "num_encoder_attn_heads": 5}, "model_dim: must be even"),
        ({"vocab_info": None}, "vocab_info must be a mapping, not None"),
    ],
)
def test_a_bad_key_is_named(change, message):
    with pytest.raises(UserError, match=f"text_encoder_conf: architecture: {message}"):
        read_architecture({**CONF, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pad": 1}, "vocab_info.pad: unknown key"),
        ({"size": 1.5}, "vocab_info.size: must be a whole number of 1 or more, not 1.5"),
        ({"pad_idx": 256206}, "vocab_info.pad_idx: must be below vocab_info.size 256206"),
        ({"pad_idx": None}, "vocab_info.pad_idx: is needed where _from_fairseq is true"),
    ],
)
def test_a_bad_key_of_the_vocabulary_is_named(change, message):
    with pytest.raises(UserError, match=message):
        read_architecture({**CONF, "vocab_info": {**CONF["vocab_info"], **change}})


def test_a_missing_key_is_named():
    conf = dict(CONF)
    del conf["ffn_inner_dim"]
    with pytest.raises(UserError, match="ffn_inner_dim: is missing"):
        read_architecture(conf)
    with pytest.raises(UserError, match="vocab_info.eos_idx: is missing"):
        read_architecture(
            {**CONF, "vocab_info": {"size": 3, "unk_idx": 1, "bos_idx": 2, "pad_idx": 0}}
        )
    with pytest.raises(UserError, match="architecture must be a mapping, not 'basic'"):
        read_architecture("basic")
