"""run_cases.sh of the mini recipe, with a run.sh that only says what it was called with."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "egs2/mini/mlclap1/run_cases.sh"
RUN = r"""#!/bin/bash
if [[ $* == *--print_plan\ inference ]]; then echo "exp of ${*% --print_plan inference}"; exit; fi
printf '%s|' "$@" >>calls; echo >>calls
echo "Stage 7: in whatever words"
"""
PATH = """python3() { printf '%s|' "$@" >compared; }
"""


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "recipe"
    folder.mkdir()
    shutil.copy2(SCRIPT, folder)
    (folder / "run.sh").write_text(RUN)
    (folder / "run.sh").chmod(0o755)
    (folder / "path.sh").write_text(PATH)
    return folder


def run_cases(recipe, *options):
    command = ["bash", "recipe/run_cases.sh", *options]
    done = subprocess.run(command, cwd=recipe.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("options", [["--help"], ["--ngpu", "1", "-h"]])
def test_help_runs_nothing(recipe, options):
    assert "--seeds" in run_cases(recipe, *options)
    assert not (recipe / "calls").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--seeds", "1 2", "--expdir", "my exp", "--ngpu", "1"],
        ["--ngpu", "1", "--expdir=my exp", "--seeds=1 2"],
    ],
)
def test_seeds_and_expdir_stand_anywhere(recipe, options):
    run_cases(recipe, *options)
    calls = (recipe / "calls").read_text().splitlines()
    common = "--ngpu|1|--expdir|my exp|"
    assert calls[0] == "--stage|1|--stop_stage|4|" + common
    assert calls[1:3] == [f"--stage|5|--stop_stage|7|{common}--seed|{seed}|" for seed in (1, 2)]
    assert calls[-1].endswith(f"{common}--text_encoder_init|scratch|--le_ratio|0|--seed|2|")
    assert len(calls) == 9
    compared = (recipe / "compared").read_text().split("|")[:-1]
    assert compared[2].startswith("SONAR, LE=exp of --ngpu 1 --expdir my exp --seed 1")
    assert compared[-2:] == ["--out", "my exp/CASES.md"]
    assert {path.name for path in recipe.iterdir()} == {
        "run_cases.sh", "run.sh", "path.sh", "calls", "compared",
    }  # fmt: skip
