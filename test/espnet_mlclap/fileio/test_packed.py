"""Packed models: ESPnet reads ours, we read ESPnet's, and nothing is written beside the folder."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from espnet_mlclap.fileio.packed import SUFFIXES, write_packed
from espnet_mlclap.fileio.unpacking import unpack, unpack_experiment
from espnet_mlclap.utils.errors import UserError


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "exp" / "mlclap"
    (folder / "text_encoder").mkdir(parents=True)
    (folder / "config.yaml").write_text("tokenizer: text_encoder/pieces\n")
    (folder / "5epoch.pth").write_bytes(b"weights" * 1000)
    (folder / "best.pth").symlink_to("5epoch.pth")
    (folder / "text_encoder" / "pieces").write_text("a b")
    (tmp_path / "NOTICE").write_text("ours")
    return folder


def write(experiment, out):
    files = {"model_file": experiment / "best.pth", "pieces": experiment / "text_encoder/pieces"}
    config = {"config": experiment / "config.yaml"}
    write_packed(out, experiment, files, config, [experiment.parents[1] / "NOTICE"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_espnet_and_we_read_it(experiment, tmp_path, suffix, monkeypatch):
    from espnet2.main_funcs import pack_funcs

    monkeypatch.chdir(tmp_path)
    out = tmp_path / f"model{suffix}"
    write(experiment, out)
    assert os.getcwd() == str(tmp_path)
    for how, folder in ((pack_funcs.unpack, tmp_path / "theirs"), (unpack, tmp_path / "ours")):
        files = how(out, folder)
        assert set(files) == {"model_file", "pieces", "config"}
        assert Path(files["model_file"]).read_bytes() == b"weights" * 1000
        config = yaml.safe_load(Path(files["config"]).read_text())
        assert config == {"tokenizer": "text_encoder/pieces"}
        assert (folder / "mlclap" / config["tokenizer"]).read_text() == "a b"
        assert (folder / "mlclap" / "NOTICE").read_text() == "ours"
    assert not list(tmp_path.glob(".tmp*"))


def test_we_read_what_espnet_packs(experiment, tmp_path, monkeypatch):
    from espnet2.main_funcs import pack_funcs

    monkeypatch.chdir(experiment.parent)
    pack_funcs.pack(
        {"model_file": "mlclap/5epoch.pth"}, {"config": "mlclap/config.yaml"}, "their.zip"
    )
    files = unpack("their.zip", tmp_path / "out", ("config", "model_file"))
    assert files["model_file"].read_bytes() == b"weights" * 1000
    with pytest.raises(UserError, match="of another program: it has no 'asr_config'"):
        unpack("their.zip", tmp_path / "again", ("asr_config",))


def test_mistakes_are_named(experiment, tmp_path):
    with pytest.raises(UserError, match="model.rar: must end in .zip, .tar"):
        write(experiment, tmp_path / "model.rar")
    (experiment / "best.pth").unlink()
    with pytest.raises(UserError, match="best.pth: no such file, so mlclap cannot be packed"):
        write(experiment, tmp_path / "model.zip")
    assert not (tmp_path / "model.zip").exists()
    other = tmp_path / "config.yaml"
    other.write_text("")
    with pytest.raises(UserError, match="would be mlclap/config.yaml in the archive"):
        write_packed(
            tmp_path / "model.zip", experiment, {}, {"config": experiment / "config.yaml"}, [other]
        )


def test_an_archive_cannot_write_beside_the_folder(tmp_path):
    (tmp_path / "evil").write_text("x")
    meta = yaml.safe_dump({"files": {}, "yaml_files": {}})
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("meta.yaml", meta)
        file.writestr("../outside", "x")
    with pytest.raises(UserError, match="names a file outside of itself"):
        unpack(tmp_path / "evil.zip", tmp_path / "a" / "b")
    with tarfile.open(tmp_path / "evil.tar", "w") as file:
        file.add(tmp_path / "evil", "../outside")
    with pytest.raises(UserError, match="names a file outside of itself"):
        unpack(tmp_path / "evil.tar", tmp_path / "a" / "c")
    assert not (tmp_path / "a" / "outside").exists()


@pytest.mark.parametrize("content", [b"PK nonsense", b"", b"\x1f\x8b"])
def test_what_is_no_archive(tmp_path, content):
    (tmp_path / "model.zip").write_bytes(content)
    with pytest.raises(UserError, match="model.zip: not a packed model"):
        unpack(tmp_path / "model.zip", tmp_path / "out")


def test_an_experiment_again(experiment, tmp_path):
    out = tmp_path / "model.zip"
    tokenizer = {"text_encoder/pieces": experiment / "text_encoder/pieces"}
    files = {"model_file": experiment / "best.pth", **tokenizer}
    write_packed(out, experiment, files, {"config": experiment / "config.yaml"})
    folder = tmp_path / "exp" / "again"
    folder.mkdir()
    (folder / "log").write_text("kept")
    unpack_experiment(out, folder, "valid.best.pth")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "config.yaml", "log", "text_encoder/pieces", "valid.best.pth",
    ]  # fmt: skip
    assert (folder / "valid.best.pth").read_bytes() == b"weights" * 1000


@pytest.mark.parametrize(
    ("key", "path"), [("model_file", "../../secret"), ("../outside", "mlclap/best.pth")]
)
def test_names_that_lead_outside_are_refused(tmp_path, key, path):
    (tmp_path / "secret").write_text("not theirs")
    meta = {
        "yaml_files": {"config": "mlclap/config.yaml"},
        "files": {"model_file": "mlclap/best.pth"},
    }
    meta["files"][key] = path
    out = tmp_path / "bad.zip"
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("meta.yaml", yaml.safe_dump(meta))
        file.writestr("mlclap/config.yaml", "{}")
        file.writestr("mlclap/best.pth", "weights")
    with pytest.raises(UserError, match="names a file outside of itself"):
        unpack_experiment(out, tmp_path / "exp", "best.pth")
    assert (tmp_path / "secret").exists()
    assert not (tmp_path / "outside").exists()
