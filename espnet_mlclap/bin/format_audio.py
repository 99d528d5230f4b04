"""Format the audio of a set (stage 3): mono, 16 kHz, or log-mel features; resumes after a kill."""

import argparse
import functools
import logging
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from espnet_mlclap.fileio.audio_writer import AUDIO_FORMATS
from espnet_mlclap.fileio.shards import CLIPS_PER_SHARD
from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.shard import add_shard_option


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap format_audio", description=__doc__)
    parser.add_argument("--data_dir", required=True, help="the set: wav.scp, text, ...")
    parser.add_argument(
        "--more_captions", action="append", default=[], help="folder of translations to add"
    )
    parser.add_argument("--out_dir", required=True, help="where the formatted set goes")
    parser.add_argument(
        "--audio_format", default="flac", choices=AUDIO_FORMATS, help="original: as they are"
    )
    parser.add_argument(
        "--clips_per_shard",
        type=int,
        default=CLIPS_PER_SHARD,
        help="clips in a shard: on average between half of it and all of it (--audio_format shards)",
    )
    parser.add_argument(
        "--skip_bad_audio", type=bool_option, default=False, help="skip clips that cannot be read"
    )
    parser.add_argument("--nj", type=int, default=1, help="processes")
    add_shard_option(parser)
    return parser


def format_set(options: argparse.Namespace) -> None:
    """Format one set and say how many clips were kept."""
    from espnet_mlclap.fileio.data_dir import DataDir, read_caption_sources, read_captions
    from espnet_mlclap.fileio.format_audio import add_captions, format_audio

    data = DataDir.read(options.data_dir)
    for folder in options.more_captions:
        text = Path(folder) / "text"
        if text.is_file() and not text.stat().st_size:
            continue  # translations of a set that lacks none
        captions = read_captions(folder)
        add_captions(data, captions, folder)
        data.caption_sources.update(read_caption_sources(folder, captions))
    bad = format_audio(
        data,
        options.out_dir,
        wav_scp=Path(options.data_dir) / "wav.scp",
        audio_format=options.audio_format,
        log_mel=log_mel,
        skip_bad_audio=options.skip_bad_audio,
        nj=options.nj,
        shard=options.shard,
        clips_per_shard=options.clips_per_shard,
    )
    if options.shard is not None:
        return
    for clip in bad:
        logging.warning("left out: %s", clip.error)
    logging.info(
        "%s: %d clips formatted, %d left out",
        options.out_dir,
        len(data.wav_scp) - len(bad),
        len(bad),
    )


@functools.lru_cache(maxsize=1)
def _front_end():
    import torch

    from espnet_mlclap.models.audio_encoder.mel import LogMel

    torch.set_num_threads(1)  # there are `--nj` processes
    return LogMel()


def log_mel(samples: np.ndarray) -> np.ndarray:
    """The features of a clip: of [samples] at 16 kHz the dB values [frames, 64] that CED starts from."""
    import torch

    audio = torch.from_numpy(samples)
    with torch.no_grad():
        return _front_end()(audio[None], torch.tensor([len(audio)]))[0].numpy()


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), format_set, arguments)


if __name__ == "__main__":
    main()
