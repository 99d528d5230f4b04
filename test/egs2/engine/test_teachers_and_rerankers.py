"""Teachers, paraphrases and rerankers: what is made before and after a training."""


def test_teachers_embed_each_training_set_before_the_student_learns(recipe):
    for name in ("exp/first/config.yaml", "exp/second/latest.pth", "packed.zip"):
        (recipe.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe.folder / name).write_text("")
    options = ["--teachers", "exp/first exp/second/latest.pth packed.zip"]
    result = recipe.run(*options, "--ngpu", "1")
    assert result.returncode == 0, result.stderr
    calls = [call for call in result.calls if call[0] == "embed_training_set"]
    folders = ["exp/first/valid.mAP@10.best.teacher", "exp/second/latest.teacher", "packed.teacher"]
    expected = [f"{folder}/{name}" for folder in folders for name in ("a", "b")]
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
    (recipe.folder / "exp/second/latest.teacher/a/clips").mkdir()
    (recipe.folder / "exp/second/latest.teacher/a/clips/identity").write_text("of other weights")
    assert "train" in recipe.run(*options).names


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
    (reranker / "valid.mAP@10.best.pth").write_text("y")
    assert recipe.run(*options).names == ["rerank", "rerank", "score", "report"]
    assert "no such folder or file" in recipe.run("--reranker", "exp/nowhere").stderr
    own = recipe.run("--reranker", "own")
    assert own.call("rerank").values("--model_dir") == ["exp/mlclap_t"]
