"""Recipes on a real Slurm of two nodes: job arrays, training on both, jobs that are cancelled or die."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools/slurm_for_tests.sh"
SCRIPTS = ROOT / "egs2/TEMPLATE/mlclap1/scripts"
PROGRAMS = ("slurmctld", "slurmd", "munged", "srun")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The path of its slurm.conf; SLURM_CONF is set to it."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [
        name
        for name in PROGRAMS
        if not any(Path(folder, name).is_file() for folder in path.split(":"))
    ]
    if missing:
        pytest.skip(f"Slurm is not installed: {' '.join(missing)} (tools/slurm_for_tests.sh)")
    folder = tmp_path_factory.mktemp("cluster")
    start = subprocess.run(["bash", SCRIPT, "start", folder], capture_output=True, text=True)
    if start.returncode != 0:
        pytest.skip(f"Slurm cannot be started here: {start.stderr[-300:]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", f"{folder}/slurm.conf")
        yield Path(folder, "slurm.conf")
    subprocess.run(["bash", SCRIPT, "stop", folder], check=True)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def jobs(*options):
    """Words of each job in the queue: id, name, state."""
    command = ["squeue", "--noheader", "--array", "--format", "%i %j %T", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines()]


# --- job arrays, with commands that take no time

SOURCES = "\n".join(f". scripts/{name}.sh" for name in ("jobs", "shards"))


@pytest.fixture
def bash(cluster, tmp_path):
    """Starts bash with the functions of the recipes in a folder like a recipe's."""
    (tmp_path / "scripts").symlink_to(SCRIPTS)
    (tmp_path / "path.sh").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')

    def start(code):
        return subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail\n{SOURCES}\n{code}"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def test_each_share_is_done_once_and_a_failed_one_is_tried_again(bash, tmp_path):
    (tmp_path / "work.sh").write_text(
        'echo "$SLURMD_NODENAME $1 $2 $3" >>done\n[[ $3 != 2/3 || -e again ]] || { touch again; exit 7; }\n'
    )
    process = bash("run_shards log/x.log 'sbatch --time 1' 3 bash work.sh 'two words'")
    output = process.communicate()[0]
    assert process.returncode == 0, output
    lines = [line.split(" ", 1)[1] for line in (tmp_path / "done").read_text().splitlines()]
    assert sorted(lines) == [f"two words --shard {share}/3" for share in ("1", "2", "2", "3")]
    assert re.search(
        r"share 2 of 3 has failed once \(FAILED on n[12]\): log/x.shards/2.log", output
    )
    assert "twice" not in output
    assert "3 of 3 shares are done" not in output  # of the first array
    assert "1 of 1 shares are done" in output


def test_a_share_that_fails_twice_ends_all_with_its_name_and_cause(bash, tmp_path):
    (tmp_path / "work.sh").write_text("[[ $2 != 1/2 ]] || { echo the cause >&2; exit 3; }\n")
    process = bash("run_shards log/x.log sbatch 2 bash work.sh\necho reached")
    output = process.communicate()[0]
    assert process.returncode == 1
    assert "reached" not in output
    assert output.splitlines()[-1] == (
        "---- failed: share 1 of 2 of bash work.sh (full log: log/x.shards/1.log)"
    )
    assert "the cause" in output
    assert "share 2" not in output


def test_jobs_end_with_the_recipe_and_those_of_a_killed_one_before_others_begin(bash, tmp_path):
    (tmp_path / "work.sh").write_text("sleep 600\n")
    code = "run_shards log/x.log 'sbatch --job-name LEFT' 2 bash work.sh"
    for ended_by in (signal.SIGTERM, signal.SIGKILL):
        process = bash(code)
        assert wait_for(lambda: [job[2] for job in jobs("--name", "LEFT")] == ["RUNNING"] * 2)
        process.send_signal(ended_by)
        process.communicate()
        if ended_by == signal.SIGTERM:
            assert wait_for(lambda: not jobs("--name", "LEFT"))
    assert jobs("--name", "LEFT")
    (tmp_path / "work.sh").write_text("squeue --name LEFT --noheader >still_there\n")
    output = bash(code.replace("LEFT", "new")).communicate()[0]
    assert re.search(r"ends job \d+ of an earlier run", output)
    assert (tmp_path / "still_there").read_text() == ""


# --- training on several nodes


def test_the_node_on_which_a_training_dies_is_named(bash, tmp_path):
    (tmp_path / "train.py").write_text(
        "import os, time\n"
        "from pathlib import Path\n"
        "node = os.environ['SLURMD_NODENAME']\n"
        "Path('begun' + os.environ['RANK']).write_text(node)\n"
        "while len(list(Path().glob('begun*'))) < 4:\n"
        "    time.sleep(0.1)\n"
        "if os.environ['RANK'] == '3':\n"
        "    os.kill(os.getpid(), 9)\n"
        "time.sleep(600)\n"
    )
    launch = "bash scripts/on_node.sh bash scripts/on_each_node.sh 2 train.py"
    process = bash(f"run_job x.log 'srun --nodes 2 --kill-on-bad-exit=1' {launch}")
    output = process.communicate()[0]
    assert process.returncode == 1
    assert len(list(tmp_path.glob("begun*"))) == 4, output
    nodes = [(tmp_path / f"begun{rank}").read_text() for rank in range(4)]
    assert nodes == ["n1", "n1", "n2", "n2"]
    assert "---- # node n2: the training has ended with status 1" in output
    assert "# node n1: the training has ended" not in output.split("# node n2: the training")[0]


# --- a recipe from nothing to scores

TRANSLATOR = """
import time
from dataclasses import dataclass
from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator

@dataclass(frozen=True)
class Settings:
    batch_size: int

class Backwards(AbsTranslator):
    settings_class, on_device = Settings, False

    def __init__(self, settings, device="cpu"):
        pass

    @classmethod
    def identity(cls, settings):
        return {"translator": "backwards"}

    def translate(self, sentences, source_lang, target_lang):
        time.sleep(0.2)
        return [" ".join(reversed(sentence.split())) for sentence in sentences]
"""
OPTIONS = [
    *("--local_data_opts", "--scale 0.06"),
    *("--train_sets", "train_clotho", "--langs", "eng_Latn fra_Latn"),
    *("--translator", "backwards:Backwards", "--translation_config", "backwards.yaml"),
    *("--mlclap_args", "--max_epoch 3 --batch_size 32 --num_workers 0", "--mlclap_tag", "t"),
]


class Canceller(threading.Thread):
    """Cancels one job of each kind: a share of each stage, and the training after its first epoch."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.cancelled = {}
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            for job, name, state in jobs():
                if (
                    state == "RUNNING"
                    and name not in self.cancelled
                    and self.in_the_middle(job, name)
                ):
                    subprocess.run(["scancel", job], check=True)
                    self.cancelled[name] = job

    def in_the_middle(self, job, name):
        if name == "mlclap_train":
            return (self.folder / "exp/mlclap_t/1epoch.pth").exists()
        share = job.partition("_")[2]
        return any(self.folder.rglob(f"*.shards/{share}.log"))


def recipe_copy(copy_recipe, folder, *options):
    recipe = copy_recipe(folder, "mini", [*OPTIONS, *options])
    (recipe.folder / "backwards.py").write_text(TRANSLATOR)
    (recipe.folder / "backwards.yaml").write_text(
        "custom: {batch_size: 8}\nquality: {filter: false}\n"
    )
    paths = f"{recipe.folder}:{ROOT}"
    recipe.environment = {**recipe.environment, "PYTHONPATH": paths}
    return recipe


def test_cancelled_in_each_stage_it_ends_with_the_scores_of_an_undisturbed_local_run(
    cluster, copy_recipe, tmp_path
):
    recipe = recipe_copy(copy_recipe, tmp_path / "cluster", "--num_nodes", "2", "--nj", "2")
    recipe.environment = {**recipe.environment, "cmd_backend": "slurm"}
    canceller = Canceller(recipe.folder)
    canceller.start()
    output = recipe.finish("--inference_nj", "2", "--requeue", "1")
    canceller.ended.set()
    canceller.join()
    assert set(canceller.cancelled) == {
        "mlclap_translate", "mlclap_data", "mlclap_train", "mlclap_embed",
    }  # fmt: skip
    assert len(re.findall(r"share \d of 2 has failed once \(CANCELLED on n[12]\)", output)) == 3
    assert "has failed twice" not in output
    assert output.count("goes on from where it was") == 1
    log = (recipe.folder / "exp/mlclap_t/train.log").read_text(errors="replace")
    for words in ("# node n1: 1 processes", "# node n2: 1 processes", "after epoch 1"):
        assert words in log
    assert_indexed_in_shares(recipe)

    local = recipe_copy(copy_recipe, tmp_path / "local", "--cpu_ranks", "2")
    local.finish()
    assert recipe.scores() == local.scores()


def assert_indexed_in_shares(recipe):
    """`mlclap index` in two jobs: each embeds some, and the last one none."""
    done = subprocess.run(
        ["bash", "scripts/index.sh", "2", "dump/flac/test", "--model_dir", "exp/mlclap_t", "--library", "l"],
        cwd=recipe.folder, env=recipe.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 recordings found, 8 embedded, 0 unchanged" in done.stdout
    for name in ("index", "index_list"):
        log = (recipe.folder / f"exp/log/{name}.log").read_text()
        assert "8 recordings found" in log
    assert not (recipe.folder / "l/shares").exists()
