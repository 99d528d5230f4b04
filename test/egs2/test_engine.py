"""The engine with commands that only pretend: which are run, with what, and which are skipped."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/mlclap1"

# stands for python3: notes its arguments and makes what the real command would make
PYTHON = """#!/usr/bin/env bash
[[ $1 == -m ]] || exec /usr/bin/env -S "PATH=${REAL_PATH}" python3 "$@"
name=${2##*.}
[[ $name == check_environment ]] && exit 0
[[ $name == show_config ]] && exec /usr/bin/env -S "PATH=${REAL_PATH}" python3 "$@"
echo "$name ${*:3}" >>"$CALLS"
if [[ ${FAIL:-} == "$name" || $* == *"${FAIL_WITH:-nothing}"* ]]; then echo "the cause of it" >&2; exit 1; fi
while (($#)); do
    case $1 in
        --out_dir | --output_dir) mkdir -p "$2"; echo "$name" >"$2/made_by"; out=$2 ;;
    esac
    shift
done
if [[ -n ${WAIT_FOR:-} && $name == train ]]; then
    touch "${WAIT_FOR}.begun"
    until [[ -e ${WAIT_FOR} ]]; do sleep 0.05; done
fi
case $name in
    check_data) echo "a table" >"$out/statistics.txt" ;;
    train | download_model) touch "$out/config.yaml" "$out/valid.mAP@10.best.pth" "$out/checkpoint.pth" ;;
    report) echo "# Results" >"$RESULTS" ;;
esac
"""
DATA = "for set in a b valid test; do mkdir -p $datadir/$set; echo x >$datadir/$set/text; done\n"
SETS = ["--train_sets", "a b", "--valid_set", "valid", "--test_sets", "test"]
SONAR = ["--translation_encoder", "E", "--translation_decoder", "D"]


class Recipe:
    def __init__(self, root):
        self.folder = root / "egs2/x/mlclap1"
        for name in ("local", "conf"):
            (self.folder / name).mkdir(parents=True)
        for name in ("mlclap.sh", "path.sh", "cmd.sh", "db.sh", "scripts"):
            (self.folder / name).symlink_to(TEMPLATE / name)
        (self.folder / "local/data.sh").write_text(DATA)
        (self.folder / "conf/train.yaml").write_text("max_epoch: 1\n")
        (root / "bin").mkdir()
        (root / "bin/python3").write_text(PYTHON)
        (root / "bin/python3").chmod(0o755)
        self.calls_file = root / "calls"
        self.environment = {
            **os.environ,
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "REAL_PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CALLS": str(self.calls_file),
        }

    def start(self, *options, **environment):
        """A run in the background, which goes on with a training when the file WAIT_FOR is there."""
        tag = options[options.index("--mlclap_tag") + 1]
        results = self.folder / f"exp/mlclap_{tag}/valid.mAP@10.best/RESULTS.md"
        return subprocess.Popen(
            ["bash", "mlclap.sh", *SETS, *SONAR, "--", *options],
            cwd=self.folder,
            env={**self.environment, "RESULTS": str(results), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options, **environment):
        """The result, with `calls`: what was run, by the name of the command.

        `tables` are the calls of make_tables, which looks each time whether there is something to do.
        """
        self.calls_file.write_text("")
        results = self.folder / "exp/mlclap_t/valid.mAP@10.best/RESULTS.md"
        result = subprocess.run(
            ["bash", "mlclap.sh", *SETS, *SONAR, "--", "--mlclap_tag", "t", *options],
            cwd=self.folder,
            env={**self.environment, "RESULTS": str(results), **environment},
            capture_output=True,
            text=True,
        )
        calls = [line.split() for line in self.calls_file.read_text().splitlines()]
        result.calls = [call for call in calls if call[0] != "make_tables"]
        result.tables = [call for call in calls if call[0] == "make_tables"]
        return result


@pytest.fixture
def recipe(tmp_path):
    return Recipe(tmp_path)


def names(result):
    return [call[0] for call in result.calls]


def values(call, option):
    return [call[index + 1] for index, word in enumerate(call) if word == option]


def test_the_whole_job_then_nothing_but_scoring_the_second_time(recipe):
    first = recipe.run()
    assert first.returncode == 0, first.stderr
    assert names(first) == (
        ["translate"] * 2 + ["format_audio"] * 4 + ["check_data", "train", "embed"]
    ) + ["score", "report"]
    for stage in range(1, 8):
        assert f"Stage {stage}: " in first.stdout
    assert "a table" in first.stdout
    assert "# Results" in first.stdout
    second = recipe.run()
    assert names(second) == ["score", "report"]
    assert second.stdout.count("done already") == 10


def test_translations_and_training_get_the_choices(recipe):
    result = recipe.run("--langs", "eng_Latn fra_Latn jpn_Jpan", "--le_ratio", "0.4", "--seed", "7")
    translate, train = result.calls[0], result.calls[-4]
    assert values(translate, "--data_dir") == ["data/a"]
    assert values(translate, "--out_dir") == ["data/a_le"]
    assert values(translate, "--source_lang") == ["eng_Latn"]
    assert "--langs fra_Latn jpn_Jpan --translator sonar" in " ".join(translate)
    assert values(translate, "--encoder") == ["E"]
    assert train[0] == "train"
    assert values(train, "--train_data_dir") == ["dump/flac/a", "dump/flac/b"]
    assert values(train, "--le_data_dir") == ["data/a_le", "data/b_le"]
    assert values(train, "--le_ratio") == ["0.4"]
    assert values(train, "--seed") == ["7"]


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
    assert "translate" not in names(result)
    train = next(call for call in result.calls if call[0] == "train")
    assert values(train, "--le_data_dir") == []
    assert values(train, "--le_ratio") == ["0"]


def test_a_failure_stops_the_job_shows_the_cause_and_is_tried_again(recipe):
    failed = recipe.run(FAIL="train")
    assert failed.returncode == 1
    assert "the cause of it" in failed.stderr
    assert names(failed)[-1] == "train"
    assert names(recipe.run()) == ["train", "embed", "score", "report"]


def test_what_changed_is_made_again_with_all_that_follows_from_it(recipe):
    recipe.run()
    (recipe.folder / "conf/train.yaml").write_text("max_epoch: 2\n")
    assert names(recipe.run()) == ["train", "score", "report"]  # the same model: not embedded again
    (recipe.folder / "local/data.sh").write_text(DATA.replace("echo x", "echo y"))
    again = names(recipe.run())
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
    assert aside == ["1epoch.pth", "checkpoint.pth", "scores.json"]
    (experiment / "checkpoint.pth").touch()
    recipe.run("--le_ratio", "0.5", FAIL="train")
    assert (experiment / "checkpoint.pth").exists()
    again = recipe.run("--le_ratio", "0.6")
    assert again.returncode == 0, again.stderr  # outdated/scores.json is found by */scores.json


def test_numbers_of_processes_and_devices_change_nothing(recipe):
    recipe.run()
    for options in (["--ngpu", "1"], ["--ngpu", "2"], ["--cpu_ranks", "2"], ["--nj", "3"]):
        assert names(recipe.run(*options)) == ["score", "report"], options


def test_what_a_configuration_is_based_on_and_where_training_starts_count(recipe):
    (recipe.folder / "conf/tuned.yaml").write_text(
        "base: 'train.yaml'  # with a note\ntext_encoder_conf:\n    model: conf/small_bert\n"
    )
    (recipe.folder / "conf/small_bert").mkdir()
    (recipe.folder / "start.pth").write_text("weights")
    options = ["--mlclap_config", "conf/tuned.yaml", "--init_param", "start.pth"]
    first = recipe.run(*options)
    train = next(call for call in first.calls if call[0] == "train")
    assert values(train, "--init_param") == ["start.pth"]
    assert "train" not in names(recipe.run(*options))
    (recipe.folder / "conf/train.yaml").write_text("max_epoch: 1\nseed: 5\n")
    assert "train" in names(recipe.run(*options))
    (recipe.folder / "conf/small_bert/config.json").write_text("{}")
    assert "train" in names(recipe.run(*options))
    (recipe.folder / "start.pth").write_text("other weights")
    assert "train" in names(recipe.run(*options))
    (recipe.folder / "conf/unused").mkdir()  # nobody names it
    assert "train" not in names(recipe.run(*options))
    result = recipe.run("--init_param", "nowhere.pth")
    assert result.returncode == 2
    assert "--init_param nowhere.pth: no such file" in result.stderr


def test_the_stages_asked_for_and_no_others(recipe):
    assert recipe.run("--stop_stage", "1").calls == []
    assert names(recipe.run("--stage", "3", "--stop_stage", "3")) == ["format_audio"] * 4


def test_upload_without_a_name_only_explains(recipe):
    recipe.run()
    result = recipe.run("--stage", "8", "--stop_stage", "9")
    assert result.returncode == 0
    assert names(result) == ["pack"]
    assert "--hf_repo" in result.stdout


def test_each_training_set_has_its_weight(recipe):
    result = recipe.run("--train_weights", "1 0.5", "--stop_stage", "5")
    assert result.returncode == 0, result.stderr
    assert values(result.calls[-1], "--train_data_weight") == ["1", "0.5"]
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
    # no `--`: all options are the user's, also those of SETS
    options = [*SETS, *SONAR, *(options if "--" in options else ["--", *options])]
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
    assert [values(call, "--data_dir") for call in calls] == [["data/a"], ["data/b"], ["data/test"]]
    assert [values(call, "--translator") for call in calls] == [["sonar"], ["sonar"], ["chat"]]
    assert ["--test_set" in call for call in calls] == [False, False, True]
    assert [values(call, "--nj") for call in calls] == [["2"], ["2"], ["5"]]
    formats = [call for call in result.calls if call[0] == "format_audio"]
    assert [values(call, "--more_captions") for call in formats] == [[], [], [], ["data/test_le"]]


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
    (recipe.folder / "local/data.sh").write_text(DATA + prepared)
    for _ in range(2):
        recipe.run("--always_prepare", "true", "--stop_stage", "1")
    recipe.run("--stop_stage", "1")
    assert (recipe.folder / "prepared").read_text() == "x\nx\n"
    assert names(recipe.run("--always_prepare", "true"))[0] == "translate"
    assert names(recipe.run("--always_prepare", "true")) == ["score", "report"]


def test_local_data_that_makes_no_set_is_an_error(recipe):
    (recipe.folder / "local/data.sh").write_text("mkdir -p data/a data/b data/valid\n")
    result = recipe.run()
    assert result.returncode == 1
    assert "local/data.sh made no data/test" in result.stderr


def call_of(result, name):
    return next(call for call in result.calls if call[0] == name)


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
    train = call_of(recipe.run(*based), "train")
    assert values(train, "--le_ratio") == ["0.25"]
    tag = recipe.run(*based, "--mlclap_tag", "", "--print_plan", "experiment").stdout.strip()
    assert tag == "exp/mlclap_based_le0.25_seed1"


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


def test_lists_of_relevant_clips_and_a_baseline_go_to_scoring(recipe):
    plain = recipe.run()
    assert "--relevant_clips" not in call_of(plain, "score")
    assert "--baseline" not in call_of(plain, "score")
    (recipe.folder / "lists").write_text("")
    (recipe.folder / "exp/other").mkdir()
    lists = ["--relevant_clips", "test=lists", "--own_clip_is_relevant", "true"]
    result = recipe.run(*lists, "--baseline", "exp/other")
    assert names(result) == ["score", "report"]
    score, report = result.calls
    assert values(score, "--relevant_clips") == ["test=lists"]
    assert values(score, "--own_clip_is_relevant") == ["true"]
    assert values(score, "--baseline") == values(report, "--baseline") == ["exp/other"]
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
    for folder in ("a", "test"):
        (recipe.folder / "dump/flac" / folder).mkdir(parents=True, exist_ok=True)
        (recipe.folder / "dump/flac" / folder / "clip2label").write_text("clip dog\n")
    options = ("--stage", "7", "--stop_stage", "7", "--zero_shot", "true")
    call = call_of(recipe.run(*options), "zero_shot")
    assert values(call, "--prompt_data_dir")[0] == "dump/flac/a"
    call = call_of(recipe.run(*options, "--zero_shot_prompts", "classes.tsv"), "zero_shot")
    assert values(call, "--prompt_file") == ["classes.tsv"]
    assert "--prompt_data_dir" not in call


def test_without_training_only_the_test_sets_are_made(recipe):
    options = ["--skip_train", "true", "--test_translator", "sonar", "--stop_stage", "5"]
    result = recipe.run(*options)
    assert result.returncode == 0, result.stderr
    assert [(call[0], values(call, "--data_dir")) for call in result.calls] == [
        ("translate", ["data/test"]),
        ("format_audio", ["data/test"]),
    ]
    for stage in (4, 5):
        assert f"Stage {stage} is left out: --skip_train" in result.stdout
    both = recipe.run(*options, "--zero_shot", "true")
    formatted = [values(call, "--data_dir") for call in both.calls if call[0] == "format_audio"]
    assert formatted == [["data/a"], ["data/b"]]  # classes are described by their captions


def test_without_testing_nothing_is_embedded_or_scored(recipe):
    result = recipe.run("--skip_eval", "true")
    assert result.returncode == 0, result.stderr
    assert names(result)[-1] == "train"
    assert "Stage 7 is left out: --skip_eval" in result.stdout


def test_a_model_that_was_trained_elsewhere_is_tested(recipe):
    (recipe.folder / "mlclap_theirs.zip").write_text("packed")
    options = ["--mlclap_tag", "", "--download_model"]
    results = {"RESULTS": str(recipe.folder / "exp/mlclap_theirs/valid.mAP@10.best/RESULTS.md")}
    result = recipe.run(*options, "mlclap_theirs.zip", **results)
    assert result.returncode == 0, result.stderr
    assert names(result) == ["format_audio", "download_model", "embed", "score", "report"]
    fetch, embed = call_of(result, "download_model"), call_of(result, "embed")
    assert fetch[1] == "mlclap_theirs.zip"
    assert values(fetch, "--out_dir") == values(embed, "--model_dir") == ["exp/mlclap_theirs"]
    assert values(fetch, "--model_file") == values(embed, "--model_file")
    assert "Stage 5 is left out: --download_model" in result.stdout
    again = recipe.run(*options, "mlclap_theirs.zip", "--stage", "6", **results)
    assert names(again) == ["score", "report"]
    (recipe.folder / "mlclap_theirs.zip").write_text("packed anew")
    assert names(recipe.run(*options, "mlclap_theirs.zip", **results))[0] == "download_model"
    hub = recipe.run(*options, "user/name", "--print_plan", "experiment")
    assert hub.stdout == "exp/mlclap_user_name\n"


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_test_sets_are_embedded_several_at_a_time(recipe, number):
    options = ["--", "--test_sets", "test valid a", "--inference_nj", number]
    recipe.run(*options, "--stop_stage", "5")
    failed = recipe.run(*options, "--stage", "6", FAIL_WITH="flac/test")
    assert failed.returncode == 1
    assert "the cause of it" in failed.stderr
    assert "score" not in names(failed)
    result = recipe.run(*options, "--stage", "6")
    assert result.returncode == 0, result.stderr
    embedded = [call for call in failed.calls + result.calls if call[0] == "embed"]
    assert {values(call, "--data_dir")[0] for call in embedded} == {
        f"dump/flac/{name}" for name in ("test", "valid", "a")
    }
    assert names(result)[-2:] == ["score", "report"]


def test_several_sets_at_a_time_share_the_gpus(recipe):
    options = ["--", "--test_sets", "test valid a", "--ngpu", "2", "--inference_nj", "2"]
    result = recipe.run(*options)
    devices = {
        values(call, "--data_dir")[0]: values(call, "--device")[0]
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
    translate = [values(call, "--out_dir") for call in result.calls if call[0] == "translate"]
    assert translate == [["my/sets/a_le"], ["my/sets/b_le"], ["my/sets/test_le"]]
    assert values(call_of(result, "train"), "--le_data_dir") == ["my/sets/a_le", "my/sets/b_le"]
    assert names(recipe.run("--datadir", "my/sets", "--test_translator", "sonar")) == [
        "score",
        "report",
    ]


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
    assert [values(call, "--out_dir")[0] for call in calls] == expected
    assert values(calls[3], "--teacher") == ["exp/second/latest.pth"]
    assert values(calls[3], "--data_dir") == ["dump/flac/b"]
    assert values(calls[3], "--le_data_dir") == ["data/b_le"]
    assert values(calls[3], "--device") == ["cuda"]
    train = call_of(result, "train")
    at = [index for index, word in enumerate(train) if word == "--teacher_embeddings"]
    assert [train[index + 1 : index + 3] for index in at] == [
        expected[:2],
        expected[2:4],
        expected[4:],
    ]
    assert values(train, "--loss") == ["correspondences"]
    assert names(recipe.run(*options)) == ["embed_training_set"] * 6 + ["score", "report"]
    (recipe.folder / "exp/second/latest.teacher/a/clips").mkdir()
    (recipe.folder / "exp/second/latest.teacher/a/clips/identity").write_text("of other weights")
    assert "train" in names(recipe.run(*options))


def test_a_configuration_may_say_itself_how_it_learns_from_teachers(recipe):
    (recipe.folder / "teacher.zip").write_text("")
    (recipe.folder / "conf/train.yaml").write_text("loss: my_parts.loss:Mine\n")
    result = recipe.run("--teachers", "teacher.zip", "--le_ratio", "0")
    assert values(call_of(result, "train"), "--loss") == []
    assert values(call_of(result, "embed_training_set"), "--le_data_dir") == []
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
    assert values(first, "--out_dir") == ["data/a_paraphrased"]
    assert values(second, "--data_dir") == ["data/b"]
    assert values(first, "--rewrite") == ["true"]
    assert values(first, "--translator") == ["chat"]
    train = call_of(result, "train")
    assert values(train, "--paraphrase_ratio") == ["0.3"]
    assert values(train, "--paraphrase_data_dir") == ["data/a_paraphrased", "data/b_paraphrased"]
    assert names(recipe.run(*options)) == ["score", "report"]
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
    assert values(first, "--model_dir") == ["exp/mlclap_pairs"]
    assert values(first, "--embedding_dir") == [f"{inference}/test"]
    assert values(first, "--out_dir") == [f"{inference}/reranked/pairs_50/test"]
    assert values(first, "--data_dir") == ["dump/flac/test"]
    assert (values(first, "--top"), values(second, "--top")) == (["50"], ["all"])
    score = " ".join(next(call for call in result.calls if call[0] == "score"))
    folders = " ".join(f"{inference}/reranked/pairs_{top}" for top in ("50", "all"))
    assert score.endswith(f"--reranked {folders}")
    assert names(recipe.run(*options)) == ["score", "report"]
    (reranker / "valid.mAP@10.best.pth").write_text("y")
    assert names(recipe.run(*options)) == ["rerank", "rerank", "score", "report"]
    assert "no such folder or file" in recipe.run("--reranker", "exp/nowhere").stderr
    own = recipe.run("--reranker", "own")
    assert values(call_of(own, "rerank"), "--model_dir") == ["exp/mlclap_t"]


def test_a_second_corpus_waits_until_the_first_is_scored(recipe, tmp_path):
    (recipe.folder / "local/data.sh").write_text(DATA.replace("echo x", "echo $*"))
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
