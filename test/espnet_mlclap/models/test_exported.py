"""Settings that no weight shows: their name changes with what an encoder gives, and with nothing else."""

import shutil
from pathlib import Path

from espnet_mlclap.models.exported import settings_of_export
from espnet_mlclap.models.registry import audio_encoders, text_encoders
from espnet_mlclap.models.text_encoder.huggingface import HuggingfaceTextEncoder

SMALL_BERT = Path(__file__).resolve().parents[3] / "egs2/mini/mlclap1/conf/small_bert"
FROZEN = {"encoder": "local.own:Own", "store": "../vectors", "batch_size": 16, "tokens": True}


def of_bert(folder, model=SMALL_BERT, **settings):
    conf = HuggingfaceTextEncoder(model=str(model), init="scratch", **settings).export(folder)
    return settings_of_export(text_encoders, "huggingface", conf, folder)


def of_frozen(**changed):
    return settings_of_export(audio_encoders, "frozen", {**FROZEN, **changed}, Path("nowhere"))


def test_of_a_tokenizer(tmp_path):
    name = of_bert(tmp_path / "one", max_tokens=9)
    moved = shutil.copytree(SMALL_BERT, tmp_path / "moved")
    assert of_bert(tmp_path / "two", moved, max_tokens=9) == name
    (tmp_path / "two/text_encoder/.config.json.abc.tmp").write_text("of another process")
    (tmp_path / "two/text_encoder/model.safetensors").write_text("weights")
    assert of_bert(tmp_path / "two", moved, max_tokens=9) == name
    assert of_bert(tmp_path / "three", max_tokens=8) != name
    words = (moved / "vocab.txt").read_text().splitlines()
    words[-2:] = words[:-3:-1]
    (moved / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    assert of_bert(tmp_path / "four", moved, max_tokens=9) != name


def test_of_a_prompt(tmp_path):
    conf = {"model": "text_encoder", "prompt": "query: ", "max_tokens": 16}
    names = {
        settings_of_export(text_encoders, "sentence_transformers", changed, tmp_path)
        for changed in (conf, {**conf, "prompt": ""}, {**conf, "max_tokens": 8})
    }
    assert len(names) == 3


def test_of_a_frozen_encoder_and_a_fusion():
    assert of_frozen(store="elsewhere", batch_size=2) == of_frozen()
    changes = [{}, {"tokens": False}, {"sampling_rate": 8000}, {"options": {"layer": 3}}]
    assert len({of_frozen(**changed) for changed in changes}) == 4
    fusions = [
        settings_of_export(
            audio_encoders,
            "fusion",
            {
                "encoders": [
                    {"audio_encoder": "frozen", "audio_encoder_conf": {**FROZEN, **changed}}
                ]
            },
            Path("nowhere"),
        )
        for changed in (*changes, {"store": "elsewhere"})
    ]
    assert len(set(fusions)) == 4
    assert fusions[0] == fusions[-1]
