"""What the machine has run out of: named with the file and what to do, with nothing half written."""

import errno
import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
import torch

from espnet_mlclap.fileio.data_dir import Caption, DataDir
from espnet_mlclap.fileio.format_audio import AUDIO_FORMATS, format_audio
from espnet_mlclap.utils.atomic import atomic_dir, atomic_open
from espnet_mlclap.utils.cli import one_line_errors
from espnet_mlclap.utils.resources import explain, naming


@contextmanager
def limit(which, value):
    """A limit of this process, for a while."""
    before = resource.getrlimit(which)
    resource.setrlimit(which, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


def one_line(capsys, action):
    with pytest.raises(SystemExit) as ended, one_line_errors("mlclap test"):
        action()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def write_text(path):
    with atomic_open(path) as file:
        file.write("x" * 100_000)


def write_weights(path):
    with atomic_open(path, "wb") as file:
        torch.save({"weight": torch.zeros(100_000)}, file)


def write_folder(path):
    with atomic_dir(path) as folder:
        np.save(folder / "x.npy", np.zeros(100_000))


@pytest.mark.parametrize("write", [write_text, write_weights, write_folder])
def test_a_file_that_may_not_be_as_large(tmp_path, capsys, write):
    with limit(resource.RLIMIT_FSIZE, 20_000):
        line = one_line(capsys, lambda: write(tmp_path / "out"))
    assert f"error: {tmp_path}/out" in line.replace(".out", "out") or "x.npy" in line
    assert "a file may not be larger than 20 kB here. Raise that (ulimit -f unlimited)" in line
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "out")


def test_the_space_that_is_needed(tmp_path, capsys):
    from espnet_mlclap.fileio.packed import write_packed
    from espnet_mlclap.fileio.unpacking import unpack

    (tmp_path / "exp").mkdir()
    files = {"model_file": tmp_path / "exp/x.pth"}
    files["model_file"].write_bytes(bytes(500_000))

    def pack():
        write_packed(tmp_path / "out.zip", tmp_path / "exp", files, {})

    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OSError, match="of the 500 kB that it needs"),
        naming(tmp_path / "x", tmp_path / "x", 500_000),
    ):
        raise full
    with limit(resource.RLIMIT_FSIZE, 20_000):
        assert "out.zip: a file may not be larger" in one_line(capsys, pack)
    pack()
    with limit(resource.RLIMIT_FSIZE, 20_000):
        line = one_line(capsys, lambda: unpack(tmp_path / "out.zip", tmp_path / "new"))
    assert "new/exp/x.pth: a file may not be larger" in line


@pytest.mark.parametrize("audio_format", [name for name in AUDIO_FORMATS if name != "original"])
def test_formatting_names_what_could_not_be_written(tmp_path, capsys, audio_format):
    noise = np.random.default_rng(0).standard_normal(64000) * 0.1
    soundfile.write(tmp_path / "x.wav", noise, 16000)
    data = DataDir(
        wav_scp={"c": str(tmp_path / "x.wav")}, captions={"c-1": Caption("x", "c", "eng_Latn")}
    )
    options = {"wav_scp": "wav.scp", "audio_format": audio_format}
    if audio_format == "log_mel.ark":
        options["log_mel"] = lambda samples: np.zeros((len(samples) // 160, 64), np.float32)

    def run():
        return format_audio(data, tmp_path / "out", skip_bad_audio=True, **options)

    with limit(resource.RLIMIT_FSIZE, 20_000):
        line = one_line(capsys, run)
    assert "out/blocks/" in line
    assert "a file may not be larger than 20 kB" in line
    assert run() == [], "a clip that could not be written is no bad clip"


def test_too_many_files(tmp_path, capsys):
    soundfile.write(tmp_path / "x.wav", np.zeros(1600), 16000)
    from espnet_mlclap.fileio.audio import read_mono

    read_mono(tmp_path / "x.wav")
    opened = []
    try:
        with limit(resource.RLIMIT_NOFILE, len(os.listdir("/proc/self/fd")) + 8):
            while len(opened) < 20:
                try:
                    opened.append(open(os.devnull))  # noqa: SIM115
                except OSError:
                    break
            line = one_line(capsys, lambda: read_mono(tmp_path / "x.wav"))
    finally:
        for file in opened:
            file.close()
    assert "too many files are open" in line
    assert "ulimit -n" in line


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/no such folder/x"), "(/|/tmp).*are free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x\n.pth"), r"x\\n.pth: your disk quota was used up"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "read-only. Write elsewhere"),
        (MemoryError(), "too little memory. Use smaller batches"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you "
                      "tried to allocate 4000 bytes."), "too little memory"),
        (RuntimeError("unable to mmap 64 bytes: Cannot allocate memory (12)"), "too little memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), "memory on the GPU"),
        (RuntimeError("DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that "
                      "dataloader's workers are out of shared memory."), "too little shared memory.*--shm"),
        (RuntimeError("received 0 items of ancdata"), "too many files are open"),
    ],
)  # fmt: skip
def test_what_libraries_say(error, message):
    import re

    assert re.search(message, explain(error))
    wrapped = RuntimeError("something failed")
    wrapped.__cause__ = error
    assert explain(wrapped) == explain(error)


def test_other_errors_are_no_shortage():
    for error in (
        OSError(errno.ENOENT, "No such file"),
        RuntimeError("shape mismatch"),
        KeyError("x"),
    ):
        assert explain(error) is None
    with pytest.raises(RuntimeError, match="shape"), one_line_errors("x"):
        raise RuntimeError("shape mismatch")


def test_a_full_disk(tmp_path):
    """Needs a small file system of its own, which not everybody may mount."""
    code = """
import sys
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.cli import one_line_errors
with one_line_errors("mlclap test"), atomic_open(sys.argv[1] + "/x", "wb") as file:
    file.write(bytes(1 << 20))
"""
    script = f"mount -t tmpfs -o size=100k tmpfs {tmp_path} && exec {sys.executable} -c '{code}' {tmp_path}"
    user = [] if os.geteuid() == 0 else ["-r"]
    ended = subprocess.run(
        ["unshare", "-m", *user, "sh", "-c", script], capture_output=True, text=True
    )
    if "mount" in ended.stderr or "unshare" in ended.stderr:
        pytest.skip("no file system can be mounted here")
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"mlclap test: error: {tmp_path}/x: no space was left on the disk after "
    )
    assert (
        f"kB of it (0 bytes of 102 kB are free in {tmp_path}). Make room or write elsewhere"
        in ended.stderr
    )
    assert ended.stderr.count("\n") == 1
