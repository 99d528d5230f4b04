"""The engine with commands that only pretend: tests see which are run, and with what."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[3] / "egs2/TEMPLATE/mlclap1"

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


class Call(list):
    """The words of a command, its name first."""

    def values(self, option):
        """What an option was given, each time it is there."""
        return [self[index + 1] for index, word in enumerate(self) if word == option]


class Result(subprocess.CompletedProcess):
    """A run that ended: `calls` of commands, and in `tables` those of make_tables, which looks each time."""

    def __init__(self, ended, calls):
        super().__init__(ended.args, ended.returncode, ended.stdout, ended.stderr)
        self.calls = [call for call in calls if call[0] != "make_tables"]
        self.tables = [call for call in calls if call[0] == "make_tables"]

    @property
    def names(self):
        return [call[0] for call in self.calls]

    def call(self, name):
        """The first call of a command."""
        return next(call for call in self.calls if call[0] == name)


class Recipe:
    """A recipe with data of one line.

    Attributes:
        options: those of its run.sh.
        data: its local/data.sh.
    """

    options = (*SETS, *SONAR)
    data = DATA

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
            ["bash", "mlclap.sh", *self.options, "--", *options],
            cwd=self.folder,
            env={**self.environment, "RESULTS": str(results), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options, **environment):
        """The result of a run to its end."""
        self.calls_file.write_text("")
        results = self.folder / "exp/mlclap_t/valid.mAP@10.best/RESULTS.md"
        ended = subprocess.run(
            ["bash", "mlclap.sh", *self.options, "--", "--mlclap_tag", "t", *options],
            cwd=self.folder,
            env={**self.environment, "RESULTS": str(results), **environment},
            capture_output=True,
            text=True,
        )
        calls = [Call(line.split()) for line in self.calls_file.read_text().splitlines()]
        return Result(ended, calls)


@pytest.fixture
def recipe(tmp_path):
    return Recipe(tmp_path)
