"""Read one clip, whatever it is stored in: wav, flac, ogg, mp3 ..., or an entry of a Kaldi archive."""

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Tuple, Union

import numpy as np

from espnet_mlclap.utils.errors import UserError

if TYPE_CHECKING:
    import soundfile

SAMPLING_RATE = 16000  # Hz, of everything that the model hears
HOP_LENGTH = 160  # samples between two frames of log-mel features
# Ends of the names that recordings have. What a file holds is found out when it is read.
AUDIO_SUFFIXES = frozenset(
    ".wav .wave .flac .mp3 .ogg .oga .opus .aif .aiff .aifc .au .snd .caf .w64 .rf64 .m4a .m4b .mp4 .aac "
    ".webm .weba .mka .mkv .mov .3gp .amr .ac3 .mp2 .wma .asf .wv .ape .tta".split()
)


class AudioError(UserError):
    """A clip cannot be used: missing, empty, not audio, or with samples that are not numbers."""


class Waveform(NamedTuple):
    """samples [frames, channels] float32 in [-1, 1]; rate in Hz."""

    samples: np.ndarray
    rate: int


def read_audio(path: Union[str, Path]) -> Waveform:
    """Read an audio file with libsndfile, or with ffmpeg where libsndfile does not know the format.

    Raises:
        AudioError: the file is missing, empty, cut off, not audio, or holds NaN or infinite samples.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes).")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        samples, rate = _read_with_ffmpeg(path, str(error))
    else:
        samples, rate = _read_all(file, path), file.samplerate
    return Waveform(check_samples(samples, str(path)), rate)


def _read_all(file: "soundfile.SoundFile", path: Path) -> np.ndarray:
    import soundfile

    with file:
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: broken or cut off ({error}).") from error
        if len(samples) < file.frames and file.format == "FLAC":  # other formats only guess it
            raise AudioError(f"{path}: cut off after {len(samples)} of {file.frames} samples.")
    return samples


def check_samples(samples: np.ndarray, where: str) -> np.ndarray:
    """Return `samples` if there are any and all are finite.

    Raises:
        AudioError: otherwise; starts with `where`.
    """
    if samples.shape[0] == 0:
        raise AudioError(f"{where}: no samples in it.")
    if not np.isfinite(samples).all():
        count = int((~np.isfinite(samples)).sum())
        raise AudioError(f"{where}: {count} samples are NaN or infinite.")
    return samples


def to_mono(waveform: Waveform, rate: int = SAMPLING_RATE) -> np.ndarray:
    """Mean of the channels, resampled to `rate` Hz.

    Returns:
        [samples] float32.
    """
    import soxr

    mono = waveform.samples.mean(axis=1, dtype=np.float32)
    if waveform.rate != rate:
        mono = soxr.resample(mono, waveform.rate, rate, quality="HQ")
    return np.ascontiguousarray(mono, dtype=np.float32)


def load_clip(location: str) -> np.ndarray:
    """Read a clip of a formatted set, from a file or an entry `archive.ark:offset`.

    Returns:
        [samples] float32 at 16 kHz (recordings that were left as they are, `--audio_format original`, are
        resampled), or [frames, mel bins] float32 in dB from a log-mel archive.

    Raises:
        AudioError: it cannot be read.
    """
    loaded = _load(location)
    return loaded if isinstance(loaded, np.ndarray) else to_mono(loaded)


def read_clip(location: str) -> Waveform:
    """Read a clip of a formatted set at the rate at which it is stored.

    Raises:
        AudioError: it cannot be read, or is features instead of samples.
    """
    loaded = _load(location)
    if isinstance(loaded, np.ndarray):
        raise AudioError(
            f"{location}: log-mel features instead of samples. Format the audio as flac, flac.ark or "
            "original."
        )
    return loaded


def _load(location: str) -> Union[Waveform, np.ndarray]:
    archive, _, offset = location.rpartition(":")
    if not (archive and offset.isdigit()) or Path(location).exists():
        return read_audio(location)
    loaded = _load_from_archive(location)
    if isinstance(loaded, np.ndarray):
        return loaded.astype(np.float32, copy=False)
    rate, samples = loaded
    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / 32768.0
    return Waveform(samples.reshape(samples.shape[0], -1).astype(np.float32), rate)


def _load_from_archive(location: str):
    import kaldiio

    try:
        return kaldiio.load_mat(location)
    except (OSError, ValueError, RuntimeError, EOFError) as error:
        raise AudioError(f"{location}: cannot be read from the archive ({error}).") from error


def _read_with_ffmpeg(path: Path, reason: str) -> Tuple[np.ndarray, int]:
    if shutil.which("ffmpeg") is None:
        raise AudioError(
            f"{path}: not audio that libsndfile can read ({reason}); install ffmpeg for other formats."
        )
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries",
         "stream=sample_rate,channels", "-of", "csv=p=0", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    fields = probe.stdout.strip().split(",")
    if probe.returncode != 0 or len(fields) < 2 or not all(part.isdigit() for part in fields[:2]):
        raise AudioError(f"{path}: not audio; neither libsndfile nor ffmpeg can read it.")
    rate, channels = int(fields[0]), int(fields[1])
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-"],
        capture_output=True, check=False,
    )  # fmt: skip
    if decoded.returncode != 0:
        message = decoded.stderr.decode(errors="replace").strip().splitlines()
        raise AudioError(f"{path}: broken audio ({message[-1] if message else 'ffmpeg failed'}).")
    return np.frombuffer(decoded.stdout, dtype="<f4").reshape(-1, channels), rate
