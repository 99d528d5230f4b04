"""What jobs ask of Slurm: what --ngpu and conf/slurm.conf say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE/mlclap1"


@pytest.fixture
def ask(tmp_path):
    """Words before the command of each kind of job, with these options of mlclap.sh."""
    (tmp_path / "scripts").symlink_to(TEMPLATE / "scripts")

    def run(options, kinds="data translate train embed"):
        show = "; ".join(f'echo "${{{kind}_cmd}}"' for kind in kinds.split())
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{options}\n. {TEMPLATE}/cmd.sh\n{show}"],
            cwd=tmp_path,
            env={"cmd_backend": "slurm", "MLCLAP_ROOT": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines() if done.returncode == 0 else done.stderr

    return run


def test_without_gpus_none_are_asked_for(ask):
    for words in ask("ngpu=0 nj=6 cpu_ranks=2"):
        assert words.startswith("srun ")
        assert "gres" not in words
    data, translate, train, embed = ask("ngpu=0 nj=6 cpu_ranks=2")
    assert "--cpus-per-task 6" in data
    assert "--cpus-per-task 6" in translate
    assert "--cpus-per-task 16 --mem 64G --time 3-0" in train
    assert "--job-name mlclap_embed --nodes 1 --cpus-per-task 4 " in embed


def test_as_many_gpus_as_the_training_uses(ask):
    data, translate, train, embed = ask("ngpu=4 nj=6")
    assert "gres" not in data
    assert "--gres gpu:4 " in translate
    assert "--gres gpu:4 " in train
    assert "--gres gpu:1 " in embed  # a set is embedded on one


def test_the_training_takes_nodes_and_each_share_what_one_process_needs(ask):
    for words in ask("ngpu=4 nj=6 num_nodes=3", "data translate embed"):
        assert "--nodes 1 " in words
    (train,) = ask("ngpu=4 nj=6 num_nodes=3", "train")
    assert "--ntasks-per-node 1 --job-name mlclap_train --nodes 3 --cpus-per-task 32" in train
    assert "--kill-on-bad-exit=1 " in train
    data, translate, embed = ask("ngpu=4 nj=6", "data_shard translate_shard embed_shard")
    assert data.startswith("sbatch ")
    assert "gres" not in data
    assert "--cpus-per-task 1 " in data
    assert translate.endswith("--gres gpu:1")
    assert embed.endswith("--gres gpu:1")


def test_a_file_of_the_recipe_as_espnets_users_write_it(ask, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/slurm.conf").write_text(
        "# of this cluster\n"
        "command sbatch --export=ALL\n"
        "option time=* --time $0\n"
        "option mem=* --mem-per-cpu $0\n"
        "option num_threads=* --cpus-per-task $0\n"
        "option num_threads=1 --cpus-per-task 1\n"
        "default gpu=0\n"
        "option gpu=0 -p cpu\n"
        "option gpu=* -p gpu --gres=gpu:$0 -c $0  # Recommend allocating more CPU than, or equal to GPUs\n"
    )
    (words,) = ask("ngpu=2 nj=1", "train")
    assert words.startswith(
        "srun --export=ALL --time 3-0 --mem-per-cpu 64G --cpus-per-task 16 -p gpu --gres=gpu:2 -c 2 "
    )
    assert ask("ngpu=0 nj=1", "data data_shard") == [
        "srun --export=ALL --time 1-0 --mem-per-cpu 16G --cpus-per-task 1 -p cpu bash scripts/on_node.sh",
        "sbatch --export=ALL --time 1-0 --mem-per-cpu 8G --cpus-per-task 1 -p cpu",
    ]
    (tmp_path / "conf/slurm.conf").write_text("srun -p gpu\n")
    assert "conf/slurm.conf: error: a line begins with command, option or default" in ask("ngpu=0")
    (tmp_path / "conf/slurm.conf").write_text("command qsub -q all\n")
    assert "conf/slurm.conf: error: command must be srun or sbatch" in ask("ngpu=0")


def test_several_nodes_need_a_cluster(tmp_path):
    (tmp_path / "conf").mkdir()
    for name in ("mlclap.sh", "path.sh", "cmd.sh", "scripts"):
        (tmp_path / name).symlink_to(TEMPLATE / name)
    (tmp_path / "conf/train.yaml").write_text("max_epoch: 1\n")
    sets = ["--train_sets", "a", "--valid_set", "v", "--test_sets", "t", "--le_ratio", "0"]
    done = subprocess.run(
        ["bash", "mlclap.sh", *sets, "--num_nodes", "2"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "error: --num_nodes 2: needs a cluster (cmd_backend=slurm)." in done.stderr
