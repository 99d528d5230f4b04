"""What the options of a recipe make of the commands."""

import subprocess

import pytest


def test_translations_and_training_get_the_choices(recipe):
    result = recipe.run("--langs", "eng_Latn fra_Latn jpn_Jpan", "--le_ratio", "0.4", "--seed", "7")
    translate, train = result.calls[0], result.calls[-4]
    assert translate.values("--data_dir") == ["data/a"]
    assert translate.values("--out_dir") == ["data/a_le"]
    assert translate.values("--source_lang") == ["eng_Latn"]
    assert "--langs fra_Latn jpn_Jpan --translator sonar" in " ".join(translate)
    assert translate.values("--encoder") == ["E"]
    assert train[0] == "train"
    assert train.values("--train_data_dir") == ["dump/flac/a", "dump/flac/b"]
    assert train.values("--le_data_dir") == ["data/a_le", "data/b_le"]
    assert train.values("--le_ratio") == ["0.4"]
    assert train.values("--seed") == ["7"]


def test_what_is_trained_on_is_put_into_tables(recipe):
    paraphrases = ["--paraphraser", "chat", "--paraphrase_ratio", "0.5"]
    result = recipe.run(*paraphrases, "--stop_stage", "3")
    folders = ["dump/flac/a", "data/a_le", "data/a_paraphrased"]
    folders += ["dump/flac/b", "data/b_le", "data/b_paraphrased"]
    assert result.tables == [["make_tables", *folders]]
    alone = recipe.run("--le_ratio", "0", "--stop_stage", "3")
    assert alone.tables == [["make_tables", "dump/flac/a", "dump/flac/b"]]
    assert recipe.run("--skip_train", "true", "--stop_stage", "3").tables == []


@pytest.mark.parametrize("options", [["--le_ratio", "0"], ["--translator", "none"]])
def test_without_language_enhancement_nothing_is_translated(recipe, options):
    result = recipe.run(*options)
    assert "translate" not in result.names
    train = next(call for call in result.calls if call[0] == "train")
    assert train.values("--le_data_dir") == []
    assert train.values("--le_ratio") == ["0"]


def test_each_training_set_has_its_weight(recipe):
    result = recipe.run("--train_weights", "1 0.5", "--stop_stage", "5")
    assert result.returncode == 0, result.stderr
    assert result.calls[-1].values("--train_data_weight") == ["1", "0.5"]
    result = recipe.run("--train_weights", "1 0.5 2")
    assert result.returncode == 2
    assert "one weight for each of 'a b' is needed" in result.stderr


def test_the_name_of_an_experiment_tells_its_options(recipe):
    result = recipe.run("--mlclap_tag", "", "--stop_stage", "1", "--le_langs", "fra_Latn")
    assert result.returncode == 0, result.stderr
    result = recipe.run(
        "--mlclap_tag", "", "--le_langs", "fra_Latn", "--stage", "5", "--stop_stage", "5"
    )
    assert "exp/mlclap_train_le0.1_fra_Latn_seed1" in result.stdout


@pytest.mark.parametrize(
    ("options", "tag"),
    [
        ([], "train_le0.1"),
        (["--", "--train_sets", "a b"], "train_le0.1"),
        (["--", "--train_sets", "a"], "train_le0.1_a"),
        (["--langs", "eng_Latn fra_Latn"], "train_le0.1_eng_Latn_fra_Latn"),
        (["--translator", "chat", "--", "--translator", "sonar"], "train_le0.1_sonar"),
        (["--translator", "none", "--"], "train_no_le"),
        (["--", "--valid_set", "test"], "train_le0.1_test"),
    ],
)
def test_other_choices_than_the_recipes_get_names_of_their_own(recipe, options, tag):
    # no `--`: all options are the user's, also the recipe's
    options = [*recipe.options, *(options if "--" in options else ["--", *options])]
    command = ["bash", "mlclap.sh", *options, "--stage", "9", "--stop_stage", "9"]
    run = subprocess.run(
        command, cwd=recipe.folder, env=recipe.environment, capture_output=True, text=True
    )
    assert f"exp/mlclap_{tag}_seed1/mlclap_{tag}_seed1.zip" in run.stdout, run.stderr


def test_the_name_of_an_experiment_fits_into_a_file_name(recipe):
    langs = " ".join(f"l{number:02d}_Latn" for number in range(40))
    result = recipe.run("--mlclap_tag", "", "--langs", langs, "--stage", "9", "--stop_stage", "9")
    tag = result.stdout.split("mlclap_")[1].split("/")[0]
    assert len(tag) < 160
    assert tag.startswith("train_le0.1_")
    assert tag.endswith("_seed1")


def test_test_sets_are_translated_by_a_translator_of_their_own(recipe):
    result = recipe.run("--test_translator", "chat", "--nj", "5", "--ngpu", "2")
    assert result.returncode == 0, result.stderr
    calls = [call for call in result.calls if call[0] == "translate"]
    assert [call.values("--data_dir") for call in calls] == [["data/a"], ["data/b"], ["data/test"]]
    assert [call.values("--translator") for call in calls] == [["sonar"], ["sonar"], ["chat"]]
    assert ["--test_set" in call for call in calls] == [False, False, True]
    assert [call.values("--nj") for call in calls] == [["2"], ["2"], ["5"]]
    formats = [call for call in result.calls if call[0] == "format_audio"]
    assert [call.values("--more_captions") for call in formats] == [[], [], [], ["data/test_le"]]


@pytest.mark.parametrize("given_for", ["--translator", "--test_translator"])
def test_given_translations_go_to_who_takes_them(recipe, given_for):
    options = ["--test_translator", "sonar", "--given_dir", "given"]
    (recipe.folder / "given").mkdir()
    result = recipe.run(*options, given_for, "file")
    calls = [call for call in result.calls if call[0] == "translate"]
    given = [call.values("--given_dir") for call in calls]
    yes, no = ["given"], []
    assert given == ([yes, yes, no] if given_for == "--translator" else [no, no, yes])
    (recipe.folder / "given/text").write_text("x")
    again = recipe.run(*options, given_for, "file")
    assert again.names.count("translate") == given.count(yes)


def test_the_share_of_translations_is_the_configurations(recipe):
    """Where nothing says it, the package's own; the option before all."""
    from espnet_mlclap.iterators.plan_options import PlanOptions

    def ratio(*options):
        return recipe.run("--print_plan", "le_ratio", *options).stdout.strip()

    assert ratio() == str(PlanOptions.le_ratio)
    (recipe.folder / "conf/based.yaml").write_text("base: train.yaml\n")
    (recipe.folder / "conf/train.yaml").write_text("max_epoch: 1\nle_ratio: 0.25\n")
    based = ["--mlclap_config", "conf/based.yaml"]
    assert ratio(*based) == "0.25"
    assert ratio(*based, "--le_ratio", "0.4") == "0.4"
    assert ratio(*based, "--translator", "none") == "0"
    train = recipe.run(*based).call("train")
    assert train.values("--le_ratio") == ["0.25"]
    tag = recipe.run(*based, "--mlclap_tag", "", "--print_plan", "experiment").stdout.strip()
    assert tag == "exp/mlclap_based_le0.25_seed1"


def test_lists_of_relevant_clips_and_a_baseline_go_to_scoring(recipe):
    plain = recipe.run()
    assert "--relevant_clips" not in plain.call("score")
    assert "--baseline" not in plain.call("score")
    (recipe.folder / "lists").write_text("")
    (recipe.folder / "exp/other").mkdir()
    lists = ["--relevant_clips", "test=lists", "--own_clip_is_relevant", "true"]
    result = recipe.run(*lists, "--baseline", "exp/other")
    assert result.names == ["score", "report"]
    score, report = result.calls
    assert score.values("--relevant_clips") == ["test=lists"]
    assert score.values("--own_clip_is_relevant") == ["true"]
    assert score.values("--baseline") == report.values("--baseline") == ["exp/other"]
    for options, message in (
        (["--relevant_clips", "lists"], "--relevant_clips lists: must read SET=FILE"),
        (["--relevant_clips", "test=nowhere"], "must read SET=FILE with a file"),
        (["--baseline", "nowhere"], "--baseline nowhere: no such folder"),
    ):
        wrong = recipe.run(*options)
        assert wrong.returncode == 2
        assert message in wrong.stderr
        assert wrong.calls == []


def test_lists_of_relevant_clips_may_be_made_by_stage_1(recipe):
    result = recipe.run("--stage", "1", "--stop_stage", "1", "--relevant_clips", "test=data/made")
    assert result.returncode == 0, result.stderr


def test_captions_of_the_classes_from_a_file(recipe):
    recipe.run("--stop_stage", "3")
    for folder in ("a", "test"):
        (recipe.folder / "dump/flac" / folder / "clip2label").write_text("clip dog\n")
    options = ("--stage", "4", "--zero_shot", "true")
    call = recipe.run(*options).call("zero_shot")
    assert call.values("--prompt_data_dir")[0] == "dump/flac/a"
    call = recipe.run(*options, "--zero_shot_prompts", "classes.tsv").call("zero_shot")
    assert call.values("--prompt_file") == ["classes.tsv"]
    assert "--prompt_data_dir" not in call


def test_without_training_only_the_test_sets_are_made(recipe):
    options = ["--skip_train", "true", "--test_translator", "sonar", "--stop_stage", "5"]
    result = recipe.run(*options)
    assert result.returncode == 0, result.stderr
    assert [(call[0], call.values("--data_dir")) for call in result.calls] == [
        ("translate", ["data/test"]),
        ("format_audio", ["data/test"]),
    ]
    for stage in (4, 5):
        assert f"Stage {stage} is left out: --skip_train" in result.stdout
    both = recipe.run(*options, "--zero_shot", "true")
    formatted = [call.values("--data_dir") for call in both.calls if call[0] == "format_audio"]
    assert formatted == [["data/a"], ["data/b"]]  # classes are described by their captions


def test_without_testing_nothing_is_embedded_or_scored(recipe):
    result = recipe.run("--skip_eval", "true")
    assert result.returncode == 0, result.stderr
    assert result.names[-1] == "train"
    assert "Stage 7 is left out: --skip_eval" in result.stdout


def test_a_model_that_was_trained_elsewhere_is_tested(recipe):
    (recipe.folder / "mlclap_theirs.zip").write_text("packed")
    options = ["--mlclap_tag", "", "--download_model"]
    results = {"RESULTS": str(recipe.folder / "exp/mlclap_theirs/valid.mAP@10.best/RESULTS.md")}
    result = recipe.run(*options, "mlclap_theirs.zip", **results)
    assert result.returncode == 0, result.stderr
    assert result.names == ["format_audio", "download_model", "embed", "score", "report"]
    fetch, embed = result.call("download_model"), result.call("embed")
    assert fetch[1] == "mlclap_theirs.zip"
    assert fetch.values("--out_dir") == embed.values("--model_dir") == ["exp/mlclap_theirs"]
    assert fetch.values("--model_file") == embed.values("--model_file")
    assert "Stage 5 is left out: --download_model" in result.stdout
    again = recipe.run(*options, "mlclap_theirs.zip", "--stage", "6", **results)
    assert again.names == ["score", "report"]
    (recipe.folder / "mlclap_theirs.zip").write_text("packed anew")
    assert recipe.run(*options, "mlclap_theirs.zip", **results).names[0] == "download_model"
    hub = recipe.run(*options, "user/name", "--print_plan", "experiment")
    assert hub.stdout == "exp/mlclap_user_name\n"


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_test_sets_are_embedded_several_at_a_time(recipe, number):
    options = ["--", "--test_sets", "test valid a", "--inference_nj", number]
    recipe.run(*options, "--stop_stage", "5")
    failed = recipe.run(*options, "--stage", "6", FAIL_WITH="flac/test")
    assert failed.returncode == 1
    assert "the cause of it" in failed.stderr
    assert "score" not in failed.names
    result = recipe.run(*options, "--stage", "6")
    assert result.returncode == 0, result.stderr
    embedded = [call for call in failed.calls + result.calls if call[0] == "embed"]
    assert {call.values("--data_dir")[0] for call in embedded} == {
        f"dump/flac/{name}" for name in ("test", "valid", "a")
    }
    assert result.names[-2:] == ["score", "report"]


def test_several_sets_at_a_time_share_the_gpus(recipe):
    options = ["--", "--test_sets", "test valid a", "--ngpu", "2", "--inference_nj", "2"]
    result = recipe.run(*options)
    devices = {
        call.values("--data_dir")[0]: call.values("--device")[0]
        for call in result.calls
        if call[0] == "embed"
    }
    prefix = "dump/flac/"
    assert devices == {
        f"{prefix}test": "cuda:0",
        f"{prefix}valid": "cuda:1",
        f"{prefix}a": "cuda:0",
    }


def test_data_directories_lie_where_the_user_wants_them(recipe):
    result = recipe.run("--datadir", "my/sets", "--test_translator", "sonar")
    assert result.returncode == 0, result.stderr
    assert not (recipe.folder / "data").exists()
    assert (recipe.folder / "my/sets/.made").is_file()
    translate = [call.values("--out_dir") for call in result.calls if call[0] == "translate"]
    assert translate == [["my/sets/a_le"], ["my/sets/b_le"], ["my/sets/test_le"]]
    assert result.call("train").values("--le_data_dir") == ["my/sets/a_le", "my/sets/b_le"]
    assert recipe.run("--datadir", "my/sets", "--test_translator", "sonar").names == [
        "score",
        "report",
    ]
