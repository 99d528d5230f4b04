"""The examples of CONTRIBUTING.md as they stand there: parts out of tree, through the ordinary commands."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTIONS = {"eng_Latn": "a dog barks in the rain", "swh_Latn": "mbwa anabweka"}


def examples():
    """The files that CONTRIBUTING.md shows, by name."""
    return dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder apart with the examples, tones to train on, and a function that runs a command in it."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in examples().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    generator = np.random.default_rng(0)
    for split, clips in (("train", 8), ("test", 4)):
        (folder / "tones" / split).mkdir(parents=True)
        with open(folder / "tones" / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file", "caption", "lang"])
            for number in range(clips):
                name = f"{split}{number}"
                samples = 0.1 * generator.standard_normal(int(generator.integers(6000, 12000)))
                soundfile.write(folder / "tones" / split / f"{name}.wav", samples, 16000)
                langs = CAPTIONS if split == "test" else ["eng_Latn"]
                table.writerows(
                    [f"{name}.wav", f"{CAPTIONS[lang]} {number}", lang] for lang in langs
                )

    def run(command, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "espnet_mlclap", command, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def data(project):
    """Formatted sets, prepared by the corpus of the example."""
    project(
        *("prepare_corpus", "my_parts.corpus:Tones"),
        *("--captions_dir", "tones", "--audio_dir", "tones", "--out_dir", "data"),
    )
    for split in ("train", "test"):
        project("format_audio", "--data_dir", f"data/tones_{split}", "--out_dir", f"dump/{split}")
    return project.folder / "dump"


@pytest.fixture(scope="module")
def translations(project, data):
    """Translations into Swahili by the translator of the example."""
    project(
        *("translate", "--translator", "my_parts.translator:Glossary"),
        *("--config", "translation.yaml", "--langs", "swh_Latn"),
        *("--data_dir", data / "train", "--out_dir", "data/train_le"),
    )
    return project.folder / "data/train_le"


@pytest.fixture(scope="module")
def experiment(project, data, translations):
    """One epoch with encoder, loss and objective of the examples; SONAR's text encoder from scratch."""
    texts = ["--data_dir", data / "train", translations]
    project("train_tokenizer", *texts, "--out", "data/tokenizer.model")
    conf = ROOT / "egs2/audio_folder/mlclap1/conf/train.yaml"
    conf = yaml.safe_load(conf.read_text(encoding="utf-8"))
    text = {key: conf[key] for key in ("text_encoder", "text_encoder_conf")}
    (project.folder / "mine.yaml").write_text(yaml.safe_dump({"base": "train.yaml", **text}))
    project(
        *("train", "--config", "mine.yaml", "--output_dir", "exp", "--max_epoch", 1),
        *("--train_data_dir", data / "train", "--valid_data_dir", data / "test"),
        *("--le_data_dir", translations, "--le_ratio", 0.5),
        *(
            "--model_conf",
            "embed_size=16",
            "--optim",
            "adam",
            "--batch_size",
            4,
            "--num_workers",
            0,
            "--use_tensorboard",
            "false",
        ),
        *("--keep_nbest_models", 1),
    )
    return project.folder / "exp"


def test_every_kind_of_part_has_an_example():
    kinds = ("encoder", "loss", "objective", "translator", "corpus")
    assert set(examples()) == {
        *(f"my_parts/{k}.py" for k in kinds),
        "train.yaml",
        "translation.yaml",
    }


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_every_file_that_is_named_is_there(page):
    """Paths and links in the text, those with a placeholder by their folder."""
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:espnet_mlclap|test|tools|egs2|conf)/[^`\s]*)`", text))
    paths |= {link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link}
    assert len(paths) > 15
    for path in paths - {"tools/venv"}:  # made by make
        assert any(ROOT.glob(re.split("[<#]", path)[0])), path


def test_a_corpus_in_a_language_of_ones_own(data):
    text = (data / "test/text").read_text(encoding="utf-8").splitlines()
    assert len(text) == 8
    languages = [line.split()[1] for line in (data / "test/utt2lang").read_text().splitlines()]
    assert sorted(set(languages)) == sorted(CAPTIONS)


def test_a_translator(translations):
    lines = (translations / "text").read_text(encoding="utf-8").splitlines()
    assert [" ".join(line.split()[1:-1]) for line in lines] == ["mbwa anabweka katika mvua"] * 8


def test_an_encoder_a_loss_and_an_objective(experiment):
    config = yaml.safe_load((experiment / "config.yaml").read_text(encoding="utf-8"))
    for key, value in yaml.safe_load(examples()["train.yaml"]).items():
        assert config[key] == value
    (epoch,) = (json.loads(line) for line in (experiment / "history.jsonl").open(encoding="utf-8"))
    assert np.isfinite(epoch["train"]["loss"])
    assert "swh_Latn" in json.dumps(epoch["valid"])


def test_the_model_is_scored_in_the_new_language(project, data, experiment):
    project(
        "embed", "--model_dir", experiment, "--data_dir", data / "test", "--out_dir", "inf/test"
    )
    assert "swh_Latn" in project("score", "--inference_dir", "inf", "--bootstrap", 10)


def test_a_clips_tokens_are_its_own(project, monkeypatch):
    """What CONTRIBUTING.md asks of an encoder, of its example."""
    import torch

    monkeypatch.syspath_prepend(project.folder)
    from my_parts.encoder import FrameEncoder

    torch.manual_seed(0)
    encoder = FrameEncoder(width=8)
    audio, lengths = torch.randn(2, 3200), torch.tensor([3200, 1600])
    together = encoder(audio, lengths)
    alone = encoder(audio[1:, :1600], lengths[1:])
    torch.testing.assert_close(together.real(1), alone.real(0), atol=1e-5, rtol=0)


def test_the_sigmoid_loss_against_a_loop(project, monkeypatch):
    import torch
    from torch.nn.functional import normalize

    monkeypatch.syspath_prepend(project.folder)
    from my_parts.loss import SigmoidLoss

    audio, text = (normalize(torch.randn(n, 5, dtype=torch.float64)) for n in (2, 3))
    owner = torch.tensor([0, 1, 1])
    total = 0.0
    for caption in range(3):
        for clip in range(2):
            logit = 10 * float(text[caption] @ audio[clip]) - 3
            sign = 1 if owner[caption] == clip else -1
            total += np.log1p(np.exp(-sign * logit))
    loss, _ = SigmoidLoss()(audio, text, owner)
    assert float(loss) == pytest.approx(total / 3)
