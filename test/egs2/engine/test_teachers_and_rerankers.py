"""Teachers, paraphrases and rerankers: what is made before and after a training."""

import pytest


def test_teachers_embed_each_training_set_before_the_student_learns(recipe):
    for name in ("exp/first/config.yaml", "exp/second/latest.pth", "packed.zip"):
        (recipe.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe.folder / name).write_text("")
    options = ["--teachers", "exp/first exp/second/latest.pth packed.zip"]
    result = recipe.run(*options, "--ngpu", "1")
    assert result.returncode == 0, result.stderr
    calls = [call for call in result.calls if call[0] == "embed_training_set"]
    folders = ["exp/first/valid.mAP@10.best.teacher", "exp/second/latest.teacher", "packed.teacher"]
    expected = [f"{folder}/flac/{name}" for folder in folders for name in ("a", "b")]
    assert [call.values("--out_dir")[0] for call in calls] == expected
    assert calls[3].values("--teacher") == ["exp/second/latest.pth"]
    assert calls[3].values("--data_dir") == ["dump/flac/b"]
    assert calls[3].values("--le_data_dir") == ["data/b_le"]
    assert calls[3].values("--device") == ["cuda"]
    train = result.call("train")
    at = [index for index, word in enumerate(train) if word == "--teacher_embeddings"]
    assert [train[index + 1 : index + 3] for index in at] == [
        expected[:2],
        expected[2:4],
        expected[4:],
    ]
    assert train.values("--loss") == ["correspondences"]
    assert recipe.run(*options).names == ["embed_training_set"] * 6 + ["score", "report"]
    for table in ("clips", "translations"):
        (recipe.folder / "exp/second/latest.teacher/flac/a" / table).mkdir()
        (recipe.folder / "exp/second/latest.teacher/flac/a" / table / "identity").write_text(
            "other"
        )
        assert "train" in recipe.run(*options).names
    (recipe.folder / "exp/second/latest.teacher/flac/a/paraphrases").mkdir()
    (recipe.folder / "exp/second/latest.teacher/flac/a/paraphrases/identity").write_text("unused")
    assert "train" not in recipe.run(*options).names


def test_vectors_of_clips_in_other_formats_are_kept_apart(recipe):
    (recipe.folder / "teacher.zip").write_text("")
    result = recipe.run("--teachers", "teacher.zip", "--audio_format", "log_mel.ark")
    folder = "teacher.teacher/log_mel.ark/a"
    assert result.call("embed_training_set").values("--out_dir") == [folder]


def test_teachers_know_the_paraphrases_and_may_be_trusted(recipe):
    (recipe.folder / "teacher").write_text("")
    (recipe.folder / "models").mkdir()
    (recipe.folder / "models/teacher").write_text("")
    options = ["--paraphraser", "chat", "--custom_classes", "true"]
    result = recipe.run("--teachers", "../mlclap1/models/teacher", *options)
    assert result.returncode == 0, result.stderr
    embed = result.call("embed_training_set")
    assert embed.values("--le_data_dir") == ["data/a_le"]
    assert embed.values("--paraphrase_data_dir") == ["data/a_paraphrased"]
    assert embed.values("--custom_classes") == ["true"]
    assert embed.values("--out_dir") == ["../mlclap1/models/teacher.teacher/flac/a"]
    without = recipe.run("--teachers", "teacher").call("embed_training_set")
    assert without.values("--paraphrase_data_dir") == []
    assert without.values("--custom_classes") == ["false"]


def test_a_configuration_may_say_itself_how_it_learns_from_teachers(recipe):
    (recipe.folder / "teacher.zip").write_text("")
    (recipe.folder / "conf/train.yaml").write_text("loss: my_parts.loss:Mine\n")
    result = recipe.run("--teachers", "teacher.zip", "--le_ratio", "0")
    assert result.call("train").values("--loss") == []
    assert result.call("embed_training_set").values("--le_data_dir") == []
    tag = recipe.run(
        "--teachers", "a/mlclap_x/ y.zip", "--mlclap_tag", "", "--print_plan", "experiment"
    )
    assert tag.stdout == "exp/mlclap_train_le0.1_taught_by_x_y_seed1\n"
    checkpoints = "exp/mlclap_a/latest.pth exp/b/latest.pth ../z.zip"
    tag = recipe.run("--teachers", checkpoints, "--mlclap_tag", "", "--print_plan", "experiment")
    assert tag.stdout == "exp/mlclap_train_le0.1_taught_by_a_latest_b_latest_z_seed1\n"
    result = recipe.run("--teachers", "nowhere")
    assert result.returncode == 2
    assert "--teachers nowhere: no such experiment or packed file" in result.stderr


def test_paraphrases_are_made_once_and_trained_with(recipe):
    options = ["--paraphraser", "chat", "--paraphrase_ratio", "0.3", "--le_ratio", "0"]
    result = recipe.run(*options)
    assert result.returncode == 0, result.stderr
    first, second = (call for call in result.calls if call[0] == "translate")
    assert first.values("--out_dir") == ["data/a_paraphrased"]
    assert second.values("--data_dir") == ["data/b"]
    assert first.values("--rewrite") == ["true"]
    assert first.values("--translator") == ["chat"]
    train = result.call("train")
    assert train.values("--paraphrase_ratio") == ["0.3"]
    assert train.values("--paraphrase_data_dir") == ["data/a_paraphrased", "data/b_paraphrased"]
    assert recipe.run(*options).names == ["score", "report"]
    tag = recipe.run(*options, "--mlclap_tag", "", "--print_plan", "experiment").stdout
    assert tag == "exp/mlclap_train_no_le_paraphrases0.3_seed1\n"


def test_a_reranker_scores_each_test_set_and_is_scored_beside_the_towers(recipe):
    reranker = recipe.folder / "exp/mlclap_pairs"
    reranker.mkdir(parents=True)
    for name in ("config.yaml", "valid.mAP@10.best.pth"):
        (reranker / name).write_text("x")
    options = ["--reranker", "exp/mlclap_pairs", "--rerank_top", "50 all"]
    result = recipe.run(*options)
    assert result.returncode == 0, result.stderr
    first, second = (call for call in result.calls if call[0] == "rerank")
    inference = "exp/mlclap_t/valid.mAP@10.best"
    assert first.values("--model_dir") == ["exp/mlclap_pairs"]
    assert first.values("--embedding_dir") == [f"{inference}/test"]
    assert first.values("--out_dir") == [f"{inference}/reranked/pairs_50/test"]
    assert first.values("--data_dir") == ["dump/flac/test"]
    assert (first.values("--top"), second.values("--top")) == (["50"], ["all"])
    score = " ".join(next(call for call in result.calls if call[0] == "score"))
    folders = " ".join(f"{inference}/reranked/pairs_{top}" for top in ("50", "all"))
    assert score.endswith(f"--reranked {folders}")
    assert recipe.run(*options).names == ["score", "report"]
    (recipe.folder / inference / "test/zero_shot.json").write_text("written by stage 7")
    assert recipe.run(*options).names == ["score", "report"]
    (recipe.folder / inference / "test/text_embeddings.npy").write_text("others")
    assert recipe.run(*options).names == ["rerank", "rerank", "score", "report"]
    (reranker / "valid.mAP@10.best.pth").write_text("y")
    stale = recipe.run(*options, "--stage", "7")
    assert "reranked/pairs_50/test is missing, or was made with other" in stale.stderr
    assert stale.calls == []
    assert recipe.run(*options).names == ["rerank", "rerank", "score", "report"]
    assert "no such folder or file" in recipe.run("--reranker", "exp/nowhere").stderr
    own = recipe.run("--reranker", "own")
    assert own.call("rerank").values("--model_dir") == ["exp/mlclap_t"]
    assert own.call("rerank").values("--custom_classes") == []
    (recipe.folder / "pairs.zip").write_text("")
    trusted = recipe.run("--reranker", "pairs.zip", "--custom_classes", "true")
    assert trusted.call("rerank").values("--custom_classes") == ["true"]


@pytest.mark.parametrize("top", ["fifty", "0", "", " ", "50 -1", "1.5", "allof"])
def test_what_is_reranked_is_checked_before_anything_runs(recipe, top):
    result = recipe.run("--rerank_top", top)
    assert result.returncode == 2
    assert f"--rerank_top '{top}': must be all or a whole number from 1 up" in result.stderr
    assert result.calls == []
