"""The number that chooses a checkpoint is what stages 6 and 7 print for the same set, to the last bit."""

import json
import os

import pytest

from espnet_mlclap.bin import embed, score
from espnet_mlclap.evaluation.scores import MEAN_NAMES, read_scores
from espnet_mlclap.fileio.data_dir import Caption, DataDir

BEST = "valid.mAP@10.best.pth"


def stages_6_and_7(experiment, data_dir, out):
    embed.main(
        [
            "--model_dir",
            str(experiment),
            "--data_dir",
            str(data_dir),
            "--out_dir",
            str(out / "valid"),
        ]
    )
    score.main(["--inference_dir", str(out), "--bootstrap", "2"])
    return json.loads((out / "scores.json").read_text())["valid"]


def validated(experiment):
    """What was reported for the epoch that was chosen."""
    epoch = int(os.readlink(experiment / BEST).removesuffix("epoch.pth"))
    return json.loads((experiment / "history.jsonl").read_text().splitlines()[epoch - 1])["valid"]


@pytest.fixture(scope="module")
def uneven(tones, tmp_path_factory):
    """A validation set of 40 clips, of which few have German captions: batches, and gaps in a language."""
    tones_of_training = DataDir.read(tones / "train")
    data = DataDir(extra={"utt2num_samples": {}})
    for number in range(40):
        source = sorted(tones_of_training.wav_scp)[number % 12]
        clip = f"v{number}"
        data.wav_scp[clip] = tones_of_training.wav_scp[source]
        data.durations[clip] = tones_of_training.durations[source]
        data.extra["utt2num_samples"][clip] = tones_of_training.extra["utt2num_samples"][source]
        data.captions[f"caption{number}"] = Caption(f"A dog barks {number}", clip, "eng_Latn")
        if number % 4 == 0:
            data.captions[f"satz-{number}"] = Caption(f"Ein Hund {number}", clip, "deu_Latn")
    folder = tmp_path_factory.mktemp("uneven")
    data.write(folder / "valid")
    return folder / "valid"


@pytest.mark.parametrize(
    "options",
    [["--text_normalization", "mlclap"], ["--num_workers", "2", "--batch_size", "4"]],
)
def test_validation_is_scoring(run_training, training_options, uneven, tmp_path, capsys, options):
    options = ["--valid_data_dir", str(uneven), *options]
    experiment = run_training(training_options, tmp_path / "exp", 2, *options)
    reported = validated(experiment)
    capsys.readouterr()
    scores = stages_6_and_7(experiment, uneven, tmp_path / "inference")
    assert {name: reported[name] for name in MEAN_NAMES} == scores["mean"]
    for lang in ("eng_Latn", "deu_Latn"):
        for way in ("t2a", "a2t"):
            assert reported[f"{way}_mAP@10_{lang}"] == scores[lang][way]["mAP@10"]
    assert scores["deu_Latn"]["clips"] == 40
    assert f"all languages: {reported['mAP@10']:.2f} %" in capsys.readouterr().out
    assert set(read_scores(tmp_path / "inference")["valid"]) == {"eng_Latn", "deu_Latn"}


def test_ids_are_the_users(run_training, training_options, tones, tmp_path):
    """Nobody reads a language or a number out of an id."""
    for name in ("train", "valid"):
        data = DataDir.read(tones / name)
        ids = ["utt1", "my-utt-1", "eng_Latn", "a-deu_Latn-1", "-"]
        renamed = {
            (ids[number] if number < len(ids) else f"utt-{number}"): caption
            for number, caption in enumerate(data.captions.values())
        }
        data.captions = renamed
        data.write(tmp_path / name)
    options = [
        "--train_data_dir",
        str(tmp_path / "train"),
        "--valid_data_dir",
        str(tmp_path / "valid"),
    ]
    others = training_options[2:]  # --train_data_dir would be added
    experiment = run_training(others, tmp_path / "exp", 1, *options)
    reported = validated(experiment)
    languages = {name.rpartition("10_")[2] for name in reported if "10_" in name}
    assert languages == {"eng_Latn", "deu_Latn"}
    scores = stages_6_and_7(experiment, tmp_path / "valid", tmp_path / "inference")
    assert {name: reported[name] for name in MEAN_NAMES} == scores["mean"]
