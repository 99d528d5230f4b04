"""Commands start quickly: asking for help, preparing data and scoring import no model and fetch nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import espnet_mlclap.bin

COMMANDS = sorted(
    path.stem
    for path in Path(espnet_mlclap.bin.__file__).parent.glob("*.py")
    if path.stem != "__init__"
)
# what takes longer to import than the rest of a command's start together
HEAVY = (
    *("torch", "espnet2", "nltk", "fairseq2", "transformers", "matplotlib", "scipy", "sonar"),
    *("huggingface_hub", "yt_dlp", "openai", "sacrebleu", "wandb"),
)
PROGRAM = """
import importlib, json, sys
name, arguments, heavy = json.loads(sys.argv[1])
module = importlib.import_module(f"espnet_mlclap.bin.{name}")
try:
    module.main(arguments)
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *(one for one in heavy if one in sys.modules))
"""


def loaded(name, *arguments):
    """What a command loads of `HEAVY`, and all that it prints."""
    text = json.dumps([name, list(map(str, arguments)), HEAVY])
    run = subprocess.run([sys.executable, "-c", PROGRAM, text], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    *printed, last = run.stdout.splitlines()
    assert last.startswith("LOADED")
    return last.split()[1:], "\n".join(printed) + run.stderr


# train's options are those of ESPnet, which has to be imported for them
@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"train"}))
def test_help_needs_no_model(command):
    heavy, printed = loaded(command, "--help")
    assert heavy == []
    assert printed.startswith("usage:")


def uses(folder, tones, make_embeddings):
    """What users do with commands that need no model: name, arguments."""
    for split in ("train", "test"):
        recordings = folder / "recordings" / split
        recordings.mkdir(parents=True)
        rows = ["file_name,caption", *(f"{number}.wav,A dog barks." for number in range(4))]
        (recordings / "metadata.csv").write_text("\n".join(rows))
        for number in range(4):
            soundfile.write(recordings / f"{number}.wav", [0.1, -0.1] * 8000, 16000)
    make_embeddings(folder / "one/inf/test")
    make_embeddings(folder / "two/inf/test", seed=1)
    (folder / "exp").mkdir()
    for name in ("config.yaml", "model.pth"):
        (folder / "exp" / name).write_text("{}")
    train, valid = tones / "train", tones / "valid"
    return [
        ("prepare_audio_folder", "--corpus", recordings.parent, "--out_dir", folder / "data"),
        ("combine_data", "--data_dirs", train, valid, "--out_dir", folder / "both"),
        ("format_audio", "--data_dir", train, "--out_dir", folder / "flac"),
        ("format_audio", "--data_dir", train, "--out_dir", folder / "ark", "--audio_format", "flac.ark"),
        ("check_data", "--train_data_dir", train, "--test_data_dir", valid, "--out_dir", folder / "stats"),
        ("score", "--inference_dir", folder / "one/inf", "--bootstrap", "5"),
        ("score", "--inference_dir", folder / "two/inf", "--bootstrap", "5"),
        ("compare", folder / "one/inf", folder / "two/inf"),
        ("pack", "--experiment_dir", folder / "exp", "--model_file", "model.pth", "--out", folder / "m.zip"),
        ("download_weights", "--list"),
    ]  # fmt: skip


def test_use_without_a_model_loads_none(tones, make_embeddings, tmp_path):
    for command in uses(tmp_path, tones, make_embeddings):
        assert (command[0], loaded(*command)[0]) == (command[0], [])


def test_a_figure_is_the_only_use_of_matplotlib(make_embeddings, tmp_path):
    make_embeddings(tmp_path / "exp/inf/test")
    loaded("score", "--inference_dir", tmp_path / "exp/inf", "--bootstrap", "5")
    (tmp_path / "exp/config.yaml").write_text("{}")
    heavy, _ = loaded("report", "--experiment_dir", tmp_path / "exp", "--inference_tag", "inf")
    assert heavy == ["matplotlib"]


def test_a_query_loads_torch_alone(experiment):
    code = "import json, sys; from espnet_mlclap import MLCLAP; folder, heavy = json.loads(sys.argv[1])"
    code += "; MLCLAP.from_pretrained(folder).encode_text('a dog barks')"
    code += "; print(*(one for one in heavy if one in sys.modules))"
    program = [sys.executable, "-c", code, json.dumps([str(experiment), HEAVY])]
    run = subprocess.run(program, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "torch\n"), run.stderr


def test_the_package_itself_imports_nothing():
    code = "import sys, espnet_mlclap; print({'torch', 'numpy', 'yaml'} & {*sys.modules})"
    code += "; assert 'MLCLAP' in dir(espnet_mlclap); from espnet_mlclap import MLCLAP as one"
    code += "; from espnet_mlclap.inference import MLCLAP as other; assert one is other"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "set()\n"), run.stderr
    with pytest.raises(AttributeError, match="module 'espnet_mlclap' has no attribute 'MLClap'"):
        _ = espnet_mlclap.MLClap
