"""Copies of recipes with nothing made yet, in which tests run them for real."""

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


class RecipeCopy:
    """A copy of egs2/<name>/mlclap1 in `root`; `options` are given to every run of `script`."""

    def __init__(self, root, name, options=(), script="run.sh"):
        self.options = list(options)
        self.script = script
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        }
        self.original = ROOT / "egs2" / name / "mlclap1"
        self.folder = root / "egs2" / name / "mlclap1"
        self.folder.mkdir(parents=True)
        (root / "egs2/TEMPLATE").symlink_to(ROOT / "egs2/TEMPLATE")
        (root / "conf").symlink_to(ROOT / "conf")
        for path in self.original.iterdir():
            if path.is_symlink():
                (self.folder / path.name).symlink_to(os.readlink(path))
            elif path.name in ("local", "conf"):
                shutil.copytree(path, self.folder / path.name)
            elif path.name == "sonar_assets":
                (self.folder / path.name).symlink_to(path)
            elif path.suffix == ".sh":
                shutil.copy2(path, self.folder / path.name)

    def start(self, *options):
        return subprocess.Popen(
            ["bash", self.script, *self.options, *options],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, *options):
        """Run to the end; what it printed."""
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

    def scores(self, tag="t", expdir="exp"):
        path = self.folder / f"{expdir}/mlclap_{tag}/valid.mAP@10.best/scores.json"
        return json.loads(path.read_text())


@pytest.fixture(scope="session")
def copy_recipe():
    """The class, for tests that make copies of their own."""
    return RecipeCopy
