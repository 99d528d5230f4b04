"""Reading history.jsonl and config.yaml."""

import json

import pytest

from espnet_mlclap.models.registry import MODEL_REGISTRIES
from espnet_mlclap.objectives.registry import OBJECTIVE_REGISTRIES
from espnet_mlclap.reports.history import read_facts, read_history
from espnet_mlclap.utils.errors import UserError


def test_epochs_in_order(tmp_path):
    lines = [{"epoch": n, "train": {"loss": 1.0}, "valid": {"mAP@10": n}} for n in (2, 1)]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [entry["epoch"] for entry in read_history(tmp_path)] == [1, 2]


def test_an_experiment_without_files_has_no_history(tmp_path):
    assert read_history(tmp_path) == []
    assert read_facts(tmp_path) == {}


@pytest.mark.parametrize("line", ["{", "3", '{"epoch": 1}'])
def test_broken_line(tmp_path, line):
    good = json.dumps({"epoch": 1, "train": {}, "valid": {}})
    (tmp_path / "history.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(UserError, match=r"history.jsonl:2: not an epoch"):
        read_history(tmp_path)


def test_facts(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "audio_encoder: ced\naudio_encoder_conf: {patch_dropout: [0.25, 0.25], depth: 3, x: null}\n"
        "le_ratio: 0.1\nle_langs: null\noptim_conf: {lr: 5.0e-05}\nscheduler_conf: {}\nngpu: 0\n"
    )
    assert read_facts(tmp_path) == {
        "audio_encoder": "ced",
        "audio_encoder_conf": "patch_dropout 0.25 0.25, depth 3",
        "le_ratio": "0.1",
        "optim_conf": "lr 5e-05",
    }


def test_choices_are_facts_where_they_are_not_the_papers(tmp_path):
    paper = "clip_captions: all\nle_sharing: each\ncrop: none\nmax_seconds: null\n"
    (tmp_path / "config.yaml").write_text(f"{paper}started_from: []\ntrain_data_weight: []\n")
    assert read_facts(tmp_path) == {}
    own = "clip_captions: one\nle_sharing: shared\ncrop: random\nmax_seconds: 10.0\n"
    (tmp_path / "config.yaml").write_text(
        f"{own}started_from: [a.pth]\ntrain_data_weight: [1.0, 0.5]\n"
    )
    assert read_facts(tmp_path) == {
        "clip_captions": "one",
        "le_sharing": "shared",
        "crop": "random",
        "max_seconds": "10.0",
        "started_from": "a.pth",
        "train_data_weight": "1.0 0.5",
    }


def test_parts_of_the_model_are_facts_where_they_are_not_the_usual_ones(tmp_path):
    registries = {**MODEL_REGISTRIES, **OBJECTIVE_REGISTRIES}
    usual = {registry.kind: name for registry, name in registries.items()}
    config = tmp_path / "config.yaml"
    config.write_text("".join(f"{kind}: {name}\n" for kind, name in usual.items()))
    assert set(read_facts(tmp_path)) == {"audio_encoder", "text_encoder"}
    config.write_text("".join(f"{kind}: other\n" for kind in usual))
    assert set(read_facts(tmp_path)) == set(usual) - {"loss"}


def test_long_values_are_cut_short(tmp_path):
    sizes = ", ".join(f"size{number}: 1" for number in range(20))
    (tmp_path / "config.yaml").write_text(
        f"text_encoder_conf: {{architecture: {{{sizes}}}, pooling: {{kind: mean}}}}\n"
        f"le_langs: [{', '.join(['fra_Latn'] * 20)}]\n"
    )
    facts = read_facts(tmp_path)
    assert facts["text_encoder_conf"] == (
        "architecture (20 values, in config.yaml), pooling kind mean"
    )
    assert facts["le_langs"] == " ".join(["fra_Latn"] * 12) + " ... (20)"


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not YAML"), ("- 1", "must hold `key: value` lines")]
)
def test_broken_configuration(tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_facts(tmp_path)
