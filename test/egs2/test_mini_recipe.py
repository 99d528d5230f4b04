"""The mini recipe on a very small corpus: from nothing to scores, and the same scores after kills."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = [
    *("--local_data_opts", "--scale 0.06"),
    *("--train_sets", "train_clotho", "--langs", "eng_Latn fra_Latn zho_Hans"),
    *("--mlclap_args", "--max_epoch 2 --batch_size 16 --num_workers 0"),
    *("--mlclap_tag", "t"),
]


class MiniRecipe:
    """A copy of the recipe with nothing made yet."""

    def __init__(self, root):
        self.folder = root / "egs2/mini/mlclap1"
        self.folder.mkdir(parents=True)
        (root / "egs2/TEMPLATE").symlink_to(ROOT / "egs2/TEMPLATE")
        (root / "conf").symlink_to(ROOT / "conf")
        for path in (ROOT / "egs2/mini/mlclap1").iterdir():
            if path.is_symlink():
                (self.folder / path.name).symlink_to(os.readlink(path))
            elif path.name in ("local", "conf"):
                shutil.copytree(path, self.folder / path.name)
            elif path.suffix == ".sh":
                shutil.copy2(path, self.folder / path.name)

    def start(self, *options):
        programs = Path(sys.executable).parent
        return subprocess.Popen(
            ["bash", "run.sh", *OPTIONS, *options],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, *options):
        process = self.start(*options)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def kill_once(self, pattern, *options):
        """Start, and kill everything as soon as a file matches `pattern`."""
        process = self.start(*options)
        while process.poll() is None and not any(self.folder.glob(pattern)):
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()[0]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def scores(self):
        path = self.folder / "exp/mlclap_t/valid.mAP@10.best/scores.json"
        return json.loads(path.read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    recipe = MiniRecipe(tmp_path_factory.mktemp("whole"))
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


def test_killed_in_stages_2_3_and_5_it_ends_with_the_same_scores(whole, tmp_path):
    recipe = MiniRecipe(tmp_path)
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
