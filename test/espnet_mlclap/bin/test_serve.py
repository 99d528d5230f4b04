"""`mlclap serve` on a small trained model, as a process; and what `mlclap demo` does before it serves."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from espnet_mlclap.bin import demo, index, serve
from espnet_mlclap.utils.config import BEST_MODEL


@pytest.fixture
def start(experiment, tones, data_home, capsys):
    """A function that starts the server with options and gives the address that it prints."""
    index.main([str(tones / "audio"), "--model_dir", str(experiment)])
    running = []

    def started(*options):
        command = [sys.executable, "-m", "espnet_mlclap", "serve", "--port", "0", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        line = process.stdout.readline()
        assert line.startswith("open http://"), process.communicate()[1]
        return line.split()[1]

    yield started
    for process in running:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors


def test_it_answers_and_beyond_this_machine_it_wants_a_token(start):
    address = start()
    assert address.startswith("http://127.0.0.1:")
    answer = httpx.post(f"{address}search", json={"words": "a dog barks"}, trust_env=False)
    assert len(answer.json()["hits"]) == 10
    address = start("--host", "0.0.0.0")
    port, token = re.search(r":(\d+)/\?token=(.{20,})", address).groups()
    here = f"http://127.0.0.1:{port}/library"
    assert httpx.get(here, trust_env=False).status_code == 401
    known = {"Authorization": f"Bearer {token}"}
    assert httpx.get(here, headers=known, trust_env=False).status_code == 200


def test_mistakes_are_named(data_home, capsys, tmp_path):
    for options, message in (
        ([], "mlclap index FOLDER"),
        (["--port", "70000", "--model_dir", str(tmp_path)], "Give another --port"),
        (["--burst", "0"], "--burst 0"),
    ):
        with pytest.raises(SystemExit):
            serve.main(options)
        assert message in capsys.readouterr().err


def test_the_demo_takes_the_recipes_own_model_and_needs_a_checkout(tmp_path, monkeypatch, capsys):
    assert demo.trained(tmp_path) is None
    for age, name in enumerate(("mlclap_train_b", "mlclap_train_a", "mlclap_scenes")):
        path = tmp_path / "exp" / name / BEST_MODEL
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (age, age))
    assert demo.trained(tmp_path).name == "mlclap_train_a"
    monkeypatch.setattr(demo, "RECIPE", tmp_path)
    with pytest.raises(SystemExit):
        demo.main([])
    assert "Clone the project" in capsys.readouterr().err
