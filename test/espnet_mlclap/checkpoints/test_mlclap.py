"""Released checkpoints as experiments: names, sizes, refusals, and use like an experiment of our own.

That the imported model gives the published numbers is proven in test/tools/test_check_golden.py.
"""

import shutil

import numpy as np
import pytest
import torch
import yaml

from espnet_mlclap.bin import embed, embed_training_set, import_checkpoint, pack
from espnet_mlclap.checkpoints.mlclap import configuration, to_our_names
from espnet_mlclap.checkpoints.state_dict import load_state_dict
from espnet_mlclap.evaluation.embedding_table import EmbeddingTable
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.utils.languages import SONAR_LANGUAGES


@pytest.fixture(scope="module")
def released(golden_dir):
    """The folder with a checkpoint in the released layout and its tokenizer."""
    return golden_dir / "mlclap"


@pytest.fixture(scope="module")
def heads(material):
    """Options for what its tensors do not tell."""
    audio, text = (1, 2) if material == "fixtures" else (3, 4)
    return ["--audio_heads", str(audio), "--text_heads", str(text)]


@pytest.fixture(scope="module")
def command(released, heads):
    """Arguments that import a checkpoint into a folder."""
    tokenizer = ["--tokenizer", str(released / "tiny_spm.model")]
    return lambda checkpoint, folder: [str(checkpoint), str(folder), *tokenizer, *heads]


@pytest.fixture(scope="module")
def states(released):
    return load_state_dict(released / "mlclap_small.pt")


@pytest.fixture(scope="module")
def experiment(released, command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exp") / "mlclap_released"
    import_checkpoint.main(command(released / "mlclap_small.pt", folder))
    return folder


def failing(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        import_checkpoint.main(arguments)
    assert stopped.value.code == 1
    return capsys.readouterr().err


def test_an_experiment_like_our_own(experiment, states, tones, tmp_path):
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    assert config["text_encoder_conf"]["tokenizer_model"] == "text_encoder/sentencepiece.model"
    assert config["text_normalization"] == "mlclap"
    assert config["loss_conf"]["temperature"] == pytest.approx(float(states["temperature"]))
    moved = tmp_path / "moved"
    shutil.copytree(experiment, moved, symlinks=True)
    model = MLCLAP.from_pretrained(moved)
    assert model.languages == list(SONAR_LANGUAGES)
    expected = model.encode_text(["A dog barks , twice."], "eng_Latn")
    np.testing.assert_allclose(model.encode_text("a dog barks twice "), expected, atol=1e-6)
    pack.main(["--experiment_dir", str(moved), "--out", str(tmp_path / "model.zip")])
    packed = MLCLAP.from_pretrained(tmp_path / "model.zip")
    np.testing.assert_allclose(packed.encode_text("a dog barks twice "), expected, atol=1e-6)
    data = ["--data_dir", str(tones / "valid"), "--out_dir", str(tmp_path / "valid")]
    embed.main(["--model_dir", str(moved), *data])
    assert np.load(tmp_path / "valid/audio_embeddings.npy").shape == (
        6,
        len(states["audio_proj.2.bias"]),
    )


def test_training_can_start_from_it(experiment, tones, tmp_path, run_training):
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    conf = config["text_encoder_conf"]
    conf["tokenizer_model"] = str(experiment / conf["tokenizer_model"])
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    options = [
        *("--config", str(tmp_path / "train.yaml")),
        *("--init_param", str(experiment / "latest.pth")),
        *("--train_data_dir", str(tones / "train"), "--valid_data_dir", str(tones / "valid")),
        *("--optim", "adam", "--optim_conf", "lr=0", "--batch_size", "6", "--num_workers", "0"),
        *("--le_ratio", "0", "--use_tensorboard", "false", "--keep_nbest_models", "1"),
    ]
    folder = run_training(options, tmp_path / "exp", 1)
    before = load_state_dict(experiment / "latest.pth")
    after = load_state_dict(folder / "valid.mAP@10.best.pth")
    # what is new is the temperature, which training learns and saves
    assert before.keys() == after.keys() - {"loss.temperature"}
    for name, tensor in before.items():
        if ".init_bn.1." not in name:  # its statistics follow the data
            assert torch.equal(after[name], tensor), name


def test_it_can_be_a_teacher(experiment, tones, tmp_path):
    data = ["--data_dir", str(tones / "train"), "--le_data_dir", str(tones / "train_le")]
    teacher = ["--teacher", str(experiment), "--out_dir", str(tmp_path / "vectors")]
    embed_training_set.main([*teacher, *data])
    table = EmbeddingTable(tmp_path / "vectors/translations")
    model = MLCLAP.from_pretrained(experiment)
    expected = model.encode_text("Ein Hund", "deu_Latn")  # normalised as it was trained
    found = table.vectors(table.find(["train4-deu_Latn-1"]))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def as_fairseq(states):
    """The same checkpoint with fairseq's names inside the text encoder."""
    old = {}
    for name, tensor in states.items():
        prefix, _, inner = name.rpartition("text_encoder.model.")
        if prefix or not name.startswith("text_encoder.model."):
            old[name] = tensor
            continue
        if inner == "encoder_frontend.embed.weight":  # (pad, unk, bos, eos) to (bos, pad, eos, unk)
            inner, tensor = "embed_tokens.weight", torch.cat([tensor[[2, 0, 3, 1]], tensor[4:]])
        inner = inner.removeprefix("encoder.").replace(
            "self_attn.output_proj", "self_attn.out_proj"
        )
        inner = inner.replace("ffn.inner_proj", "fc1").replace("ffn.output_proj", "fc2")
        inner = inner.replace("ffn_layer_norm", "final_layer_norm")
        old["text_encoder.model." + inner] = tensor
    old["text_encoder.model.version"] = torch.tensor([3.0])
    old["text_encoder.model.embed_positions._float_tensor"] = torch.zeros(1)
    return old


def test_older_names(states):
    old = as_fairseq(states)
    layers = sum(name.endswith("self_attn_layer_norm.weight") for name in states)
    assert len(set(old) - set(states)) == layers * 16 + 3  # and embedding, constants
    expected, renamed = to_our_names(states), to_our_names(old)
    assert renamed.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(renamed[name], tensor), name


def test_published_sizes_need_no_options():
    """CED-Base and SONAR as released, by shapes alone."""
    with torch.device("meta"):
        states = {
            "audio_encoder.patch_embed.proj.bias": torch.empty(768),
            "audio_encoder.time_pos_embed": torch.empty(1, 768, 1, 63),
            "audio_encoder.outputlayer.1.bias": torch.empty(527),
            "text_encoder.model.encoder_frontend.embed.weight": torch.empty(256206, 1024),
            "text_encoder.model.encoder.layers.0.ffn.inner_proj.bias": torch.empty(8192),
            "audio_projection.2.bias": torch.empty(1024),
        }
        states.update({f"audio_encoder.blocks.{n}.x": torch.empty(1) for n in range(12)})
        states.update(
            {f"text_encoder.model.encoder.layers.{n}.x": torch.empty(1) for n in range(24)}
        )
    states["loss.temperature"] = torch.tensor(0.07)
    conf = configuration(
        states,
        langs=SONAR_LANGUAGES,
        audio_heads=None,
        text_heads=None,
        audio_mode="reference",
    )
    assert conf["audio_encoder_conf"] == {"size": "base", "num_classes": 527, "mode": "reference"}
    architecture = conf["text_encoder_conf"]["architecture"]
    assert architecture["num_encoder_attn_heads"] == 16
    assert architecture["num_encoder_layers"] == 24
    assert conf["model_conf"] == {"embed_size": 1024}


def test_what_does_not_fit_is_refused_by_name(states, command, tmp_path, capsys):
    cases = {
        "1 tensors belong to no part .*: classifier.weight": {"classifier.weight": torch.zeros(1)},
        "1 unknown: audio_encoder.blocks.0.attn.gate": {
            "audio_encoder.model.blocks.0.attn.gate": torch.zeros(1)
        },
        "of another shape: audio_encoder.norm.weight": {
            "audio_encoder.model.norm.weight": torch.zeros(95)
        },
        "1 missing: text_projection.0.bias": {"text_proj.0.bias": None},
        "has no audio_projection.2.bias": {"audio_proj.2.bias": None},
        "holds text_encoder.model.encoder.layers.0.ffn.inner_proj.bias twice": {
            "text_encoder.model.layers.0.fc1.bias": torch.zeros(128)
        },
    }
    for message, changes in cases.items():
        changed = {**states, **changes}
        path = tmp_path / "changed.pt"
        torch.save({k: v for k, v in changed.items() if v is not None}, path)
        error = failing(command(path, tmp_path / "exp"), capsys)
        assert str(path) in error
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(error)
        assert not (tmp_path / "exp").exists()


def test_bad_input(released, heads, command, experiment, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLCLAP_WEIGHTS", str(tmp_path / "cache"))
    good = released / "mlclap_small.pt"
    tokenizer = ["--tokenizer", str(released / "tiny_spm.model")]
    out = str(tmp_path / "exp")
    assert "Give --audio_heads" in failing([str(good), out, *tokenizer], capsys)
    assert "Give --text_heads" in failing([str(good), out, *tokenizer, *heads[:2]], capsys)
    error = failing(["mlclap_clotho", out, *tokenizer, *heads], capsys)
    assert "download_weights mlclap_clotho" in error
    assert "sonar_sentencepiece" in failing([str(good), out, *heads], capsys)
    assert "no such checkpoint" in failing(command(tmp_path / "no.pt", out), capsys)
    assert "exists already" in failing(command(good, experiment), capsys)


def test_a_tokenizer_of_another_size_is_refused(released, states, heads, tmp_path, capsys):
    import sentencepiece

    (tmp_path / "corpus.txt").write_text("a dog barks\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "corpus.txt"),
        model_prefix=str(tmp_path / "other"),
        vocab_size=12,
        minloglevel=2,
    )
    arguments = [str(released / "mlclap_small.pt"), str(tmp_path / "exp"), *heads]
    error = failing([*arguments, "--tokenizer", str(tmp_path / "other.model")], capsys)
    tokens = len(states["text_encoder.model.encoder_frontend.embed.weight"])
    assert f"makes 218 tokens, but the checkpoint has {tokens}" in error


def test_a_file_that_would_run_code_is_refused(command, tmp_path, capsys):
    class Exploit:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    torch.save({"temperature": Exploit()}, tmp_path / "exploit.pt")
    error = failing(command(tmp_path / "exploit.pt", tmp_path / "exp"), capsys)
    assert "refused" in error
    assert not (tmp_path / "run").exists()
