"""The driver of the experiments with a recipe that only pretends: what it calls, skips and reports."""

import json
import re
import shlex

import pytest

from espnet_mlclap.bin import paper_tables
from espnet_mlclap.bin.run_experiments import main
from espnet_mlclap.evaluation.scores import METRICS

EXPERIMENTS = """
experiments:
  baseline: {train_sets: small, le_ratio: 0}
  mixture: {base: baseline, le_ratio: 0.1}
  pretrained: {base: baseline, train_sets: large}
  finetuned: {base: baseline, init_param: pretrained}
train_sets: {small: a b, large: w a b}
test_sets: {test: AudioCaps}
papers: {first: printed.yaml, second: second.yaml}
"""
SECOND = """
title: More
source: Another paper
language: mean
columns: {map: [t2a R@1]}
results: {map: {mixture: {AudioCaps: [41.2]}}}
tables:
  more: {title: More, columns: map, rows: {theirs: mixture}}
"""
PRINTED = """
title: Tables
source: A paper
language: eng_Latn
columns: {map: [a2t R@1, t2a R@1]}
results:
  map:
    baseline: {AudioCaps: [50.1, 40.7]}
tables:
  "1": {title: One, columns: map, rows: {CED: baseline}}
  "2": {title: Two, columns: map, rows: {baseline: baseline, mixture: mixture}}
  "3": {title: Three, columns: map, rows: {first: pretrained, then: finetuned}}
figures:
  figure2: {title: Languages, rows: {without: baseline, with: mixture}}
"""
# notes its arguments; makes what stages 5 to 7 make; fails where the file `fail` says so
RECIPE = """#!/usr/bin/env bash
ngpu=$(cat ngpu 2>/dev/null || echo 0) le_ratio=0
line=$(printf '%q ' "$@")
while (($#)); do
    [[ $1 == *=* ]] && set -- "${1%%=*}" "${1#*=}" "${@:2}"
    printf -v "${1#--}" '%s' "$2"; shift 2
done
folder=exp/mlclap_${mlclap_tag:-}/valid.mAP@10.best
if [[ -n ${print_plan:-} ]]; then
    printf '{"datadir": "data", "le_langs": "a b", "experiment": "%s", "inference": "%s", "ngpu": "%s", ' \\
        "${folder%/*}" "$folder" "$ngpu"
    printf '"le_ratio": "%s"}' "$le_ratio"
    exit
fi
echo "$line" >>calls
[[ -f fail && ${mlclap_tag:-data} == $(<fail) ]] && exit 1
if ((stage == 5)); then
    gpus=${CUDA_VISIBLE_DEVICES-all}
    [[ -f $gpus.busy ]] && echo "$gpus are used twice"
    touch "$gpus.busy"; sleep 0.1; rm "$gpus.busy"
    echo "sees GPUs: $gpus"
    mkdir -p "$folder"
    echo "# now; mlclap.sh --zero_shot_prompts prompts -- $line" >"$folder/../run.sh.txt"
    [[ -f $folder/../.made ]] || touch "$folder/../.made"
fi
if ((stage == 5)) && [[ ! -f $folder/test/.made ]]; then
    mkdir -p "$folder/test"; touch "$folder/test/.made"
fi
if ((stage == 7)); then cp scores.json "$folder"; touch "$folder/RESULTS.md"; fi
"""


def set_scores(recipe, value):
    directions = {way: dict.fromkeys(METRICS, value) for way in ("t2a", "a2t")}
    scores = {
        "test": {"source_lang": "eng_Latn", "eng_Latn": {"clips": 5, "captions": 25, **directions}}
    }
    (recipe / "scores.json").write_text(json.dumps(scores))


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe's folder, in which the test stands."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/experiments.yaml").write_text(EXPERIMENTS)
    (tmp_path / "printed.yaml").write_text(PRINTED)
    (tmp_path / "second.yaml").write_text(SECOND)
    (tmp_path / "run.sh").write_text(RECIPE)
    (tmp_path / "run.sh").chmod(0o755)
    set_scores(tmp_path, 40.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calls(recipe):
    """First and last stage, and name or training sets, of each call; what was noted is removed."""
    noted = recipe / "calls"
    lines = noted.read_text().splitlines() if noted.exists() else []
    noted.unlink(missing_ok=True)
    found = []
    for line in lines:
        words = shlex.split(line)
        values = dict(zip(words[::2], words[1::2]))
        name = values.get("--mlclap_tag", values["--train_sets"])
        found.append((values["--stage"], values["--stop_stage"], name, values))
    return found


def stages(recipe):
    return [call[:3] for call in calls(recipe)]


def test_data_once_then_each_training_then_the_tables(recipe, capsys):
    main(["--tables", "2 figure2", "--seeds", "1 2"])
    expected = [("1", "4", "a b")]
    for seed in (1, 2):
        for name in ("baseline", "mixture"):
            expected += [
                (first, last, f"{name}_seed{seed}") for first, last in (("5", "6"), ("7", "7"))
            ]
    assert stages(recipe) == expected
    shown = capsys.readouterr().out
    assert "Experiment 4 of 4: mixture_seed2" in shown
    assert "| baseline | 40.0 ± 0.0 | 50.1 |" in re.sub(" +", " ", shown)
    assert (recipe / "exp/PAPER.md").read_text() in shown


def test_papers_one_after_the_other(recipe, capsys):
    main(["--papers", "second"])
    assert stages(recipe)[1:] == [("5", "6", "mixture_seed1"), ("7", "7", "mixture_seed1")]
    assert "Paper: A paper" not in capsys.readouterr().out
    main(["--papers", "second first", "--tables", "more 1"])
    shown = re.sub(" +", " ", capsys.readouterr().out)
    assert shown.index("Paper: A paper") < shown.index("Paper: Another paper")
    assert "| CED | 40.0 | 50.1 |" in shown
    assert "| theirs | 40.0 | 41.2 |" in shown


def test_without_papers_the_first_or_those_with_the_tables(recipe, capsys):
    main([])
    assert "More" not in capsys.readouterr().out
    main(["--tables", "more"])
    shown = capsys.readouterr().out
    assert "# More" in shown
    assert "# Tables" not in shown


def test_two_tables_of_one_name(recipe, capsys):
    (recipe / "second.yaml").write_text(SECOND.replace("more:", '"2":'))
    with pytest.raises(SystemExit):
        main(["--papers", "all"])
    assert "second.yaml: the name '2' is also that of a table of printed.yaml" in (
        capsys.readouterr().err
    )


def test_what_is_scored_is_not_scored_again(recipe):
    main(["--tables", "2"])
    calls(recipe)
    main(["--tables", "2"])
    assert [call[0] for call in stages(recipe)] == ["1", "5", "5"]
    made = recipe / "exp/mlclap_mixture_seed1/valid.mAP@10.best/test/.made"
    made.unlink()  # embedded again
    main(["--tables", "2"])
    assert [call[0] for call in stages(recipe)] == ["1", "5", "5", "7"]


@pytest.fixture
def list_of_clips(recipe):
    """A list that options name, of a training that is all done with it."""
    for name in ("relevant", "prompts"):
        (recipe / name).write_text("a")
    main(["--tables", "1", "--", "--relevant_clips", "test=relevant", "--note", "n" * 300])
    calls(recipe)
    return recipe / "relevant"


@pytest.mark.parametrize(
    "change", ["none", "options", "list", "recipe's list", "reranking", "report", "by hand"]
)
def test_scored_again_where_scores_would_be_others(recipe, list_of_clips, change):
    results = recipe / "exp/mlclap_baseline_seed1/valid.mAP@10.best"
    more = ["--", "--relevant_clips", "test=relevant", "--note", "n" * 300]  # no file's name
    if change == "options":
        more += ["--zero_shot", "true"]
    elif change == "list":
        list_of_clips.write_text("b")
    elif change == "recipe's list":
        (recipe / "prompts").write_text("b")
    elif change == "reranking":
        (results / "reranked/x_all/test").mkdir(parents=True)
        (results / "reranked/x_all/test/.made").touch()
    elif change == "report":
        (results / "RESULTS.md").unlink()
    elif change == "by hand":  # with other options
        set_scores(recipe, 20.0)
        (results / "scores.json").write_text((recipe / "scores.json").read_text())
    scored = [] if change == "none" else ["7"]
    for expected in (scored, []):
        main(["--tables", "1", *more])
        assert [call[0] for call in stages(recipe)] == ["1", "5", *expected]


def test_a_stage_7_that_failed_is_run_again(recipe):
    run = recipe / "run.sh"
    script = run.read_text()
    run.write_text(script.replace("if ((stage == 7)); then", "if ((stage == 7)); then exit 1;"))
    with pytest.raises(SystemExit):
        main(["--tables", "1"])
    folder = recipe / "exp/mlclap_baseline_seed1/valid.mAP@10.best"
    (folder / "scores.json").write_text((recipe / "scores.json").read_text())  # it got so far
    (folder / "RESULTS.md").touch()
    run.write_text(script)
    calls(recipe)
    main(["--tables", "1"])
    assert [call[0] for call in stages(recipe)] == ["1", "5", "7"]


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_without_a_ratio_in_the_list_that_of_the_recipe(recipe, capfd, dry_run):
    listed = recipe / "conf/experiments.yaml"
    listed.write_text(listed.read_text().replace("small, le_ratio: 0}", "small}"))
    (recipe / "run.sh").write_text(RECIPE.replace("le_ratio=0", "le_ratio=0.3"))
    main(["--tables", "1", "--dry_run", dry_run])
    if dry_run == "true":
        assert "--stop_stage 4 --train_sets 'a b' --le_ratio 0.3" in capfd.readouterr().out
    else:
        assert calls(recipe)[0][3]["--le_ratio"] == "0.3"


def test_fine_tuning_starts_from_pretraining_and_options_are_passed_on(recipe):
    main(["--tables", "3", "--", "--ngpu", "2", "--mlclap_args", "--max_epoch 1"])
    found = calls(recipe)
    assert [call[2] for call in found[:2]] == ["w a b", "a b"]
    tuned = next(call for call in found if call[2] == "finetuned_seed1")[3]
    assert tuned["--init_param"] == "exp/mlclap_pretrained_seed1/valid.mAP@10.best.pth"
    assert all(
        (call[3]["--ngpu"], call[3]["--mlclap_args"]) == ("2", "--max_epoch 1") for call in found
    )


def test_a_failure_does_not_stop_the_others(recipe, capsys, caplog):
    (recipe / "fail").write_text("pretrained_seed1")
    with pytest.raises(SystemExit):
        main(["--tables", "1 3"])
    assert "baseline_seed1" in {call[2] for call in calls(recipe)}
    shown = capsys.readouterr()
    assert "2 of 3 experiments failed: pretrained_seed1 finetuned_seed1." in shown.err
    assert "finetuned_seed1: left out, since pretrained_seed1 failed" in caplog.text
    assert "| CED | 40.0 |" in re.sub(" +", " ", shown.out)
    (recipe / "fail").unlink()
    main(["--tables", "1 3"])
    assert ("7", "7", "finetuned_seed1") in stages(recipe)


def test_without_data_nothing_is_trained(recipe, capsys):
    (recipe / "fail").write_text("data")
    with pytest.raises(SystemExit):
        main(["--tables", "2"])
    assert len(calls(recipe)) == 1
    assert "the data could not be made" in capsys.readouterr().err


def test_several_at_a_time(recipe, capsys):
    """The same calls in any order, fine-tuning behind what it starts from; each with its own log."""
    (recipe / "fail").write_text("mixture_seed2")
    with pytest.raises(SystemExit):
        main(["--tables", "2 3", "--seeds", "1 2", "--jobs", "3"])
    order = [call[2] for call in calls(recipe)]
    for seed in (1, 2):
        assert order.index(f"finetuned_seed{seed}") > order.index(f"pretrained_seed{seed}")
    trained = [
        f"{name}_seed{seed}"
        for name in ("baseline", "finetuned", "mixture", "pretrained")
        for seed in (1, 2)
    ]
    assert sorted(set(order)) == sorted([*trained, "a b", "w a b"])
    shown = capsys.readouterr()
    assert "mixture_seed2: FAILED, see exp/log/mixture_seed2.log" in shown.out
    assert "1 of 8 experiments failed: mixture_seed2" in shown.err
    assert (recipe / "exp/log/finetuned_seed1.log").exists()


def test_only_the_seeds_that_were_asked_for_are_reported(recipe, capsys):
    main(["--tables", "2", "--seeds", "1 2"])
    set_scores(recipe, 60.0)
    main(["--tables", "2", "--seeds", "3"])
    assert "| baseline | 60.0 |" in re.sub(" +", " ", capsys.readouterr().out)
    paper_tables.main(["--tables", "2", "--seeds", "1 3"])
    assert "| baseline | 50.0 ± 14.1 |" in re.sub(" +", " ", capsys.readouterr().out)
    paper_tables.main(["--tables", "2"])
    assert "Trained: seeds 1 2 3 (baseline, mixture)." in capsys.readouterr().out


@pytest.mark.parametrize("begun", [False, True])
def test_a_training_that_failed_has_no_scores(recipe, capsys, begun):
    """Neither in the run that failed, nor, if it was begun anew, in tables made later."""
    main(["--tables", "2"])
    (recipe / "fail").write_text("mixture_seed1")
    if begun:
        (recipe / "exp/mlclap_mixture_seed1/.made").unlink()
    with pytest.raises(SystemExit):
        main(["--tables", "2"])
    assert "Trained: seeds 1 (baseline). Not run: mixture." in capsys.readouterr().out
    paper_tables.main(["--tables", "2"])
    assert ("Not run: mixture." in capsys.readouterr().out) == begun


@pytest.fixture
def gpus(monkeypatch):
    """A machine with the GPUs 2, 3, 5 and 7."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5,7")


def seen_gpus(recipe):
    logs = [log.read_text() for log in (recipe / "exp/log").glob("*.log")]
    return [log.splitlines()[-1].removeprefix("sees GPUs: ") for log in logs]


@pytest.mark.parametrize("where", ["recipe", "command line", "list"])
def test_each_of_several_trainings_has_its_own_gpus(recipe, gpus, where):
    more = []
    if where == "recipe":
        (recipe / "ngpu").write_text("2")
    elif where == "list":
        listed = EXPERIMENTS.replace("le_ratio: 0}", "le_ratio: 0, ngpu: 2}")
        (recipe / "conf/experiments.yaml").write_text(listed)
    else:
        (recipe / "ngpu").write_text("9")
        more = ["--", "--ngpu", "2"]
    main(["--tables", "2 3", "--seeds", "1 2", "--jobs", "2", *more])
    seen = seen_gpus(recipe)
    assert len(seen) == 8
    assert set(seen) == {"2,3", "5,7"}
    logs = (recipe / "exp/log").glob("*.log")
    assert not any("used twice" in log.read_text() for log in logs)


def test_trainings_without_gpus_see_what_there_is(recipe, gpus):
    main(["--tables", "2", "--jobs", "2"])
    assert seen_gpus(recipe) == ["2,3,5,7"] * 2


def test_too_few_gpus(recipe, gpus, capsys):
    with pytest.raises(SystemExit):
        main(["--tables", "2", "--jobs", "3", "--", "--ngpu=2"])
    assert (
        "--jobs 3: trainings with --ngpu 2 need 6 GPUs, but there are 4" in capsys.readouterr().err
    )
    assert calls(recipe) == []


@pytest.mark.parametrize(("listed", "expected"), [(2, {"0", "1"}), (0, {"all"})])
def test_gpus_of_the_machine(recipe, monkeypatch, tmp_path, listed, expected):
    """One without any leaves it to a cluster which GPU a job has."""
    lines = [f"GPU {number}: NVIDIA (UUID: GPU-{number})" for number in range(listed)]
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n" + "".join(f"echo '{x}'\n" for x in lines))
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    main(["--tables", "2 3", "--jobs", "2", "--", "--ngpu", "1"])
    assert set(seen_gpus(recipe)) == expected


def test_a_dry_run_only_prints(recipe, capsys):
    main(["--tables", "3", "--dry_run", "true"])
    assert calls(recipe) == []
    shown = capsys.readouterr().out
    assert "./run.sh --stage 1 --stop_stage 4 --train_sets 'w a b' --le_ratio 0" in shown
    assert not (recipe / "exp").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tables", "9"], "choose among 1 2 3 figure2 more"),
        (["--papers", "first", "--tables", "more"], "choose among 1 2 3 figure2, separated"),
        (["--papers", "third"], "--papers 'third': choose among first second"),
        (["--seeds", "1 x"], "must be different whole numbers"),
        (["--jobs", "0"], "--jobs 0: must be 1 or more"),
        (["--seeds", "1 1"], "must be different whole numbers"),
        (["--", "--seed", "3"], "options after --: seed: cannot be chosen here; give --seeds"),
        (["--tables", "2", "--", "--le_ratio=1"], "--le_ratio would replace"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--run", "./other.sh"], "./other.sh: cannot be run"),
    ],
)
def test_mistakes_are_named(recipe, capsys, arguments, message):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
