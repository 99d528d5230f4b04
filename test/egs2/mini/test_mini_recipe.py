"""The mini recipe on a very small corpus: from nothing to scores, and the same scores after kills."""

import json

import pytest

OPTIONS = [
    *("--local_data_opts", "--scale 0.06"),
    *("--train_sets", "train_clotho", "--langs", "eng_Latn fra_Latn zho_Hans"),
    *("--mlclap_args", "--max_epoch 2 --batch_size 16 --num_workers 0"),
    *("--mlclap_tag", "t"),
]


@pytest.fixture(scope="module")
def whole(copy_recipe, tmp_path_factory):
    recipe = copy_recipe(tmp_path_factory.mktemp("whole"), "mini", OPTIONS)
    recipe.output = recipe.finish()
    return recipe


def test_from_nothing_to_scores(whole):
    for stage in range(1, 8):
        assert f"Stage {stage} ended" in whole.output
    scores = whole.scores()["test"]
    assert set(scores) >= {"eng_Latn", "fra_Latn", "zho_Hans"}
    assert scores["eng_Latn"]["clips"] == 8
    for direction in ("t2a", "a2t"):
        assert set(scores["eng_Latn"][direction]) >= {"R@1", "R@10", "mAP@10", "medR", "meanR"}
    results = (whole.folder / "exp/mlclap_t/valid.mAP@10.best/RESULTS.md").read_text()
    assert "synthetic" in results
    assert not list(whole.folder.rglob("*.tmp"))


def test_killed_in_stages_2_3_and_5_it_ends_with_the_same_scores(whole, copy_recipe, tmp_path):
    recipe = copy_recipe(tmp_path, "mini", OPTIONS)
    recipe.kill_once("data/*_le.journal")
    recipe.kill_once("dump/flac/train_clotho/blocks/*")
    recipe.kill_once("exp/mlclap_t/1epoch.pth")
    output = recipe.finish()
    assert "done already" in output
    assert "goes on from exp/mlclap_t/checkpoint.pth" in output
    assert recipe.scores() == whole.scores()


def test_what_is_done_is_not_done_again_and_packs(whole):
    output = whole.finish("--stop_stage", "8")
    assert output.count("done already") == 8
    assert (whole.folder / "exp/mlclap_t/mlclap_t.zip").stat().st_size > 100_000


def losses(recipe, tag):
    lines = (recipe.folder / f"exp/mlclap_{tag}/history.jsonl").read_text().splitlines()
    return [json.loads(line)["train"]["loss"] for line in lines]


def test_features_made_beforehand_train_as_well(whole):
    whole.finish(
        *("--audio_format", "log_mel.ark", "--mlclap_tag", "mel"),
        *("--stage", "3", "--stop_stage", "5"),
    )
    first, last = losses(whole, "mel")
    assert last < first


def test_two_ranks_train_as_well(whole):
    options = ["--cpu_ranks", "2", "--mlclap_tag", "ranks", "--stage", "5", "--stop_stage", "5"]
    whole.finish(*options)
    assert ":0/2]" in (whole.folder / "exp/mlclap_ranks/train.log").read_text()
    first, last = losses(whole, "ranks")
    assert last < first
