"""Format the audio of a set: mono, 16 kHz, as FLAC files, FLAC in archives or shards, or log-mel archives.

With the format `original` the recordings stay where and as they are; everything else is the same.

The clips are shared out to blocks by a hash of their ids, so that clips that come or go change only their
own blocks. A block is the unit of work: a worker writes its audio and a table of its clips into a
folder that appears under its name when it is complete, so that a killed run continues with the blocks that
are missing. The name holds a fingerprint of the block's sources (paths, sizes, times) and of the
format; blocks that no longer fit are made again.

    <out_dir>/blocks/0003-<fingerprint>/    <clip>.flac, audio.ark or audio.tar, and clips.json
    <out_dir>/wav.scp clip2dur utt2num_samples clip2md5 feats_type text utt2clip utt2lang
    <out_dir>/clip2label clip2source (where the set has them)
    <out_dir>/shards/ (see `shards.py`; only of the format `shards`, whose blocks are as large as shards are)

Several jobs can make the blocks beside each other, each those of its share; who is without a share makes what
is missing, and the tables. `wav.scp` is written last: the set is complete when it is there. `clip2md5` is the
MD5 sum of the 16-bit samples at 16 kHz, by which equal recordings are found whatever file they came in.
"""

import functools
import hashlib
import json
import logging
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from espnet_mlclap.fileio.audio import SAMPLING_RATE, AudioError, read_mono
from espnet_mlclap.fileio.audio_writer import AUDIO_FORMATS, LogMel, audio_writer
from espnet_mlclap.fileio.data_dir import Caption, DataDir, write_captions, write_table
from espnet_mlclap.fileio.format_blocks import Source, about_clips, fingerprint, share_out
from espnet_mlclap.fileio.shards import CLIPS_PER_SHARD, write_shards
from espnet_mlclap.fileio.tar_members import file_of
from espnet_mlclap.utils.atomic import atomic_dir, atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.reading import read_json
from espnet_mlclap.utils.settings import build_settings
from espnet_mlclap.utils.shard import Shard
from espnet_mlclap.utils.workers import map_unordered

_CLIPS_PER_BLOCK = 32  # half as many to as many on average: some seconds of work


@dataclass(frozen=True)
class FormattedClip:
    """A clip that was formatted, or (with `error`) could not be.

    `location` is relative to the block's folder, or absolute; `samples` counts at 16 kHz.
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
    log_mel: Optional[LogMel] = None,
    skip_bad_audio: bool = False,
    nj: int = 1,
    shard: Optional[Shard] = None,
    clips_per_shard: int = CLIPS_PER_SHARD,
) -> List[FormattedClip]:
    """Write the formatted copy of `data` into `out_dir`.

    Args:
        data: the set.
        out_dir: folder of the formatted set.
        wav_scp: the file that `data.wav_scp` was read from; messages name its lines.
        audio_format: one of `AUDIO_FORMATS`.
        log_mel: computes the features of "log_mel.ark": those of the model that will read them. A function
            that can be sent to other processes.
        skip_bad_audio: leave out clips that cannot be read, and list them in `bad_audio.txt`.
        nj: worker processes.
        shard: make the blocks of this share, and no tables.
        clips_per_shard: the most that a shard has on average, of the format "shards"; the fewest are half.

    Returns:
        The clips that were left out, each with its `error`; with `shard` nothing.

    Raises:
        UserError: a clip cannot be read (without `skip_bad_audio`), none can, or `out_dir` is not
            writable.
    """
    if audio_format not in AUDIO_FORMATS:
        raise UserError(f"--audio_format must be one of {AUDIO_FORMATS}, not {audio_format!r}")
    if clips_per_shard < 1:
        raise UserError(f"--clips_per_shard must be at least 1, not {clips_per_shard}")
    out_dir = make_dir(out_dir)
    if shard is None:
        (out_dir / "wav.scp").unlink(missing_ok=True)
    about = about_clips(data) if audio_format == "shards" else {}
    sources = [
        Source(clip, path, f"{wav_scp}:{line}", about.get(clip, {}))
        for line, (clip, path) in enumerate(data.wav_scp.items(), 1)
    ]
    most = clips_per_shard if audio_format == "shards" else _CLIPS_PER_BLOCK
    numbered = list(share_out(sources, most).items())
    if shard is not None:
        numbered = shard.of(numbered)
        sources = [source for _, block in numbered for source in block]
    if not skip_bad_audio:
        _check_presence(sources)
    blocks = {
        out_dir / "blocks" / f"{number:04d}-{fingerprint(block, audio_format)}": block
        for number, block in numbered
    }
    if shard is None:
        _remove_others(out_dir / "blocks", blocks)
    missing = {folder: block for folder, block in blocks.items() if not folder.exists()}
    if missing and len(missing) < len(blocks):
        done = len(blocks) - len(missing)
        logging.info("%s: %d of %d blocks are already there", out_dir, done, len(blocks))
    with progress_bar(f"format {out_dir.name}", sum(map(len, missing.values())), "clips") as bar:
        work = functools.partial(
            _format_block,
            audio_format=audio_format,
            log_mel=log_mel,
            skip_bad_audio=skip_bad_audio,
        )
        for count in _map(work, list(missing.items()), nj):
            bar.update(count)
    if shard is not None:
        return []
    formatted = {
        clip.clip: (folder, clip)
        for folder, block in blocks.items()
        for clip in _read_block(folder, block)
    }
    good: Dict[str, Tuple[Path, FormattedClip]] = {}
    bad: List[FormattedClip] = []
    for source in sources:
        folder, clip = formatted[source.clip]
        if clip.error:
            bad.append(replace(clip, error=source.named(clip.error)))
        else:
            good[source.clip] = (folder, clip)
    if bad and not skip_bad_audio:  # a block that an earlier run made with skip_bad_audio
        raise AudioError(_advice(bad[0].error))
    if not good:
        raise UserError(f"{wav_scp}: none of its {len(sources)} clips can be read.")
    if audio_format == "shards":
        good = _in_shards(out_dir, blocks, good)
    _write_tables(data, out_dir, good, bad, audio_format)
    return bad


def _in_shards(
    out_dir: Path, blocks: Iterable[Path], good: Mapping[str, Tuple[Path, FormattedClip]]
) -> Dict[str, Tuple[Path, FormattedClip]]:
    """Number the blocks' tar files; `good` with the places in those."""
    counts = Counter(folder for folder, _ in good.values())
    used = [folder for folder in blocks if counts[folder]]
    shards = write_shards(out_dir, used, [counts[folder] for folder in used])
    moved = {}
    for clip, (folder, formatted) in good.items():
        _, offset = formatted.location.split(":")
        shard = shards[folder]
        moved[clip] = (shard.parent, replace(formatted, location=f"{shard.name}:{offset}"))
    return moved


def _check_presence(sources: Sequence[Source]) -> None:
    missing = [source for source in sources if not Path(file_of(source.path)).is_file()]
    if missing:
        first, others = missing[0], len(missing) - 1
        message = first.named(f"{first.path}: no such file.")
        if others:
            message += f" {others} other files are missing too."
        raise AudioError(_advice(message))


def _map(work, items: Sequence[Any], nj: int) -> Iterable[int]:
    if nj == 1 or len(items) <= 1:
        return map(work, items)
    return map_unordered(work, items, nj)


def _remove_others(folder: Path, keep: Mapping[Path, object]) -> None:
    for path in folder.iterdir() if folder.exists() else ():
        if path not in keep:
            shutil.rmtree(path)


def _format_block(
    item: Tuple[Path, Sequence[Source]],
    *,
    audio_format: str,
    log_mel: Optional[LogMel],
    skip_bad_audio: bool,
) -> int:
    """Make one block; returns the number of its clips."""
    folder, sources = item
    formatted = []
    with atomic_dir(folder) as temporary, audio_writer(audio_format, temporary, log_mel) as writer:
        for source in sources:
            try:
                waveform = read_mono(source.path)
            except AudioError as error:
                if not skip_bad_audio:
                    raise AudioError(_advice(source.named(str(error)))) from error
                formatted.append(FormattedClip(source.clip, error=str(error)))
                continue
            waveform *= 32768.0
            np.clip(np.rint(waveform, out=waveform), -32768, 32767, out=waveform)
            samples = waveform.astype(np.int16)
            formatted.append(
                FormattedClip(
                    source.clip,
                    location=writer.write(source.clip, samples, source.path, source.about),
                    samples=len(samples),
                    md5=hashlib.md5(samples.astype("<i2").tobytes()).hexdigest(),
                )
            )
        rows = [asdict(clip) for clip in formatted]
        (temporary / "clips.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return len(sources)


def _advice(message: str) -> str:
    return f"{message} Fix or remove it, or skip such clips with --skip_bad_audio true."


def _read_block(folder: Path, block: Sequence[Source]) -> List[FormattedClip]:
    path = folder / "clips.json"
    again = f"Remove {folder}, and it is made again."
    try:
        clips = [build_settings(FormattedClip, row, str(path)) for row in read_json(path)]
    except (UserError, TypeError) as error:  # TypeError: no list
        raise UserError(f"{error} {again}") from error
    if [clip.clip for clip in clips] != [source.clip for source in block]:
        raise UserError(f"{path}: clips are missing, there twice, or others. {again}")
    return clips


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
        "utt2source": {k: source for k, source in data.caption_sources.items() if k in captions},
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
        UserError: an id is in both, or a clip is not in `data`.
    """
    for key, caption in captions.items():
        if key in data.captions:
            raise UserError(f"{where}/text: {key!r} is also in the set itself. Remove one of them.")
        if caption.clip not in data.wav_scp:
            raise UserError(f"{where}/utt2clip: {key!r}: the set has no clip {caption.clip!r}.")
    data.captions.update(captions)
