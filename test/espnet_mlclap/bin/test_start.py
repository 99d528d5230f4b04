"""Commands start quickly: asking for help, preparing data and scoring import no model and fetch nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

import espnet_mlclap.bin

COMMANDS = sorted(
    path.stem
    for path in Path(espnet_mlclap.bin.__file__).parent.glob("*.py")
    if path.stem != "__init__"
)
HEAVY = ("torch", "espnet2", "nltk", "fairseq2", "transformers")
PROGRAM = """
import importlib, sys
name, heavy = sys.argv[1], sys.argv[2].split()
module = importlib.import_module(f"espnet_mlclap.bin.{name}")
try:
    module.main(["--help"])
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *(one for one in heavy if one in sys.modules))
"""


# train's options are those of ESPnet, which has to be imported for them; mlclap_inference is no command
@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"train", "mlclap_inference"}))
def test_help_needs_no_model(command):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, " ".join(HEAVY)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "usage:" in run.stdout
    assert run.stdout.splitlines()[-1] == "LOADED", run.stdout.splitlines()[-1]
    assert run.stderr == ""
