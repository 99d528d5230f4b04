"""Decode a file block by block: by libsndfile, and by ffmpeg what libsndfile does not read, or not all of.

Which of the two follows from what the file holds, whatever its name. ffmpeg gets the path after `file:`, so
that `12:30.m4a` is no protocol and `-x.m4a` no option; it opens that file alone and only as audio or video,
no playlist that names others.
"""

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO, Iterator, NamedTuple, Optional, Tuple

import numpy as np

from espnet_mlclap.fileio.containers import Promise, promise_of
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.resources import is_shortage
from espnet_mlclap.utils.shown import shown

_BLOCK_FRAMES = 1 << 16
_RATES = (1_000, 1_000_000)  # Hz; others are no sound, and would be resampled to any size
# what ffmpeg may take a file for
_FFMPEG_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,oma,"
    "rm,tak,tta,voc,w64,wav,wv,xwma"
)


class AudioError(UserError):
    """A clip cannot be used: missing, empty, cut off, not audio, or with samples that are not numbers."""


class Stream(NamedTuple):
    """Sound as it is decoded: Hz, and blocks [frames, channels] float32, which can be gone through once."""

    rate: int
    blocks: Iterator[np.ndarray]


@contextlib.contextmanager
def decode(path: Path, name: Optional[str] = None) -> Iterator[Stream]:
    """Open a file of audio.

    Args:
        path: the file.
        name: what messages call it, where it is a copy of something else.

    Raises:
        AudioError: it is missing, may not be read, empty, cut off or not audio; the last two also while its
            blocks are gone through.
    """
    name = shown(name or path)
    with _opened(path, name) as (file, size):
        promise = promise_of(file, size)
        if promise.problem:
            raise AudioError(f"{name}: {promise.problem}.")
        with contextlib.ExitStack() as stack:
            stream = _by_libsndfile(file, promise, stack, name) or _by_ffmpeg(path, stack, name)
            if not _RATES[0] <= stream.rate <= _RATES[1]:
                raise AudioError(f"{name}: a sampling rate of {stream.rate} Hz is no sound.")
            if promise.frames is not None:
                stream = stream._replace(blocks=_counted(stream.blocks, promise.frames, name))
            yield stream


def _counted(blocks: Iterator[np.ndarray], frames: int, name: str) -> Iterator[np.ndarray]:
    done = 0
    for block in blocks:
        done += len(block)
        yield block
    if done < frames:
        raise AudioError(f"{name}: cut off after {done} of {frames} samples.")


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[Tuple[BinaryIO, int]]:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"{name}: not a file, but a folder, a pipe or a device.")
        if status.st_size == 0:
            raise AudioError(f"{name}: the file is empty (0 bytes).")
        file = open(path, "rb")  # noqa: SIM115 closed below
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file.") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        if is_shortage(error):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{name}: cannot be read ({reason}).") from error
    with file:
        yield file, status.st_size


def _by_libsndfile(
    file: BinaryIO, promise: Promise, stack: contextlib.ExitStack, name: str
) -> "Stream | None":
    """The stream, or None if ffmpeg has to be asked."""
    import soundfile

    if not promise.libsndfile:
        return None
    # not `file.seek`, which leaves the descriptor where it is if Python has read that far already
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:  # by the open file: names that are not UTF-8 work, and the ending of the name plays no part
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.LibsndfileError:
        return None
    return Stream(sound.samplerate, _blocks(stack.enter_context(sound), name))


def _blocks(sound: "soundfile.SoundFile", name: str) -> Iterator[np.ndarray]:  # noqa: F821
    import soundfile

    while True:
        try:
            block = sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name}: broken or cut off ({error}).") from error
        if not len(block):
            break
        yield block


def _by_ffmpeg(path: Path, stack: contextlib.ExitStack, name: str) -> Stream:
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        raise AudioError(f"{name}: not audio that libsndfile can read; install ffmpeg for it.")
    source = [
        "-v", "error", "-protocol_whitelist", "file", "-format_whitelist", _FFMPEG_FORMATS,
        "-i", f"file:{path}",
    ]  # fmt: skip
    probe = subprocess.run(
        ["ffprobe", *source, "-select_streams", "a:0", "-show_entries", "stream=sample_rate,channels",
         "-of", "default=nokey=1:noprint_wrappers=1"],
        capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    fields = probe.stdout.split()[:2]
    if probe.returncode != 0 or len(fields) < 2 or not all(field.isdigit() for field in fields):
        raise AudioError(f"{name}: not audio; neither libsndfile nor ffmpeg can read it.")
    rate, channels = map(int, fields)
    messages = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 entered
    process = stack.enter_context(
        subprocess.Popen(
            ["ffmpeg", *source, "-map", "0:a:0", "-ac", str(channels), "-ar", str(rate), "-f", "f32le", "-"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages,
        )
    )  # fmt: skip
    stack.callback(process.kill)  # where the blocks were not gone through to the end

    def blocks() -> Iterator[np.ndarray]:
        assert process.stdout is not None
        while data := process.stdout.read(4 * channels * _BLOCK_FRAMES):
            yield np.frombuffer(data, dtype="<f4").reshape(-1, channels)
        if process.wait() != 0:
            messages.seek(0)
            lines = messages.read().decode(errors="replace").strip().splitlines() or [
                "ffmpeg failed"
            ]
            raise AudioError(f"{name}: broken audio ({shown(lines[-1])}).")

    return Stream(rate, blocks())
