"""Lists of experiments: options from bases, what is run in which order, mistakes."""

import pytest

from espnet_mlclap.experiments.data import data_options
from espnet_mlclap.experiments.plan import Experiment, Reference, read_experiments
from espnet_mlclap.experiments.runs import (
    Run,
    check_passed,
    longest_first,
    read_seeds,
    run_options,
    select,
)
from espnet_mlclap.utils.errors import UserError

SHARED = """
experiments:
  baseline: {train_sets: small, mlclap_config: conf/train.yaml, le_ratio: 0}
  mixture: {base: baseline, le_ratio: 0.1}
  fra: {base: mixture, le_langs: fra_Latn}
  pretrained: {base: baseline, train_sets: large}
  pretrained_bert: {base: pretrained, mlclap_config: conf/bert.yaml}
  tuned_mixture: {base: mixture, init_param: pretrained, mlclap_config: conf/finetune.yaml}
  tuned_mixture_clotho: {base: tuned_mixture, train_sets: clotho, valid_set: v}
  plain_clotho: {base: tuned_mixture_clotho, valid_set: null}
  mixture_50: {base: mixture, le_ratio: 0.5}
rows:
  finetuned_mixture: {AudioCaps: tuned_mixture, Clotho: tuned_mixture_clotho}
"""
RECIPE = """
base: shared.yaml
experiments: {pretrained_bert: null}
train_sets: {small: a b, large: w a b, clotho: b}
test_sets: {test: AudioCaps, clotho_test: Clotho, third: null}
papers: {first: conf/printed.yaml}
"""
BEST = "valid.mAP@10.best.pth"


def written(tmp_path, shared=SHARED, recipe=RECIPE):
    (tmp_path / "shared.yaml").write_text(shared)
    path = tmp_path / "experiments.yaml"
    path.write_text(recipe)
    return path


@pytest.fixture
def listed(tmp_path):
    return read_experiments(written(tmp_path))


def test_options_come_from_the_base(listed):
    assert listed.experiments["fra"].options == {
        "train_sets": "a b",
        "mlclap_config": "conf/train.yaml",
        "le_ratio": "0.1",
        "le_langs": "fra_Latn",
    }
    finetuned = listed.experiments["tuned_mixture"]
    assert finetuned.needs == [Reference("pretrained", None)]
    assert finetuned.options["train_sets"] == "a b"
    assert "pretrained_bert" not in listed.experiments
    assert "valid_set" not in listed.experiments["plain_clotho"].options
    assert listed.test_sets == {"test": "AudioCaps", "clotho_test": "Clotho"}


def test_a_row_may_be_another_experiment_for_each_corpus(listed):
    assert listed.of_row("mixture") == {"AudioCaps": "mixture", "Clotho": "mixture"}
    tuned = {"AudioCaps": "tuned_mixture", "Clotho": "tuned_mixture_clotho"}
    assert listed.of_row("finetuned_mixture") == tuned
    assert listed.of_row("pretrained_bert") == listed.of_row("OnePeace") == {}


def test_each_training_once_and_after_what_it_starts_from(listed, choose):
    runs = select(listed, choose("2 3 4 figure2"), [1, 2])
    tags = [run.tag for run in runs]
    assert tags == [
        f"{name}_seed{seed}"
        for seed in (1, 2)
        for name in (
            "baseline",
            "fra",
            "mixture",
            "pretrained",
            "tuned_mixture",
            "tuned_mixture_clotho",
            "mixture_50",
        )
    ]
    assert [run.tag for run in select(listed, choose("figure2"), [3])] == [
        "baseline_seed3",
        "mixture_seed3",
    ]


def test_the_longest_first_but_those_that_others_start_from_before(listed, choose):
    chosen = select(listed, choose("2 3 4"), [1])
    translations = dict.fromkeys((run.tag for run in chosen), 0.7)
    translations.update(mixture_50_seed1=3.5, fra_seed1=0.1, baseline_seed1=0.0)
    translations.update(pretrained_seed1=0.0)
    runs = longest_first(chosen, translations)
    names = [run.experiment.name for run in runs]
    assert names[0] == "pretrained"
    assert names[1:3] == ["mixture_50", "mixture"]
    assert names[-2:] == ["fra", "baseline"]
    needs = {"c": {"teachers": "b"}, "b": {"init_param": "a@1"}, "a": {}}
    chain = [Run(Experiment(name, options), 1) for name, options in needs.items()]
    ordered = longest_first(chain, {"a_seed1": 0.0, "b_seed1": 4.0, "c_seed1": 5.0})
    assert [run.experiment.name for run in ordered] == ["a", "b", "c"]


def test_the_command_line_of_a_run(listed, choose):
    runs = {run.tag: run for run in select(listed, choose("3"), [7])}
    options = run_options(runs["tuned_mixture_seed7"], "exp", BEST)
    values = dict(zip(options[::2], options[1::2]))
    assert values["--init_param"] == f"exp/mlclap_pretrained_seed7/{BEST}"
    assert values["--seed"] == "7"
    assert values["--mlclap_tag"] == "tuned_mixture_seed7"
    assert values["--le_ratio"] == "0.1"
    assert "--init_param" not in run_options(runs["pretrained_seed7"], "exp", BEST)


STUDENTS = """
  two: {base: baseline, teachers: baseline@1 fra exp/released, init_param: fra}
  again: {base: two, teachers: two, init_param: two}
rows:
  baseline: {AudioCaps: again}"""


def test_teachers_of_other_seeds_come_first(tmp_path, choose):
    shared = SHARED.replace("\nrows:", STUDENTS)
    listed = read_experiments(written(tmp_path, shared))
    runs = select(listed, choose("1"), [4])
    assert [run.tag for run in runs] == ["fra_seed4", "baseline_seed1", "two_seed4", "again_seed4"]
    values = dict(zip(*[iter(run_options(runs[2], "exp", BEST))] * 2))
    assert values["--teachers"] == "exp/mlclap_baseline_seed1 exp/mlclap_fra_seed4 exp/released"
    assert values["--init_param"] == f"exp/mlclap_fra_seed4/{BEST}"
    assert (
        longest_first(runs[::-1], dict.fromkeys((run.tag for run in runs), 0.0))[-2:] == runs[-2:]
    )


def test_data_once_for_each_choice_of_sets(listed, choose):
    def made(tables):
        found = []
        runs = select(listed, choose(tables), [1])
        ratios = {run.tag: run.experiment.options["le_ratio"] for run in runs}
        for options in data_options(runs, "exp", ratios):
            values = dict(zip(options[::2], options[1::2]))
            assert values["--expdir"] == "exp"
            names = ("--train_sets", "--le_ratio", "--valid_set", "--statsdir")
            found.append([values.get(name) for name in names])
        return found

    small, large = ["a b", "0", None, "exp/stats/a_b"], ["w a b", "0", None, "exp/stats/w_a_b"]
    assert made("1") == [small]
    small[1] = "0.1"
    assert made("2 3") == [small, large, ["b", "0.1", "v", "exp/stats/b_v"]]


def data_of(*options):
    """Options by name of each call of stages 1 to 4, for an experiment with each of these."""
    runs = [
        Run(Experiment(f"x{number}", {"train_sets": "a", **own}), 1)
        for number, own in enumerate(options)
    ]
    found = data_options(runs, "exp", {run.tag: "0.5" for run in runs})
    return [dict(zip(words[::2], words[1::2])) for words in found]


def test_what_stages_1_to_4_use_reaches_them():
    given = {"langs": "eng_Latn por_Latn", "paraphraser": "file", "test_sets": "t u"}
    (data,) = data_of({**given, "le_langs": "por_Latn", "mlclap_config": "c.yaml"})
    assert {name: data[f"--{name}"] for name in given} == given
    assert data["--le_ratio"] == "0.5"
    assert not {"--le_langs", "--mlclap_config"} & set(data)
    flac, shards = data_of({}, {"audio_format": "shards"})
    assert ("--audio_format" in flac, shards["--audio_format"]) == (False, "shards")
    assert flac["--statsdir"] != shards["--statsdir"]


def test_two_choices_may_not_undo_each_other():
    message = "x0 and x1 differ in translator, .* Give one of them a datadir"
    with pytest.raises(UserError, match=message):
        data_of({}, {"translator": "file"})
    assert len(data_of({}, {"translator": "file", "datadir": "data2", "dumpdir": "dump2"})) == 2
    assert len(data_of({}, {"translator": "file", "train_sets": "b"})) == 2
    assert len(data_of({}, {"paraphraser": "file"}, {"paraphraser": "none"})) == 3


def test_values_of_the_list_are_as_the_recipe_takes_them(tmp_path):
    shared = SHARED.replace("le_langs: fra_Latn", "zero_shot: true, requeue: 2")
    options = read_experiments(written(tmp_path, shared)).experiments["fra"].options
    assert (options["zero_shot"], options["requeue"]) == ("true", "2")


@pytest.mark.parametrize(
    ("passed", "message"),
    [
        (["--ngpu", "2", "--seed", "3"], "after --: seed: .* give --seeds to run_experiments"),
        (["--seed=3"], "after --: seed:"),
        (["--inference_model", "latest.pth"], "give --inference_model to run_experiments"),
        (["--stop_stage", "5"], "stop_stage: cannot be chosen here"),
        (["--mlclap_args", "--max_epoch 1 --seed 3"], "mlclap_args: --seed: cannot be chosen here"),
        (["--le_ratio", "0.9"], "--le_ratio would replace .* of the experiment baseline"),
        (["--mlclap_config=x.yaml"], "--mlclap_config would replace"),
    ],
)
def test_options_for_all_leave_alone_what_tells_them_apart(listed, choose, passed, message):
    runs = select(listed, choose("2"), [1])
    check_passed(["--ngpu", "2", "--mlclap_args", "--max_epoch 1"], runs)
    with pytest.raises(UserError, match=message):
        check_passed(passed, runs)


@pytest.mark.parametrize("text", ["1 ²", "1 01", "", "-1", "1 1"])
def test_seeds_are_different_whole_numbers(text):
    with pytest.raises(UserError, match="must be different whole numbers"):
        read_seeds(text)


@pytest.mark.parametrize(
    ("shared", "recipe", "message"),
    [
        ((), ("train_sets:", "trainsets:"), "unknown key 'trainsets'. Did you mean train_sets"),
        (
            (),
            ("large: w a b", "big: w"),
            "pretrained: train_sets: 'large' is not one of small, big, clotho",
        ),
        (("base: baseline, le", "base: nobody, le"), (), "mixture: base: no experiment is called"),
        (
            ("init_param: pretrained", "init_param: x@last"),
            (),
            "tuned_mixture: no experiment is called 'x@last'",
        ),
        (("{base: mixture, le_ratio: 0.5}", "5"), (), "mixture_50: must hold options"),
        (("base: baseline, le", "base: fra, le"), (), "is in the end based on itself"),
        ((), ("test_sets:", "note:"), "the key 'test_sets' is missing"),
        (("le_ratio: 0.5", "seed: 3"), (), "mixture_50: seed: cannot be chosen .* --seeds"),
        (("le_ratio: 0.5", "le_ratio: [1, 2]"), (), r"mixture_50: le_ratio: \[1, 2\] must be text"),
        (("train_sets: clotho", "train_sets: [clotho]"), (), "tuned_mixture_clotho: train_sets: "),
        ((), ("small: a b", "small: [a, b]"), "train_sets: small: .* must be text"),
        (("init_param: pretrained", "init_param: x@²"), (), "no experiment is called 'x@²'"),
        (
            ("Clotho: tuned_m", "Clotho: tund_m"),
            (),
            "finetuned_mixture: Clotho: unknown key 'tund_m",
        ),
        (("finetuned_mixture: {", "finetuned_mixture: x # {"), (), "finetuned_mixture: must hold"),
    ],
)
def test_mistakes_are_named(tmp_path, shared, recipe, message):
    texts = [SHARED.replace(*shared) if shared else SHARED]
    texts.append(RECIPE.replace(*recipe) if recipe else RECIPE)
    with pytest.raises(UserError, match=message):
        read_experiments(written(tmp_path, *texts))


def test_starting_from_each_other_is_a_mistake(tmp_path, choose):
    circle = SHARED.replace("train_sets: large}", "train_sets: large, init_param: tuned_mixture}")
    listed = read_experiments(written(tmp_path, circle))
    with pytest.raises(UserError, match="starts in the end from itself"):
        select(listed, choose("3"), [1])
