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
    assert "continues from exp/mlclap_t/checkpoint.pth" in output
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


def test_shards_train_as_well_read_from_front_to_back_by_two_ranks(whole):
    whole.finish(
        *("--audio_format", "shards", "--clips_per_shard", "12", "--mlclap_tag", "shards"),
        *("--mlclap_args", "--max_epoch 2 --batch_size 16 --reading_buffer 32 --num_workers 1"),
        *("--cpu_ranks", "2", "--stage", "3", "--stop_stage", "6"),
    )
    shards = whole.folder / "dump/shards/train_clotho/shards"
    assert len(list(shards.glob("*.tar"))) > 2
    first, last = losses(whole, "shards")
    assert last < first
    config = (whole.folder / "exp/mlclap_shards/config.yaml").read_text()
    assert "reading: sequential" in config


def test_two_ranks_train_as_well(whole):
    options = ["--cpu_ranks", "2", "--mlclap_tag", "ranks", "--stage", "5", "--stop_stage", "5"]
    whole.finish(*options)
    assert ":0/2]" in (whole.folder / "exp/mlclap_ranks/train.log").read_text()
    first, last = losses(whole, "ranks")
    assert last < first


def scored(recipe, *options):
    """RESULTS.md in one line and the scores of stage 7."""
    recipe.finish("--stage", "7", *options)
    folder = recipe.folder / "exp/mlclap_t/valid.mAP@10.best"
    text = (folder / "RESULTS.md").read_text()
    return " ".join(text.split()), recipe.scores()["test"]  # tables without their padding


def test_lists_of_relevant_clips_and_a_baseline_in_the_results(whole):
    """Every caption has two relevant clips, its own and another; a baseline that is the model itself."""
    before = whole.scores()["test"]["eng_Latn"]
    data = whole.folder / "data/test"
    owner = dict(line.split() for line in (data / "utt2clip").read_text().splitlines())
    clips = sorted(set(owner.values()))
    lists = [
        f"{caption} {clips[(clips.index(clip) + 1) % len(clips)]}\n"
        for caption, clip in sorted(owner.items())
        if "-eng_Latn-" in caption
    ]
    (whole.folder / "lists").write_text("".join(lists))
    options = ["--relevant_clips", "test=lists", "--own_clip_is_relevant", "true"]
    text, scores = scored(whole, *options, "--baseline", "exp/mlclap_t")
    lists = scores["eng_Latn"]["multiple_positives"]
    assert (lists["captions"], lists["clips_a_caption"]) == (40, 2.0)
    assert f"| eng_Latn | 40 | 2.0 | {lists['t2a']['R@1']:.1f} [" in text
    assert scores["eng_Latn"]["difference"]["t2a"]["mAP@10"] == [0.0, 0.0, 0.0]
    assert "| Difference to mlclap_t | T2A R@1 |" in text
    text, scores = scored(whole)
    assert scores["eng_Latn"] == before
    assert "Difference to" not in text


def test_a_packed_model_is_tested_without_training(whole, copy_recipe, tmp_path):
    whole.finish("--stage", "8", "--stop_stage", "8")
    packed = whole.folder / "exp/mlclap_t/mlclap_t.zip"
    recipe = copy_recipe(tmp_path, "mini", OPTIONS)
    output = recipe.finish("--download_model", str(packed))
    for stage in (4, 5):
        assert f"Stage {stage} is left out: --download_model" in output
    assert recipe.scores() == whole.scores()
    assert not (recipe.folder / "dump/flac/train_clotho").exists()


def test_a_reranker_is_trained_by_two_ranks_and_scored_beside_the_towers(whole):
    output = whole.finish(
        *("--mlclap_tag", "pairs", "--mlclap_config", "conf/tuning/co_attention_single.yaml"),
        *("--init_param", "exp/mlclap_t/valid.mAP@10.best.pth", "--cpu_ranks", "2"),
        *("--reranker", "own", "--rerank_top", "3 all", "--stage", "5"),
    )
    assert output.count("pairs per second") == 2
    assert "Text to audio, reranked" in output
    first, last = losses(whole, "pairs")
    assert last < first
    scores, towers = whole.scores("pairs")["test"], whole.scores()["test"]
    assert scores["mean"] == towers["mean"]  # the towers are those that it started from
    assert set(scores["fra_Latn"]["reranked"]) == {"pairs, top 3", "pairs, full matrix"}
    difference = scores["fra_Latn"]["reranked"]["pairs, top 3"]["difference"]["t2a"]["R@1"]
    assert difference[1] <= difference[0] <= difference[2]
