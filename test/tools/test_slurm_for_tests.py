"""The cluster for tests: two nodes that run jobs, and nothing left of it afterwards."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools/slurm_for_tests.sh"


def run(command, **options):
    return subprocess.run(command, text=True, capture_output=True, **options)


def processes_with(word):
    """Command lines of the processes that have it in their environment, this one and zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_bytes())
        except OSError:  # has ended, or is another user's
            continue
    return [line for line in found if line]


@pytest.mark.skipif(
    not all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("slurmctld", "munged")),
    reason="Slurm is not installed (apt-get install slurmctld slurmd slurm-client munge)",
)
def test_two_nodes_run_a_job_and_stop_leaves_nothing(tmp_path):
    folder = tmp_path / "cluster"
    try:
        started = run(["bash", SCRIPT, "start", folder])
        if started.returncode != 0:
            pytest.skip(f"Slurm cannot be started here: {started.stderr[-300:]}")
        environment = {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf"}
        assert started.stdout == f"export SLURM_CONF={folder}/slurm.conf\n"
        again = run(["bash", SCRIPT, "start", folder])
        assert again.stdout.startswith("runs already")
        say = "echo $SLURMD_NODENAME"
        on_both = run(["srun", "--nodes", "2", "bash", "-c", say], env=environment)
        assert sorted(on_both.stdout.split()) == ["n1", "n2"]
        job = "#!/bin/bash\nsleep 600\n"
        run(["sbatch", "--array=1-2", "--output", folder / "%a"], input=job, env=environment)
        end = time.monotonic() + 10
        while not (folder / "2").exists() and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        stopped = run(["bash", SCRIPT, "stop", folder])
    assert stopped.returncode == 0, stopped.stderr
    assert processes_with(f"{folder}/slurm.conf") == []


def test_without_a_verb_it_says_how_it_is_used():
    wrong = run(["bash", SCRIPT])
    assert wrong.returncode == 2
    assert "start FOLDER" in wrong.stderr
