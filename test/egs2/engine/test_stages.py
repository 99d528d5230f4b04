"""Which stages run, which are skipped, and what is made again."""

import json
import time


def test_the_whole_job_then_nothing_but_scoring_the_second_time(recipe):
    first = recipe.run()
    assert first.returncode == 0, first.stderr
    assert first.names == (
        ["translate"] * 2 + ["format_audio"] * 4 + ["check_data", "train", "embed"]
    ) + ["score", "report"]
    for stage in range(1, 8):
        assert f"Stage {stage}: " in first.stdout
    assert "a table" in first.stdout
    assert "# Results" in first.stdout
    second = recipe.run()
    assert second.names == ["score", "report"]
    assert second.stdout.count("done already") == 10


def test_a_failure_stops_the_job_shows_the_cause_and_is_tried_again(recipe):
    failed = recipe.run(FAIL="train")
    assert failed.returncode == 1
    assert "the cause of it" in failed.stderr
    assert failed.names[-1] == "train"
    assert recipe.run().names == ["train", "embed", "score", "report"]


def test_what_changed_is_made_again_with_all_that_follows_from_it(recipe):
    recipe.run()
    (recipe.folder / "conf/train.yaml").write_text("max_epoch: 2\n")
    assert recipe.run().names == ["train", "embed", "score", "report"]
    (recipe.folder / "local/data.sh").write_text(recipe.data.replace("echo x", "echo y"))
    again = recipe.run().names
    assert again.count("translate") == 2
    assert again.count("format_audio") == 4


def test_a_training_with_other_options_starts_anew_and_a_killed_one_goes_on(recipe):
    recipe.run()
    checkpoint = recipe.folder / "exp/mlclap_t/checkpoint.pth"
    checkpoint.write_text("of the first training")
    recipe.run()
    assert checkpoint.read_text()  # nothing has changed
    recipe.run("--mlclap_args", "--max_epoch 3", FAIL="train")
    assert not checkpoint.exists()
    checkpoint.write_text("of the second training, killed")
    recipe.run("--mlclap_args", "--max_epoch 3")
    assert checkpoint.read_text() == "of the second training, killed"


def test_a_training_that_was_killed_does_not_go_on_with_other_options(recipe):
    recipe.run(FAIL="train")
    experiment = recipe.folder / "exp/mlclap_t"
    left = ["checkpoint.pth", "1epoch.pth", "valid.mAP@10.best/scores.json"]
    for name in left:
        (experiment / name).parent.mkdir(exist_ok=True)
        (experiment / name).touch()
    recipe.run("--le_ratio", "0.5", FAIL="train")
    assert not [name for name in left if (experiment / name).exists()]
    aside = sorted(path.name for path in (experiment / "outdated").iterdir())
    assert aside == ["1epoch.pth", "checkpoint.pth", "valid.mAP@10.best"]
    assert (experiment / "outdated/valid.mAP@10.best/scores.json").exists()
    (experiment / "checkpoint.pth").touch()
    recipe.run("--le_ratio", "0.5", FAIL="train")
    assert (experiment / "checkpoint.pth").exists()
    again = recipe.run("--le_ratio", "0.6")
    assert again.returncode == 0, again.stderr
    assert [path.name for path in (experiment / "outdated_2").iterdir()] == ["checkpoint.pth"]
    assert (experiment / "outdated/1epoch.pth").exists()


def test_what_was_inferred_with_other_weights_is_put_aside(recipe):
    both = ["--", "--test_sets", "test a"]
    first = recipe.run(*both)
    assert "--sets test a --source_lang" in " ".join(first.call("score"))
    other = ["--inference_tag", "other"]
    experiment = recipe.folder / "exp/mlclap_t"
    recipe.run(*both, *other, "--stage", "6", RESULTS=str(experiment / "other/RESULTS.md"))
    best = experiment / "valid.mAP@10.best.pth"
    best.rename(experiment / "1epoch.pth")
    best.symlink_to("1epoch.pth")
    (recipe.folder / "conf/train.yaml").write_text("max_epoch: 2\n")
    second = recipe.run()
    assert second.names == ["check_data", "train", "embed", "score", "report"]
    assert "--sets test --source_lang" in " ".join(second.call("score"))
    assert not (experiment / "valid.mAP@10.best/a").exists()
    for tag in ("valid.mAP@10.best", "other"):
        assert (experiment / "outdated" / tag / "a/made_by").exists()
    assert (experiment / "outdated/valid.mAP@10.best.pth").exists()
    assert not best.is_symlink(), "a link to what was moved"


def test_only_what_the_present_checkpoint_has_embedded_is_scored(recipe):
    recipe.run()
    alone = ["--stage", "7"]
    assert recipe.run(*alone).names == ["score", "report"]
    missing = recipe.run(*alone, "--", "--test_sets", "test a")
    assert missing.returncode == 1
    assert missing.calls == []
    assert "valid.mAP@10.best/a is missing, or was made with other" in missing.stderr
    assert "Run stage 6 first" in missing.stderr
    (recipe.folder / "exp/mlclap_t/valid.mAP@10.best.pth").write_text("another epoch")
    assert recipe.run(*alone).calls == []
    assert recipe.run("--stage", "6").names == ["embed", "score", "report"]


def test_which_captions_say_the_same_counts(recipe):
    options = ["--paraphraser", "chat", "--test_translator", "sonar"]
    recipe.run(*options)
    for folder in ("a_le", "b_paraphrased", "test_le"):
        (recipe.folder / f"data/{folder}/utt2source").write_text("x y\n")
        again = recipe.run(*options)
        assert again.returncode == 0, again.stderr
        assert ("format_audio" if folder == "test_le" else "train") in again.names, folder
        assert recipe.run(*options).names == ["score", "report"]


def test_numbers_of_processes_and_devices_change_nothing(recipe):
    recipe.run()
    for options in (["--ngpu", "1"], ["--ngpu", "2"], ["--cpu_ranks", "2"], ["--nj", "3"]):
        assert recipe.run(*options).names == ["score", "report"], options


def test_what_a_configuration_is_based_on_and_where_training_starts_count(recipe):
    (recipe.folder / "conf/tuned.yaml").write_text(
        "base: 'train.yaml'  # with a note\ntext_encoder_conf:\n    model: conf/small_bert\n"
    )
    (recipe.folder / "conf/small_bert").mkdir()
    (recipe.folder / "start.pth").write_text("weights")
    options = ["--mlclap_config", "conf/tuned.yaml", "--init_param", "start.pth"]
    first = recipe.run(*options)
    train = next(call for call in first.calls if call[0] == "train")
    assert train.values("--init_param") == ["start.pth"]
    assert "train" not in recipe.run(*options).names
    (recipe.folder / "conf/train.yaml").write_text("max_epoch: 1\nseed: 5\n")
    assert "train" in recipe.run(*options).names
    (recipe.folder / "conf/small_bert/config.json").write_text("{}")
    assert "train" in recipe.run(*options).names
    (recipe.folder / "start.pth").write_text("other weights")
    assert "train" in recipe.run(*options).names
    (recipe.folder / "conf/unused").mkdir()  # nobody names it
    assert "train" not in recipe.run(*options).names
    result = recipe.run("--init_param", "nowhere.pth")
    assert result.returncode == 2
    assert "--init_param nowhere.pth: no such file" in result.stderr


def test_the_stages_asked_for_and_no_others(recipe):
    assert recipe.run("--stop_stage", "1").calls == []
    assert recipe.run("--stage", "3", "--stop_stage", "3").names == ["format_audio"] * 4


def test_upload_without_a_name_only_explains(recipe):
    recipe.run()
    result = recipe.run("--stage", "8", "--stop_stage", "9")
    assert result.returncode == 0
    assert result.names == ["pack"]
    assert "--hf_repo" in result.stdout


def test_data_of_another_corpus_is_not_used(recipe):
    for name in ("A", "B"):
        (recipe.folder / name).mkdir()
        assert recipe.run("--corpus", name, "--stop_stage", "1").returncode == 0
    result = recipe.run("--corpus", "A", "--stage", "6")
    assert result.returncode == 2
    assert "data/ holds the corpus 'B', not 'A'. Run from --stage 1 on" in result.stderr
    (recipe.folder / "local/data.sh").write_text("exit 1\n")
    assert recipe.run("--corpus", "A", "--stop_stage", "1").returncode == 1
    assert recipe.run("--corpus", "B", "--stage", "2").returncode == 2, "who knows what it holds"


def test_data_is_prepared_each_time_where_it_may_grow(recipe):
    prepared = "echo x >>prepared\n"
    (recipe.folder / "local/data.sh").write_text(recipe.data + prepared)
    for _ in range(2):
        recipe.run("--always_prepare", "true", "--stop_stage", "1")
    recipe.run("--stop_stage", "1")
    assert (recipe.folder / "prepared").read_text() == "x\nx\n"
    assert recipe.run("--always_prepare", "true").names[0] == "translate"
    assert recipe.run("--always_prepare", "true").names == ["score", "report"]


def test_local_data_that_makes_no_set_is_an_error(recipe):
    (recipe.folder / "local/data.sh").write_text("mkdir -p data/a data/b data/valid\n")
    result = recipe.run()
    assert result.returncode == 1
    assert "local/data.sh made no data/test" in result.stderr


def test_the_plan_is_printed_and_nothing_is_made(recipe):
    options = ["--ngpu", "2", "--langs", 'eng_Latn "x" fra_Latn', "--init_param", "not/there.pth"]
    result = recipe.run(*options, "--print_plan", "json")
    plan = json.loads(result.stdout)
    assert plan["experiment"] == "exp/mlclap_t"
    assert plan["inference"] == "exp/mlclap_t/valid.mAP@10.best"
    assert plan["le_langs"] == '"x" fra_Latn'
    assert (plan["ngpu"], plan["test_sets"]) == ("2", "test")
    assert result.calls == []
    assert sorted(path.name for path in recipe.folder.iterdir() if path.is_dir()) == [
        "conf", "local", "scripts",
    ]  # fmt: skip
    one = recipe.run(*options, "--print_plan", "inference")
    assert one.stdout == "exp/mlclap_t/valid.mAP@10.best\n"
    wrong = recipe.run("--print_plan", "inferense")
    assert wrong.returncode == 2
    assert "give json, or one of experiment inference" in wrong.stderr


def test_a_second_corpus_waits_until_the_first_is_scored(recipe, tmp_path):
    (recipe.folder / "local/data.sh").write_text(recipe.data.replace("echo x", "echo $*"))
    go = tmp_path / "go"
    first = recipe.start("--corpus", str(tmp_path / "C"), "--mlclap_tag", "t", WAIT_FOR=str(go))
    while not go.with_suffix(".begun").exists() and first.poll() is None:
        time.sleep(0.05)
    again = recipe.start(
        "--corpus", str(tmp_path / "C"), "--mlclap_tag", "u"
    )  # reads the same data only
    assert again.wait() == 0, again.stderr.read()
    other = recipe.start(
        "--corpus", str(tmp_path / "C"), "--mlclap_tag", "w", "--le_ratio", "0"
    )  # other statistics of the same data
    assert other.wait() == 0, other.stderr.read()
    second = recipe.start("--corpus", str(tmp_path / "D"), "--mlclap_tag", "v", "--stop_stage", "4")
    lines = iter(second.stdout.readline, "")
    assert any("another run of this recipe uses the data here; waiting" in line for line in lines)
    assert (recipe.folder / "data/.corpus").read_text() == f"{tmp_path / 'C'}\n"
    go.touch()
    assert first.wait() == 0, first.stderr.read()
    assert second.wait() == 0, second.stderr.read()
    assert (recipe.folder / "data/.corpus").read_text() == f"{tmp_path / 'D'}\n"
    calls = [line.split()[0] for line in recipe.calls_file.read_text().splitlines()]
    assert "report" in calls[:-1]
    assert calls[-1] == "check_data"
    late = recipe.run("--corpus", str(tmp_path / "C"), "--stage", "5")
    assert late.returncode == 2
    assert "holds the corpus" in late.stderr


def test_stages_may_be_written_with_a_zero(recipe):
    result = recipe.run("--stage", "08", "--stop_stage", "08")
    assert "octal" not in result.stderr
    assert "base" not in result.stderr
    assert "Stage 8: " in result.stdout


def test_a_configuration_that_is_based_on_itself_ends(recipe):
    (recipe.folder / "conf/train.yaml").write_text("base: train.yaml\n")
    result = recipe.run()
    assert result.returncode != 0
    assert "based on this very file" in result.stderr
