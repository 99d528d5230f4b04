"""Read one clip, whatever it is in: wav, flac, mp3 ..., an entry of a Kaldi archive, a member of a shard.

Stage 3, the search and `MLCLAP.encode_audio` all come through here. A file is decoded and resampled block by
block: of two hours of stereo at 44.1 kHz the 460 MB at 16 kHz are in memory, not the 2.5 GB they come from.
"""

import contextlib
import io
from pathlib import Path
from typing import Iterator, List, NamedTuple, Union

import numpy as np

from espnet_mlclap.fileio.ark import read_entry, split_location
from espnet_mlclap.fileio.decoding import AudioError, Stream, decode
from espnet_mlclap.fileio.tar_members import member_as_file, read_member, tar_location
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown

SAMPLING_RATE = 16000  # Hz, of everything that the model hears
HOP_LENGTH = 160  # samples between two frames of log-mel features
_FLAC = b"fLaC"
_LOUDEST = 8.0  # 18 dB above full scale
_MOST_SECONDS = (
    6 * 3600
)  # of a member of a shard: a few kilobytes can be decoded into days of silence
# Ends of the names that recordings have. What a file holds is found out when it is read.
AUDIO_SUFFIXES = frozenset(
    ".wav .wave .flac .mp3 .ogg .oga .opus .aif .aiff .aifc .au .snd .caf .w64 .rf64 .m4a .m4b .mp4 .aac "
    ".webm .weba .mka .mkv .mov .3gp .amr .ac3 .mp2 .wma .asf .wv .ape .tta".split()
)


class Waveform(NamedTuple):
    """samples [frames, channels] float32 in [-1, 1]; rate in Hz."""

    samples: np.ndarray
    rate: int


def read_audio(path: Union[str, Path]) -> Waveform:
    """Read a file of audio as it is, all channels at its own rate.

    Raises:
        AudioError: the file is missing, empty, cut off, not audio, or holds samples that cannot be used (see
            `check_samples`).
    """
    blocks: List[np.ndarray] = []
    with decode(Path(path)) as stream:
        blocks.extend(stream.blocks)
    samples = np.concatenate(blocks) if blocks else np.zeros((0, 1), dtype=np.float32)
    return Waveform(check_samples(samples, shown(path)), stream.rate)


def read_mono(path: Union[str, Path], rate: int = SAMPLING_RATE) -> np.ndarray:
    """Read a file of audio as the mean of its channels at `rate` Hz: `to_mono` of `read_audio`.

    Args:
        path: a file, or a member of a shard, `archive.tar:offset`.
        rate: in Hz.

    Returns:
        [samples] float32.

    Raises:
        AudioError: see `read_audio`; or it is so short that no sample is left.
    """
    found, check = bytearray(), _Check()
    with _decode(path) as stream:
        resample = _Resampler(stream.rate, rate)
        for block in stream.blocks:
            check.look_at(block)
            found += resample(_mean(block)).tobytes()
        found += resample.rest().tobytes()
    check.end(shown(path))
    if not found:
        raise AudioError(f"{shown(path)}: too short, no sample is left at {rate} Hz.")
    return np.frombuffer(found, dtype=np.float32)


@contextlib.contextmanager
def _decode(location: Union[str, Path]) -> Iterator[Stream]:
    """`decode`, of members of shards too."""
    entry = tar_location(location)
    if entry is None:
        with decode(Path(location)) as stream:
            yield stream
        return
    with contextlib.ExitStack() as stack:
        try:
            copy = stack.enter_context(member_as_file(*entry))
        except UserError as error:
            raise AudioError(str(error)) from error
        stream = stack.enter_context(decode(copy, str(location)))
        yield stream._replace(blocks=_bounded(stream, shown(location)))


def _bounded(stream: Stream, where: str) -> Iterator[np.ndarray]:
    left = _MOST_SECONDS * stream.rate
    for block in stream.blocks:
        left -= len(block)
        if left < 0:
            raise AudioError(
                f"{where}: more than {_MOST_SECONDS / 3600:g} hours of sound in a shard. Leave it out."
            )
        yield block


def mono_blocks(path: Union[str, Path]) -> Iterator[Waveform]:
    """The mean of a file's channels at its own rate, block by block, for recordings of any length.

    Yields:
        Some samples [frames, 1] at a time.

    Raises:
        AudioError: see `read_audio`; when the place is reached.
    """
    check = _Check()
    with decode(Path(path)) as stream:
        for block in stream.blocks:
            if len(block):
                check.look_at(block)
                check.end(shown(path))
                yield Waveform(_mean(block)[:, None], stream.rate)
    check.end(shown(path))


class _Resampler:
    """Resamples block by block; gives what resampling all at once gives, to the last bit."""

    def __init__(self, source: int, target: int):
        import soxr

        self._stream = None
        if source != target:
            self._stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="HQ")

    def __call__(self, block: np.ndarray) -> np.ndarray:
        return block if self._stream is None else self._stream.resample_chunk(block)

    def rest(self) -> np.ndarray:
        nothing = np.zeros(0, dtype=np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)


class _Check:
    """Looks for samples that cannot be used, block by block."""

    def __init__(self) -> None:
        self._frames = self._broken = 0
        self._peak = 0.0

    def look_at(self, samples: np.ndarray) -> None:
        self._frames += samples.shape[0]
        if not samples.size:
            return
        peak = float(np.abs(samples).max())
        if np.isfinite(peak):
            self._peak = max(self._peak, peak)
        else:
            self._broken += int((~np.isfinite(samples)).sum())

    def end(self, where: str) -> None:
        if not self._frames:
            raise AudioError(f"{where}: no samples in it.")
        if self._broken:
            raise AudioError(f"{where}: {self._broken} samples are NaN or infinite.")
        if self._peak > _LOUDEST:
            raise AudioError(
                f"{where}: samples as large as {self._peak:g}, where full scale is 1. Floats in the range of "
                "integers must be divided by it: those of 16 bits by 32768."
            )


def check_samples(samples: np.ndarray, where: str) -> np.ndarray:
    """Return `samples` if there are any, all are finite, and none is far louder than full scale.

    Raises:
        AudioError: otherwise; starts with `where`.
    """
    check = _Check()
    check.look_at(samples)
    check.end(where)
    return samples


def to_mono(waveform: Waveform, rate: int = SAMPLING_RATE) -> np.ndarray:
    """Mean of the channels, resampled to `rate` Hz.

    Returns:
        [samples] float32.
    """
    resample = _Resampler(waveform.rate, rate)
    mono = resample(_mean(waveform.samples))
    return np.ascontiguousarray(np.concatenate([mono, resample.rest()]), dtype=np.float32)


def _mean(samples: np.ndarray) -> np.ndarray:
    return samples.mean(axis=1, dtype=np.float32)


def load_clip(location: str, rate: int = SAMPLING_RATE) -> np.ndarray:
    """Read a clip of a formatted set: a file, an entry `archive.ark:offset` or a member `archive.tar:offset`.

    Returns:
        [samples] float32 at `rate` Hz (recordings that were left as they are, `--audio_format original`, have
        rates of their own), or [frames, mel bins] float32 in dB from a log-mel archive.

    Raises:
        AudioError: it cannot be read.
    """
    member = tar_location(location)
    entry = split_location(location) if member is None else None
    try:
        if member is not None:
            _, content = read_member(*member)
            if content[:4] == _FLAC:
                return to_mono(flac_waveform(content, location), rate)
        if entry is None:  # or a stranger's member, of any format
            return read_mono(location, rate)
        loaded = read_entry(*entry)
    except UserError as error:
        raise AudioError(str(error)) from error
    if isinstance(loaded, np.ndarray):
        return loaded
    stored_rate, samples = loaded
    samples = samples.reshape(samples.shape[0], -1)
    return to_mono(Waveform(check_samples(samples, location), stored_rate), rate)


def flac_waveform(content: bytes, where: str) -> Waveform:
    """The samples of a FLAC file that is in memory.

    Raises:
        AudioError: it is broken, or its samples cannot be used; starts with `where`.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{where}: broken audio ({error}).") from error
    return Waveform(check_samples(samples, where), rate)


def load_samples(location: str, rate: int) -> np.ndarray:
    """Like `load_clip`, where features will not do.

    Raises:
        AudioError: it cannot be read, or is features instead of samples.
    """
    clip = load_clip(location, rate)
    if clip.ndim != 1:
        raise AudioError(
            f"{location}: log-mel features instead of samples. Format the audio as flac, flac.ark, "
            "shards or original."
        )
    return clip
