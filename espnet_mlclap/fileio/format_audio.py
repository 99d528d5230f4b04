"""Format the audio of a set: mono, 16 kHz, as FLAC files, FLAC in archives, or log-mel archives.

The clips, in the order of wav.scp, are cut into blocks. A block is the unit of work: a worker writes
its audio and a table of its clips into a folder that appears under its name when it is whole, so that
a killed run goes on with the blocks that are missing. The name holds a fingerprint of the block's
sources (paths, sizes, times) and of the format; blocks that no longer fit are made again.

    <out_dir>/blocks/0003-<fingerprint>/    <clip>.flac or audio.ark, and clips.json
    <out_dir>/wav.scp clip2dur utt2num_samples clip2md5 feats_type text utt2clip utt2lang
    <out_dir>/clip2label clip2source (where the set has them)

`wav.scp` is written last: the set is whole when it is there. `clip2md5` is the MD5 sum of the 16-bit
samples at 16 kHz, by which equal recordings are found whatever file they came in.
"""

import functools
import hashlib
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE, AudioError, read_audio, to_mono
from espnet_mlclap.fileio.data_dir import Caption, DataDir, write_captions, write_table
from espnet_mlclap.utils.atomic import atomic_dir, atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.workers import worker_pool

AUDIO_FORMATS = ("flac", "flac.ark", "log_mel.ark")
_CLIPS_PER_BLOCK = 32  # some seconds of work


@dataclass(frozen=True)
class Source:
    """A clip to format: its id, its file and where it was named (file and line)."""

    clip: str
    path: str
    where: str


@dataclass(frozen=True)
class FormattedClip:
    """A clip that was formatted, or (with `error`) could not be.

    `location` is relative to the block's folder; `samples` counts at 16 kHz.
    """

    clip: str
    location: str = ""
    samples: int = 0
    md5: str = ""
    error: str = ""


def format_audio(
    data: DataDir,
    out_dir: Union[str, Path],
    *,
    wav_scp: Union[str, Path],
    audio_format: str = "flac",
    skip_bad_audio: bool = False,
    nj: int = 1,
) -> List[FormattedClip]:
    """Write the formatted copy of `data` into `out_dir`.

    Args:
        data: the set.
        out_dir: folder of the formatted set.
        wav_scp: the file that `data.wav_scp` was read from; messages name its lines.
        audio_format: one of `AUDIO_FORMATS`.
        skip_bad_audio: leave out clips that cannot be read, and list them in `bad_audio.txt`.
        nj: worker processes.

    Returns:
        The clips that were left out, each with its `error`.

    Raises:
        UserError: a clip cannot be read (without `skip_bad_audio`), none can, or `out_dir` is not
            writable.
    """
    if audio_format not in AUDIO_FORMATS:
        raise UserError(f"--audio_format must be one of {AUDIO_FORMATS}, not {audio_format!r}")
    out_dir = make_dir(out_dir)
    (out_dir / "wav.scp").unlink(missing_ok=True)
    sources = [
        Source(clip, path, f"{wav_scp}:{line}")
        for line, (clip, path) in enumerate(data.wav_scp.items(), 1)
    ]
    if not skip_bad_audio:
        _check_presence(sources)
    blocks = {}
    for start in range(0, len(sources), _CLIPS_PER_BLOCK):
        block = sources[start : start + _CLIPS_PER_BLOCK]
        name = f"{start // _CLIPS_PER_BLOCK:04d}-{_fingerprint(block, audio_format)}"
        blocks[out_dir / "blocks" / name] = block
    _remove_others(out_dir / "blocks", blocks)
    missing = {folder: block for folder, block in blocks.items() if not folder.exists()}
    if missing and len(missing) < len(blocks):
        done = len(blocks) - len(missing)
        logging.info("%s: %d of %d blocks are there already", out_dir, done, len(blocks))
    with progress_bar(f"format {out_dir.name}", sum(map(len, missing.values())), "clips") as bar:
        work = functools.partial(
            _format_block, audio_format=audio_format, skip_bad_audio=skip_bad_audio
        )
        for count in _map(work, list(missing.items()), nj):
            bar.update(count)
    good: Dict[str, Tuple[Path, FormattedClip]] = {}
    bad: List[FormattedClip] = []
    for folder in blocks:
        for clip in _read_block(folder):
            if clip.error:
                bad.append(clip)
            else:
                good[clip.clip] = (folder, clip)
    if bad and not skip_bad_audio:  # a block that an earlier run made with skip_bad_audio
        raise AudioError(_advice(bad[0].error))
    if not good:
        raise UserError(f"{wav_scp}: none of its {len(sources)} clips can be read.")
    _write_tables(data, out_dir, good, bad, audio_format)
    return bad


def _check_presence(sources: Sequence[Source]) -> None:
    missing = [source for source in sources if not Path(source.path).is_file()]
    if missing:
        first, others = missing[0], len(missing) - 1
        message = f"{first.where}: clip {first.clip!r}: {first.path}: no such file."
        if others:
            message += f" {others} other files are missing too."
        raise AudioError(_advice(message))


def _map(work, items: Sequence[Any], nj: int) -> Iterable[int]:
    if nj == 1 or len(items) <= 1:
        yield from map(work, items)
        return
    with worker_pool(min(nj, len(items))) as pool:
        yield from pool.imap_unordered(work, items)


def _fingerprint(block: Sequence[Source], audio_format: str) -> str:
    lines = [audio_format]
    for source in block:
        try:
            status = os.stat(source.path)
            lines.append(f"{source.clip} {source.path} {status.st_size} {status.st_mtime_ns}")
        except OSError:
            lines.append(f"{source.clip} {source.path} missing")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _remove_others(folder: Path, keep: Mapping[Path, object]) -> None:
    for path in folder.iterdir() if folder.exists() else ():
        if path not in keep:
            shutil.rmtree(path)


def _format_block(
    item: Tuple[Path, Sequence[Source]], *, audio_format: str, skip_bad_audio: bool
) -> int:
    """Make one block; returns the number of its clips."""
    folder, sources = item
    formatted = []
    with atomic_dir(folder) as temporary, _writer(audio_format, temporary) as writer:
        for source in sources:
            try:
                waveform = to_mono(read_audio(source.path))
                if not waveform.size:
                    raise AudioError(f"{source.path}: too short, no sample is left at 16 kHz.")
            except AudioError as error:
                message = f"{source.where}: clip {source.clip!r}: {error}"
                if not skip_bad_audio:
                    raise AudioError(_advice(message)) from error
                formatted.append(FormattedClip(source.clip, error=message))
                continue
            samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
            formatted.append(
                FormattedClip(
                    source.clip,
                    location=writer.write(source.clip, samples),
                    samples=len(samples),
                    md5=hashlib.md5(samples.astype("<i2").tobytes()).hexdigest(),
                )
            )
        rows = [asdict(clip) for clip in formatted]
        (temporary / "clips.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return len(sources)


def _advice(message: str) -> str:
    return f"{message} Mend or remove it, or go on without such clips with --skip_bad_audio true."


class _FlacFiles:
    """One FLAC file a clip."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, clip: str, samples: np.ndarray) -> str:
        """Store `samples` ([samples] int16); returns where, relative to the folder."""
        import soundfile

        name = f"{clip.replace('/', '%2F')}.flac"
        soundfile.write(self.folder / name, samples, SAMPLING_RATE)
        return name


class _Archive:
    """All clips in one Kaldi archive: FLAC, or log-mel features in dB [frames, 64] float32."""

    def __init__(self, folder: Path, log_mel: bool):
        self.file = open(folder / "audio.ark", "wb")  # noqa: SIM115 closed by __exit__
        self.log_mel = log_mel

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, clip: str, samples: np.ndarray) -> str:
        """Store `samples` ([samples] int16); returns archive and offset, relative to the folder."""
        import kaldiio

        offset = self.file.tell() + len(f"{clip} ".encode())  # where the value of this key begins
        if self.log_mel:
            kaldiio.save_ark(self.file, {clip: _log_mel(samples)})
        else:
            kaldiio.save_ark(
                self.file,
                {clip: (SAMPLING_RATE, samples)},
                write_function="soundfile",
                write_kwargs={"format": "flac"},
            )
        return f"audio.ark:{offset}"


def _writer(audio_format: str, folder: Path) -> Union[_FlacFiles, _Archive]:
    if audio_format == "flac":
        return _FlacFiles(folder)
    return _Archive(folder, log_mel=audio_format == "log_mel.ark")


@functools.lru_cache(maxsize=1)
def _front_end():
    import torch

    from espnet_mlclap.mlclap.audio_encoder.mel import LogMel

    torch.set_num_threads(1)
    return LogMel()


def _log_mel(samples: np.ndarray) -> np.ndarray:
    import torch

    audio = torch.from_numpy(samples.astype(np.float32) / 32768.0)
    with torch.no_grad():
        return _front_end()(audio[None], torch.tensor([len(audio)]))[0].numpy()


def _read_block(folder: Path) -> List[FormattedClip]:
    rows = json.loads((folder / "clips.json").read_text("utf-8"))
    return [FormattedClip(**row) for row in rows]


def _write_tables(
    data: DataDir,
    out_dir: Path,
    good: Mapping[str, Tuple[Path, FormattedClip]],
    bad: Sequence[FormattedClip],
    audio_format: str,
) -> None:
    captions = {key: caption for key, caption in data.captions.items() if caption.clip in good}
    write_captions(out_dir, captions)
    tables: Dict[str, Mapping[str, object]] = {
        "clip2label": {clip: data.labels[clip] for clip in good if clip in data.labels},
        "clip2source": {clip: data.sources[clip] for clip in good if clip in data.sources},
        "clip2md5": {clip: formatted.md5 for clip, (_, formatted) in good.items()},
        "utt2num_samples": {clip: formatted.samples for clip, (_, formatted) in good.items()},
        "clip2dur": {
            clip: f"{formatted.samples / SAMPLING_RATE:.4f}"
            for clip, (_, formatted) in good.items()
        },
        "wav.scp": {
            clip: folder / formatted.location for clip, (folder, formatted) in good.items()
        },
    }
    with atomic_open(out_dir / "bad_audio.txt") as file:
        file.writelines(f"{clip.error}\n" for clip in bad)
    with atomic_open(out_dir / "feats_type") as file:
        file.write("log_mel\n" if audio_format == "log_mel.ark" else "raw\n")
    for name, table in tables.items():  # wav.scp is the last
        if table:
            write_table(out_dir / name, table)
        else:
            (out_dir / name).unlink(missing_ok=True)


def add_captions(data: DataDir, captions: Mapping[str, Caption], where: Optional[str]) -> None:
    """Add `captions` (translations kept in a directory of their own) to those of `data`.

    Raises:
        UserError: an id stands in both, or a clip is not in `data`.
    """
    for key, caption in captions.items():
        if key in data.captions:
            raise UserError(
                f"{where}/text: {key!r} stands in the set itself too. Remove one of them."
            )
        if caption.clip not in data.wav_scp:
            raise UserError(f"{where}/utt2clip: {key!r}: the set has no clip {caption.clip!r}.")
    data.captions.update(captions)
