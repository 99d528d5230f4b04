"""Left-overs of killed writers, stale results"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import espnet_mlclap
from espnet_mlclap.bin import compare, pack, score
from espnet_mlclap.corpora.audio_folder import prepare_audio_folder
from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.utils.atomic import atomic_dir, atomic_open
from espnet_mlclap.utils.errors import UserError

REPOSITORY = Path(espnet_mlclap.__file__).resolve().parents[1]
KILLED = """
import os, signal
from espnet_mlclap.utils.atomic import atomic_dir, atomic_open
with {writer}({path!r}) as target:
    {write}
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITES = {
    "atomic_open": "target.write('half'); target.flush()",
    "atomic_dir": "(target / 'audio_embeddings.npy').write_bytes(b'half')",
}


def write_embeddings(folder, langs=("eng_Latn",)):
    """Four clips, each with a caption in each language."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    captions = [f"c{n}-{lang}-1 c{n} {lang}\n" for lang in langs for n in range(4)]
    for name, rows in (("audio", 4), ("text", len(captions))):
        values = generator.standard_normal((rows, 8)).astype(np.float32)
        np.save(folder / f"{name}_embeddings.npy", values)
    (folder / "clip_ids").write_text("".join(f"c{n}\n" for n in range(4)))
    (folder / "caption_ids").write_text("".join(captions))
    return folder


def killed(writer, path):
    code = KILLED.format(writer=writer, path=str(path), write=WRITES[writer])
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL


@pytest.mark.parametrize("content", ["half", "whole"])
def test_a_left_over_is_no_test_set(tmp_path, content):
    """A kill in stage 6 leaves `.test.*.tmp`, half or whole: stage 7 does not score it."""
    write_embeddings(tmp_path / "test")
    if content == "half":
        killed("atomic_dir", tmp_path / "test")
    else:
        shutil.copytree(tmp_path / "test", tmp_path / ".test.abc.tmp")
    score.main(["--inference_dir", str(tmp_path), "--bootstrap", "2"])
    assert list(json.loads((tmp_path / "scores.json").read_text())) == ["test"]


def test_a_left_over_is_no_result(tmp_path, capsys):
    """A left-over of a folder of results is not compared with."""
    write_embeddings(tmp_path / "exp/best/test")
    score.main(["--inference_dir", str(tmp_path / "exp/best"), "--bootstrap", "2"])
    shutil.copytree(tmp_path / "exp/best", tmp_path / "exp/.best.x.tmp")
    from espnet_mlclap.evaluation.paired import find_results

    assert find_results(tmp_path / "exp") == tmp_path / "exp/best"
    with pytest.raises(SystemExit):
        compare.main([str(tmp_path / "exp"), str(tmp_path / "exp")])
    assert ".best.x.tmp" not in capsys.readouterr().err


def test_a_left_over_is_not_packed(copied_model, tmp_path):
    """A left-over next to the tokenizer does not go into a packed model."""
    (copied_model / "text_encoder/.sentencepiece.model.x.tmp").write_text("half")
    pack.main(["--experiment_dir", str(copied_model), "--out", str(tmp_path / "m.zip")])
    import zipfile

    assert not [name for name in zipfile.ZipFile(tmp_path / "m.zip").namelist() if ".tmp" in name]


@pytest.mark.parametrize("writer", list(WRITES))
@pytest.mark.parametrize("times", [1, 3])
def test_the_next_writer_removes_them(tmp_path, writer, times):
    """What killed writers have left is removed by the next writer of the same thing."""
    for _ in range(times):
        killed(writer, tmp_path / "thing")
    with {"atomic_open": atomic_open, "atomic_dir": atomic_dir}[writer](tmp_path / "thing"):
        pass
    assert os.listdir(tmp_path) == ["thing"]


def spoil(folder, how):
    audio, captions = folder / "audio_embeddings.npy", folder / "caption_ids"
    values = np.load(audio)
    if how == "NaN":
        values[1, 2] = np.nan
    np.save(
        audio,
        {"whole numbers": values.astype(int), "complex numbers": values.astype(complex),
         "words": values.astype(str), "objects": values.astype(object), "one row less": values[1:],
         "another width": values[:, 1:], "a cube": values[None]}.get(how, values),
    )  # fmt: skip
    if how == "a language that does not exist":
        captions.write_text(captions.read_text().replace("eng_Latn", "xyz_Latn"))
    if how == "cut":
        audio.write_bytes(audio.read_bytes()[:-10])
    if how == "a huge header":
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 8), }" % 10**12
        audio.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    if how == "empty":
        audio.write_bytes(b"")


@pytest.mark.parametrize(
    "how",
    ["NaN", "whole numbers", "complex numbers", "words", "objects", "one row less", "another width",
     "a cube", "a language that does not exist", "cut", "a huge header", "empty"],
)  # fmt: skip
def test_embeddings_that_are_none(tmp_path, how):
    """NaN, integers, objects, a language that does not exist, another size in embeddings: no scores."""
    folder = write_embeddings(tmp_path / "test")
    spoil(folder, how)
    with pytest.raises(UserError, match="test"):
        read_embeddings(folder)


def run_stages(recipe, corpus):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    options = ["--corpus", str(corpus), "--nj", "1", "--stage", "3", "--stop_stage", "3"]
    run = subprocess.run(
        ["bash", "run.sh", *options], cwd=recipe, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.seconds(240)
@pytest.mark.parametrize("change", ["another length", "the same length"])
def test_recordings_that_were_replaced(tmp_path, change):
    """All recordings were replaced under the same names: stage 3 formats them again, once."""
    corpus, recipe = tmp_path / "corpus", tmp_path / "egs2/audio_folder/mlclap1"
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        (corpus / split).mkdir(parents=True)
        soundfile.write(corpus / split / "a.wav", generator.uniform(-1, 1, 16000), 16000)
        (corpus / split / "metadata.csv").write_text("file_name,caption\na.wav,A dog barks.\n")
    shutil.copytree(REPOSITORY / "egs2/audio_folder/mlclap1", recipe, symlinks=True)
    for name in ("egs2/TEMPLATE", "conf", "espnet_mlclap", "tools"):
        if (REPOSITORY / name).exists():
            (tmp_path / name).symlink_to(REPOSITORY / name)
    prepare_audio_folder(corpus, recipe / "data")
    (recipe / "data/.corpus").write_text(f"{corpus}\n")
    assert run_stages(recipe, corpus).count("done already") == 0
    before = (recipe / "dump/flac/test/clip2md5").read_text()
    assert run_stages(recipe, corpus).count("done already") == 3
    samples = {"another length": 24000, "the same length": 16000}[change]
    soundfile.write(corpus / "test/a.wav", generator.uniform(-1, 1, samples), 16000)
    assert run_stages(recipe, corpus).count("done already") == 2
    assert (recipe / "dump/flac/test/clip2md5").read_text() != before
