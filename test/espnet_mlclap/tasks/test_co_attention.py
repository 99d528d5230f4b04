"""A reranker: trained from a two-tower model, validated as it is scored, used from Python, packed."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from espnet_mlclap.bin import embed, pack, rerank, score
from espnet_mlclap.evaluation.scores import MEAN_NAMES
from espnet_mlclap.evaluation.validation import RerankedValidationSet
from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.inference import MLCLAP
from espnet_mlclap.tasks.inputs import codes
from espnet_mlclap.utils.errors import UserError

BEST = "valid.mAP@10.best.pth"
PAIRS = [
    *("--model", "co_attention", "--objective", "pair_scoring", "--co_attention", "iterating"),
    *("--co_attention_conf", "width=16", "--co_attention_conf", "heads=2"),
    *("--co_attention_conf", "feed_forward=16", "--co_attention_conf", "iterations=2"),
    # without dropout, whose random numbers depend on how tokens are padded
    *("--co_attention_conf", "dropout=0.0", "--valid_rerank_top", "3"),
]


@pytest.fixture(scope="module")
def reranker(experiment, run_training, training_options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reranker") / "exp"
    return run_training(training_options, folder, 2, *PAIRS, "--init_param", str(experiment / BEST))


def test_frozen_towers_are_those_of_the_start(experiment, reranker):
    before, after = (torch.load(f / BEST, weights_only=True) for f in (experiment, reranker))
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    assert any(key.startswith("co_attention.") for key in after)


def test_validation_is_scoring(experiment, reranker, tones, tmp_path, capsys):
    """Stages 6 and 7 with the two-tower model's embeddings give the figure that chose the reranker."""
    out = tmp_path / "inference"
    data = ["--data_dir", str(tones / "valid")]
    embed.main(["--model_dir", str(experiment), *data, "--out_dir", str(out / "valid")])
    folders = {}
    for top in ("3", "all"):
        folders[top] = tmp_path / f"top_{top}"
        rerank.main(
            ["--model_dir", str(reranker), *data, "--embedding_dir", str(out / "valid"),
             "--out_dir", str(folders[top] / "valid"), "--top", top, "--name", "co"]
        )  # fmt: skip
    capsys.readouterr()
    score.main(
        [
            "--inference_dir",
            str(out),
            "--bootstrap",
            "20",
            "--reranked",
            *map(str, folders.values()),
        ]
    )
    printed = capsys.readouterr().out
    assert "Text to audio, reranked" in printed
    assert "co, top 3" in printed
    scores = json.loads((out / "scores.json").read_text())["valid"]
    epoch = int(os.readlink(reranker / BEST).removesuffix("epoch.pth"))
    lines = (reranker / "history.jsonl").read_text().splitlines()
    reported = json.loads(lines[epoch - 1])["valid"]
    for lang in ("eng_Latn", "deu_Latn"):
        entry = scores[lang]["reranked"]
        assert set(entry) == {"co, top 3", "co, full matrix"}
        for way in ("t2a", "a2t"):
            assert reported[f"{way}_mAP@10_{lang}"] == entry["co, top 3"][way]["mAP@10"]
            value, low, high = entry["co, top 3"]["difference"][way]["mAP@10"]
            gap = entry["co, top 3"][way]["mAP@10"] - scores[lang][way]["mAP@10"]
            assert value == pytest.approx(gap, abs=1e-9)
            assert low <= value <= high
    assert reported["towers_mAP@10"] == scores["mean"]["mAP@10"]
    assert set(MEAN_NAMES) <= set(reported)


def test_a_set_with_more_pairs_than_named_is_left_out(
    experiment, reranker, tones, tmp_path, caplog
):
    data = ["--data_dir", str(tones / "valid")]
    embed.main(["--model_dir", str(experiment), *data, "--out_dir", str(tmp_path / "valid")])
    options = [
        *("--model_dir", str(reranker), *data, "--embedding_dir", str(tmp_path / "valid")),
        *("--out_dir", str(tmp_path / "out"), "--top", "all"),
    ]
    rerank.main(options)
    assert (tmp_path / "out/pair_scores.npz").exists()
    rerank.main([*options, "--most_pairs", "71"])
    assert "72 pairs, more than --most_pairs 71" in caplog.text
    assert not (tmp_path / "out/pair_scores.npz").exists()  # else it would be scored


def test_rerank_gives_what_the_command_gives(experiment, reranker, tones, tmp_path):
    from espnet_mlclap.evaluation.embeddings import read_embeddings
    from espnet_mlclap.evaluation.pair_scores import read_pair_scores

    data = DataDir.read(tones / "valid")
    options = ["--data_dir", str(tones / "valid")]
    embed.main(["--model_dir", str(experiment), *options, "--out_dir", str(tmp_path / "valid")])
    rerank.main(
        ["--model_dir", str(reranker), *options, "--embedding_dir", str(tmp_path / "valid"),
         "--out_dir", str(tmp_path / "out"), "--top", "all"]
    )  # fmt: skip
    embeddings = read_embeddings(tmp_path / "valid")
    found = read_pair_scores(tmp_path / "out", embeddings)
    model = MLCLAP.from_pretrained(reranker)
    for row in (0, 7):
        caption = data.captions[embeddings.captions[row]]
        clips = [data.wav_scp[clip] for clip in embeddings.clips]
        ranked = model.rerank(caption.text, clips, lang=caption.lang, batch_size=2)
        expected = dict(zip(found.t2a.items[row].tolist(), found.t2a.scores[row].tolist()))
        assert {one.index: pytest.approx(one.score, abs=1e-5) for one in ranked} == expected
        assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
        best = model.rerank(caption.text, clips, 2, lang=caption.lang)
        expected = [one.score for one in ranked[:2]]
        assert [one.score for one in best] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UserError, match="two towers and scores no pairs"):
        MLCLAP.from_pretrained(experiment).rerank("A dog", [])


def test_rerank_takes_clips_as_encode_audio_does(reranker, tones, monkeypatch):
    """One path, a long clip among short ones, a clip of which the model makes NaN."""
    model = MLCLAP.from_pretrained(reranker)
    short = [str(path) for path in sorted((tones / "audio").glob("valid*"))[:3]]
    expected = {
        one.index: pytest.approx(one.score, abs=1e-5) for one in model.rerank("A dog", short)
    }
    (alone,) = model.rerank("A dog", short[1])
    assert alone.score == expected[1]
    shapes, tokens_of = [], model.model.audio_tokens

    def noted(audio, lengths):
        shapes.append(tuple(audio.shape))
        return tokens_of(audio, lengths)

    monkeypatch.setattr(model.model, "audio_tokens", noted)
    monkeypatch.setattr("espnet_mlclap.models.padding.MOST_PADDED", 100000)
    noise = 0.1 * np.random.default_rng(1).standard_normal(160000).astype(np.float32)
    clips = [short[0], {"array": noise, "sampling_rate": 16000}, *short[1:]]
    found = {one.index: one.score for one in model.rerank("A dog", clips)}
    assert [shape[0] for shape in shapes] == [1, 3]
    assert {0: found[0], 1: found[2], 2: found[3]} == expected
    score_pairs = model.model.score_pairs

    def diverged(*pairs):
        return torch.where(torch.arange(len(pairs[2])) == 0, torch.nan, score_pairs(*pairs))

    monkeypatch.setattr(model.model, "score_pairs", diverged)
    with pytest.raises(AudioError, match="rerank: a clip in memory: the model makes NaN"):
        model.rerank("A dog", clips)


def test_a_packed_reranker_is_whole(experiment, reranker, tones, tmp_path):
    pack.main(["--experiment_dir", str(reranker), "--out", str(tmp_path / "reranker.zip")])
    packed, folder = (MLCLAP.from_pretrained(p) for p in (tmp_path / "reranker.zip", reranker))
    clips = list(DataDir.read(tones / "valid").wav_scp.values())
    assert packed.rerank("A dog", clips) == folder.rerank("A dog", clips)
    # it embeds as the two-tower model that it was made from
    towers = MLCLAP.from_pretrained(experiment)
    assert np.array_equal(packed.encode_text("A dog"), towers.encode_text("A dog"))


def test_towers_may_be_trained_along(experiment, run_training, training_options, tmp_path):
    options = ["--model_conf", "freeze_towers=false", "--objective_conf", "towers_weight=1.0"]
    options += ["--objective_conf", "hard_negatives=2"]
    start = ["--init_param", str(experiment / BEST)]
    folder = run_training(training_options, tmp_path / "exp", 1, *PAIRS, *options, *start)
    before, after = (torch.load(f / BEST, weights_only=True) for f in (experiment, folder))
    key = "audio_projection.0.weight"
    assert not torch.equal(before[key], after[key])


@pytest.mark.usefixtures("data_home")
def test_the_search_command_takes_a_reranker(experiment, reranker, tones, capsys):
    from espnet_mlclap.bin import search

    options = [
        "--model_dir",
        str(experiment),
        "--audio_dir",
        str(tones / "audio"),
        "--format",
        "json",
    ]
    options += ["--top", "3", "--reranker", str(reranker), "--rerank_top", "8"]
    search.main(["A dog barks", *options])
    found = json.loads(capsys.readouterr().out)[0]["hits"]
    assert len(found) == 3
    model = MLCLAP.from_pretrained(reranker)
    expected = model.rerank("A dog barks", [hit["path"] for hit in found])
    assert [one.index for one in expected] == [0, 1, 2]
    assert [hit["similarity"] for hit in found] == pytest.approx(
        [one.score for one in expected], abs=1e-4
    )
    with pytest.raises(SystemExit):
        search.main(["A dog", "--minus", "rain", *options])
    assert "--reranker takes words alone" in capsys.readouterr().err


def test_frozen_towers_encode_once(experiment, reranker, run_training, training_options, tmp_path):
    """Tokens from the store train what the towers' tokens train, but for float16; nothing is done twice."""
    store = tmp_path / "tokens"
    options = [*PAIRS, "--init_param", str(experiment / BEST), "--token_store", str(store)]
    folder = run_training(training_options, tmp_path / "exp", 2, *options)
    kept = sorted(path.name for path in store.glob("*.sqlite"))
    assert len(kept) == 2
    losses = [
        [
            json.loads(line)["train"]["loss"]
            for line in (f / "history.jsonl").read_text().splitlines()
        ]
        for f in (folder, reranker)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    model = MLCLAP.from_pretrained(folder)  # works without the store
    assert len(model.rerank("A dog", [np.zeros(8000, np.float32)], sampling_rate=16000)) == 1
    # another training with the same towers finds everything; other towers have stores of their own
    changed = [path.stat().st_size for path in sorted(store.glob("*.sqlite"))]
    run_training(training_options, tmp_path / "again", 1, *options, "--seed", "4")
    assert [path.stat().st_size for path in sorted(store.glob("*.sqlite"))] == changed
    run_training(
        training_options, tmp_path / "amp", 1, *options, "--model_conf", "amp_dtype=bfloat16"
    )
    assert len(list(store.glob("*.sqlite"))) == 4
    towers = ["--model_conf", "freeze_towers=false", "--objective_conf", "towers_weight=1.0"]
    with pytest.raises(UserError, match="keeps tokens of frozen towers"):
        run_training(training_options, tmp_path / "exp2", 1, *options, *towers)


def test_a_reranker_that_has_diverged_is_not_the_best(reranker, tones):
    model = MLCLAP.from_pretrained(reranker).model
    with torch.no_grad():
        model.co_attention.audio_input[1].weight.fill_(torch.nan)
    with pytest.raises(UserError, match="The reranker has diverged"):
        RerankedValidationSet(tones / "valid", top=3)(model, "cpu")


def test_what_is_wrong_with_validation_is_said_before_the_towers_encode(
    experiment, run_training, training_options, tmp_path
):
    options = [*PAIRS, "--init_param", str(experiment / BEST)]
    store = ["--token_store", str(tmp_path / "tokens")]
    for option, value, said in (
        ("valid_langs", "eng_Latn zul_Latn", "no captions in 'zul_Latn'"),
        ("valid_rerank_top", "-5", "valid_rerank_top: -5"),
    ):
        with pytest.raises(UserError, match=said):
            run_training(
                training_options, tmp_path / "exp", 1, *options, *store, f"--{option}", value
            )
    assert not (tmp_path / "tokens").exists()


def test_languages_are_given_as_words_or_as_a_list():
    assert codes("eng_Latn  fra_Latn", "valid_langs") == ["eng_Latn", "fra_Latn"]
    assert codes(["eng_Latn"], "valid_langs") == ["eng_Latn"]
    assert codes("", "valid_langs") is None
    with pytest.raises(UserError, match="valid_langs: {'eng_Latn': 1} are no languages"):
        codes({"eng_Latn": 1}, "valid_langs")


def test_the_command_trusts_a_packed_reranker_only_when_told(
    experiment, reranker, tones, tmp_path, monkeypatch, capsys
):
    own = "from espnet_mlclap.models.reranker.co_attention import IteratingCoAttention as Own\n"
    (tmp_path / "own_attention.py").write_text(own)
    monkeypatch.syspath_prepend(tmp_path)
    shutil.copytree(reranker, tmp_path / "exp", symlinks=True)
    config = tmp_path / "exp/config.yaml"
    config.write_text(
        config.read_text().replace("co_attention: iterating", "co_attention: own_attention:Own")
    )
    packed = str(tmp_path / "own.zip")
    pack.main(["--experiment_dir", str(tmp_path / "exp"), "--out", packed])
    data = ["--data_dir", str(tones / "valid")]
    embed.main(["--model_dir", str(experiment), *data, "--out_dir", str(tmp_path / "valid")])
    options = [*data, "--embedding_dir", str(tmp_path / "valid"), "--top", "2"]
    options += ["--out_dir", str(tmp_path / "out"), "--model_dir", packed]
    with pytest.raises(SystemExit):
        rerank.main(options)
    assert "own_attention:Own, a class from outside this package" in capsys.readouterr().err
    rerank.main([*options, "--custom_classes", "true"])
    assert (tmp_path / "out/pair_scores.npz").is_file()


@pytest.mark.parametrize("top", ["fifty", "0", "-3", "", "²"])
def test_a_wrong_top_is_said_in_a_sentence(top, capsys):
    with pytest.raises(SystemExit):
        rerank.get_parser().parse_args([f"--top={top}"])
    wrong = f"--top: must be all or a whole number from 1 up, not {top!r}"
    assert wrong in capsys.readouterr().err
