"""The command: listing, pointing at local copies, verifying, and mistakes in one line."""

import os
import subprocess
import sys

import pytest

from espnet_mlclap.bin.download_weights import main


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MLCLAP_WEIGHTS", str(tmp_path / "cache"))


def test_list_names_source_licence_and_verification(capsys):
    main(["--list"])
    output = capsys.readouterr().out
    for part in (
        "ced_base:",
        "licence: Apache-2.0",
        "https://zenodo.org/records/14229658/files/pretrain.pt",
        "md5 stated by Zenodo's interface",
        "CC-BY-NC-4.0",
        "not downloaded",
    ):
        assert part in output


def test_use_a_local_copy(capsys, tmp_path):
    copy = tmp_path / "ced.safetensors"
    copy.write_bytes(b"not CED")
    main(["--use", f"ced_base={copy}", "--list"])
    assert str(copy) in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--verify", "ced_base"])
    assert "where its publisher states 3149356" in capsys.readouterr().err
    main(["--use", "ced_base="])
    with pytest.raises(SystemExit):
        main(["--verify", "ced_base"])
    assert "not here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do"),
        (["ced_huge"], "no such name among ced_tiny"),
        (["--use", "ced_base"], "must be NAME=PATH"),
        (["--use", "ced_base=/absent"], "/absent: no such file"),
    ],
)
def test_mistakes(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    assert message in capsys.readouterr().err


def test_help_starts_without_torch():
    script = (
        "import sys; from espnet_mlclap.bin.download_weights import main\n"
        "try: main(['--help'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    before = (
        os.times().children_user
    )  # seconds of computing: those of a clock depend on what else runs
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert os.times().children_user - before < 3
