"""score, report, compare and zero_shot as a user calls them."""

import json
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from espnet_mlclap.bin import compare, report, score, zero_shot
from espnet_mlclap.evaluation.scores import mean_of_languages, read_scores
from espnet_mlclap.evaluation.zero_shot import (
    Prompt,
    read_prompt_embeddings,
    write_prompt_embeddings,
)
from espnet_mlclap.fileio.data_dir import Caption, DataDir

LANGS = ("eng_Latn", "fra_Latn", "zho_Hans")


@pytest.fixture
def experiment(tmp_path):
    """An experiment folder with embeddings of a set `test`, a history and a configuration."""
    folder = tmp_path / "exp" / "mlclap_le"
    write_set(folder / "best" / "test", noise=1.0)
    (folder / "config.yaml").write_text("audio_encoder: ced\nle_ratio: 0.1\n")
    lines = [
        {"epoch": n, "train": {"loss": 4.0 / n}, "valid": {"mAP@10": 20.0 * n}, "seconds": 30.0}
        for n in (1, 2)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_set(folder, noise):
    generator = np.random.default_rng(0)
    audio = generator.standard_normal((20, 16)).astype(np.float32)
    folder.mkdir(parents=True)
    np.save(folder / "audio_embeddings.npy", audio)
    text = [audio + noise * generator.standard_normal((20, 16)) for _ in LANGS]
    np.save(folder / "text_embeddings.npy", np.concatenate(text).astype(np.float32))
    (folder / "clip_ids").write_text("".join(f"c{clip}\n" for clip in range(20)))
    (folder / "caption_ids").write_text(
        "".join(f"c{clip}-{lang}-1 c{clip} {lang}\n" for lang in LANGS for clip in range(20))
    )


def run_score(folder, *more):
    score.main(["--inference_dir", str(folder / "best"), "--bootstrap", "20", *more])


def test_differences_to_a_baseline(experiment, capsys):
    """The worse system is behind by what scores.json says of both, and a star tells that it is no chance."""
    worse = experiment.parent / "mlclap_worse"
    write_set(worse / "best" / "test", noise=6.0)
    write_set(worse / "best" / "other", noise=6.0)
    run_score(experiment)
    own = read_scores(experiment / "best")["test"]
    run_score(worse, "--baseline", str(experiment))
    scores = read_scores(worse / "best")
    assert "difference" not in scores["other"]["eng_Latn"]  # the baseline was not tested on it
    entry = scores["test"]["fra_Latn"]
    assert entry["difference"]["to"] == "mlclap_le"
    gap, low, high = entry["difference"]["a2t"]["mAP@10"]
    assert gap == pytest.approx(entry["a2t"]["mAP@10"] - own["fra_Latn"]["a2t"]["mAP@10"])
    assert low <= gap <= high < 0
    assert "Difference to mlclap_le" in capsys.readouterr().out
    report.main(
        ["--experiment_dir", str(worse), "--inference_tag", "best", "--baseline", str(experiment)]
    )
    text = (worse / "best/RESULTS.md").read_text()
    assert f"{gap:+.1f} [{low:+.1f}, {high:+.1f}] * |" in text
    assert "A star stands where the interval does not hold 0." in text


def fails(capsys, main, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    assert message in capsys.readouterr().err


def test_score_writes_json_and_prints_tables(experiment, capsys):
    run_score(experiment)
    printed = capsys.readouterr().out
    scores = read_scores(experiment / "best")
    assert list(scores) == ["test"]
    assert list(scores["test"]) == list(LANGS)
    figure = scores["test"]["fra_Latn"]["t2a"]["R@1"]
    line = next(line for line in printed.splitlines() if line.startswith("fra_Latn"))
    assert line.split()[:4] == ["fra_Latn", "20", "20", f"{figure:.1f}"]
    assert "mean of the 2 others" in printed
    run_score(experiment, "--markdown", "true")
    assert "| Audio to text | clips |" in re.sub(" +", " ", capsys.readouterr().out)


def test_the_source_of_langs_is_the_source_of_the_reports(experiment, capsys):
    run_score(experiment, "--source_lang", "fra_Latn")
    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert lines[2:6] == ["fra_Latn", "eng_Latn", "zho_Hans", "mean"]
    report.main(["--experiment_dir", str(experiment), "--inference_tag", "best"])
    text = (experiment / "best" / "RESULTS.md").read_text(encoding="utf-8")
    scores = read_scores(experiment / "best")["test"]
    others = (scores["eng_Latn"]["t2a"]["R@1"] + scores["zho_Hans"]["t2a"]["R@1"]) / 2
    (row, _) = [line for line in text.splitlines() if "mean of the 2 others" in line]
    assert row.split("|")[4].strip() == f"{others:.1f}"
    arguments = ["--inference_dir", str(experiment / "best"), "--source_lang", "french"]
    fails(capsys, score.main, arguments, "--source_lang: unknown language code 'french'")


def test_score_is_repeatable(experiment):
    run_score(experiment)
    first = (experiment / "best" / "scores.json").read_bytes()
    run_score(experiment)
    assert (experiment / "best" / "scores.json").read_bytes() == first


def test_score_with_lists_of_relevant_clips(experiment, tmp_path, capsys):
    (tmp_path / "lists").write_text("c0-eng_Latn-1 c1 c2\nc3-eng_Latn-1 c3\n")
    run_score(experiment, "--relevant_clips", f"test={tmp_path / 'lists'}")
    assert "mAP@16" in capsys.readouterr().out
    entry = read_scores(experiment / "best")["test"]["eng_Latn"]["multiple_positives"]
    assert (entry["captions"], entry["clips_a_caption"]) == (2, 1.5)
    arguments = ["--inference_dir", str(experiment / "best"), "--relevant_clips", "nobody=x"]
    fails(capsys, score.main, arguments, "--relevant_clips nobody=x: must read SET=FILE")


def test_collapsed_embeddings_are_pointed_out(experiment, caplog):
    path = experiment / "best" / "test" / "audio_embeddings.npy"
    np.save(path, np.ones((20, 16), np.float32))
    run_score(experiment)
    assert "collapsed" in caplog.text
    entry = read_scores(experiment / "best")["test"]["eng_Latn"]
    assert entry["t2a"]["R@1"] == pytest.approx(5.0)


def test_score_of_bad_input(experiment, tmp_path, capsys):
    fails(capsys, score.main, ["--inference_dir", str(tmp_path)], "no embeddings in it")
    arguments = ["--inference_dir", str(experiment / "best"), "--bootstrap", "0"]
    fails(capsys, score.main, arguments, "--bootstrap 0: must be 1 or more")
    (experiment / "best" / "test" / "clip_ids").write_text("c0\n")
    fails(capsys, score.main, arguments[:2], "clip_ids: 1 lines for 20 embeddings")
    assert not (experiment / "best" / "scores.json").exists()


def test_report_has_facts_tables_and_figures(experiment, tmp_path):
    run_score(experiment)
    baseline = tmp_path / "exp" / "mlclap_baseline"
    write_set(baseline / "best" / "test", noise=5.0)
    run_score(baseline)
    zero_shot_entry = {
        "clips": 20, "classes": 4, "prompts": 9, "accuracy": 61.0, "interval": [50.0, 70.0],
        "chance": 25.0,
    }  # fmt: skip
    (experiment / "best" / "test" / "zero_shot.json").write_text(
        json.dumps({"eng_Latn": zero_shot_entry})
    )
    report.main(
        ["--experiment_dir", str(experiment), "--inference_tag", "best", "--note",
         "The corpus is synthetic.\nIt says little about real sound.", "--title", "Mini",
         "--baseline", str(baseline / "best")]
    )  # fmt: skip
    text = (experiment / "best" / "RESULTS.md").read_text(encoding="utf-8")
    text = re.sub(" +", " ", text)  # tables without their alignment
    scores = read_scores(experiment / "best")["test"]
    assert text.startswith("# Mini\n\n> The corpus is synthetic.\n> It says little about real")
    assert "| `audio_encoder` | ced |" in text
    assert "| best epoch | 2 (valid mAP@10 40.00 %) |" in text
    whole = mean_of_languages(scores)["mAP@10"]
    assert f"mAP@10, the mean of both directions and of all languages: {whole:.2f} %." in text
    assert "| training time | 60 s, validation included |" in text
    low, high = scores["zho_Hans"]["intervals"]["t2a"]["mAP@10"]
    value = scores["zho_Hans"]["t2a"]["mAP@10"]
    assert f"{value:.1f} [{low:.1f}, {high:.1f}]" in text
    assert "| chance |" in text
    assert "61.0 [50.0, 70.0]" in text
    for name in ("training", "languages_test", "similarity_test"):
        assert f"(figures/{name}.png)" in text
        picture = experiment / "best" / "figures" / f"{name}.png"
        assert picture.read_bytes()[:4] == b"\x89PNG"


def test_report_of_an_imported_model(experiment, tmp_path, capsys):
    run_score(experiment)
    (experiment / "history.jsonl").unlink()
    (experiment / "config.yaml").unlink()
    out = tmp_path / "results" / "RESULTS.md"
    arguments = ["--experiment_dir", str(experiment), "--inference_tag", "best"]
    report.main([*arguments, "--out", str(out)])
    text = out.read_text(encoding="utf-8")
    assert "## Training" not in text
    assert "## test" in text
    assert (tmp_path / "results" / "figures" / "languages_test.png").exists()
    (experiment / "best" / "scores.json").unlink()
    fails(capsys, report.main, arguments, "scores.json: cannot be read")


def test_compare(experiment, tmp_path, capsys):
    run_score(experiment)
    baseline = tmp_path / "exp" / "mlclap_baseline"
    write_set(baseline / "best" / "test", noise=5.0)
    run_score(baseline)
    capsys.readouterr()
    paths = [str(experiment / "best"), f"no LE={baseline / 'best' / 'scores.json'}"]
    compare.main([*paths, "--metrics", "R@1", "--out", str(tmp_path / "table.md")])
    printed = capsys.readouterr().out
    scores = read_scores(experiment / "best")["test"]
    others = (scores["fra_Latn"]["t2a"]["R@1"] + scores["zho_Hans"]["t2a"]["R@1"]) / 2
    cells = f"{scores['eng_Latn']['t2a']['R@1']:.1f} | {others:.1f}"
    assert f"| mlclap_le | {cells} |" in re.sub(" +", " ", (tmp_path / "table.md").read_text())
    assert "no LE" in printed
    fails(capsys, compare.main, [paths[0], paths[0]], "two experiments are called 'mlclap_le'")
    fails(capsys, compare.main, [paths[0], "--sets", "x"], "--sets x: not scored; available: test")
    fails(capsys, compare.main, [str(tmp_path)], "scores.json: cannot be read")
    fails(capsys, compare.main, ["/nope"], "/nope: cannot be read")
    (experiment / "outdated").mkdir()
    (experiment / "outdated/scores.json").write_text("{}")
    message = f"{experiment}: an experiment's folder; give a folder of results in it: "
    fails(capsys, compare.main, [f"LE={experiment}"], f"{message}{experiment / 'best'}.")


def test_the_sets_asked_for_are_scored(experiment, capsys):
    write_set(experiment / "best" / "extra", noise=1.0)
    run_score(experiment)
    assert list(read_scores(experiment / "best")) == ["extra", "test"]
    run_score(experiment, "--sets", "test")
    assert list(read_scores(experiment / "best")) == ["test"]
    arguments = ["--inference_dir", str(experiment / "best"), "--sets", "test", "none"]
    fails(capsys, score.main, arguments, "--sets none: no embeddings in")


def test_zero_shot_from_embedded_prompts(experiment, tmp_path, capsys):
    folder = experiment / "best" / "test"
    audio = np.load(folder / "audio_embeddings.npy")
    prompts = [Prompt(f"class{n}", lang, f"{n}") for lang in LANGS[:2] for n in range(20)]
    write_prompt_embeddings(tmp_path / "prompts", prompts, np.concatenate([audio, audio[::-1]]))
    data = tmp_path / "data"
    data.mkdir()
    arguments = ["--data_dir", str(data), "--embedding_dir", str(folder)]
    arguments += ["--prompt_embedding_dir", str(tmp_path / "prompts"), "--bootstrap", "20"]
    fails(capsys, zero_shot.main, arguments, "the test set has no labels")
    (data / "clip2label").write_text("".join(f"c{n} class{n}\n" for n in range(20)))
    zero_shot.main(arguments)
    scores = json.loads((folder / "zero_shot.json").read_text())
    assert scores["eng_Latn"]["accuracy"] == 100.0
    assert scores["fra_Latn"]["accuracy"] == 0.0
    assert "100.0 [100.0, 100.0]" in capsys.readouterr().out
    (data / "clip2label").write_text("c0 class0\n")
    fails(capsys, zero_shot.main, arguments, "no label of the clip 'c1'")


def test_zero_shot_needs_a_model_for_new_prompts(experiment, tmp_path, capsys):
    arguments = ["--data_dir", str(tmp_path), "--embedding_dir", str(experiment / "best" / "test")]
    fails(capsys, zero_shot.main, [*arguments, "--prompt_file", "x.tsv"], "--model_dir is needed")


def test_zero_shot_embeds_the_captions_of_training_clips(experiment, tmp_path, monkeypatch):
    folder = experiment / "best" / "test"
    audio = np.load(folder / "audio_embeddings.npy")
    asked = {}

    class Model:
        @classmethod
        def from_pretrained(cls, path, *, model_file, device):
            asked.update(path=path, model_file=model_file, device=device)
            return cls()

        def encode_text(self, captions, langs):
            asked.update(captions=captions, langs=langs)
            return np.stack([audio[int(caption.split()[1])] for caption in captions])

    inference = types.ModuleType("espnet_mlclap.inference")
    inference.MLCLAP = Model  # the real one imports torch and espnet2, and needs weights
    monkeypatch.setitem(sys.modules, inference.__name__, inference)
    clips = {f"train{n}": f"class{n}" for n in range(20)}
    captions = {
        f"{clip}-eng_Latn-1": Caption(f"sound {n}", clip, "eng_Latn")
        for n, clip in enumerate(clips)
    }
    DataDir(wav_scp=clips, captions=captions, labels=clips).write(tmp_path / "train")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "clip2label").write_text("".join(f"c{n} class{n}\n" for n in range(20)))
    zero_shot.main(
        ["--data_dir", str(tmp_path / "test"), "--embedding_dir", str(folder), "--model_dir", "exp/m",
         "--prompt_data_dir", str(tmp_path / "train"), "--bootstrap", "20", "--device", "cuda"]
    )  # fmt: skip
    assert json.loads((folder / "zero_shot.json").read_text())["eng_Latn"]["accuracy"] == 100.0
    assert asked["path"] == "exp/m"
    assert asked["device"] == "cuda"
    assert sorted(asked["captions"]) == sorted(f"sound {n}" for n in range(20))
    assert read_prompt_embeddings(folder / "prompts")[0][0].label == "class0"


@pytest.mark.parametrize("name", ["score", "report", "compare", "zero_shot"])
def test_help_needs_no_model_library(name):
    code = (
        f"import sys; from espnet_mlclap.bin import {name}; "
        f"print(*(m for m in ('torch', 'espnet2', 'fairseq2', 'matplotlib') if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
