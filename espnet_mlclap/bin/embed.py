"""Embed a test set (stage 6): each clip once, each caption once."""

import argparse
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap embed", description=__doc__)
    parser.add_argument("--model_dir", required=True, help="experiment folder or packed file")
    parser.add_argument("--model_file", default=BEST_MODEL, help="checkpoint in model_dir")
    parser.add_argument("--data_dir", required=True, help="formatted set")
    parser.add_argument("--out_dir", required=True, help="where the embeddings go")
    parser.add_argument("--batch_size", type=int, default=16, help="clips encoded together")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


def embed(options: argparse.Namespace) -> None:
    """Write audio_embeddings.npy, text_embeddings.npy, clip_ids and caption_ids."""
    import numpy as np

    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.inference import MLCLAP

    if options.batch_size < 1:
        raise UserError(f"--batch_size {options.batch_size}: must be 1 or more.")
    data = DataDir.read(options.data_dir)
    model = MLCLAP.from_pretrained(
        options.model_dir, model_file=options.model_file, device=options.device
    )
    # long clips first: too little memory shows at once
    samples = data.extra.get("utt2num_samples", {})
    clips = sorted(data.wav_scp, key=lambda clip: -int(samples.get(clip, 0)))
    audio = model.encode_audio(
        [data.wav_scp[clip] for clip in clips], batch_size=options.batch_size
    )
    captions = data.captions
    text = model.encode_text(
        [caption.text for caption in captions.values()],
        [caption.lang for caption in captions.values()],
    )
    order = sorted(range(len(clips)), key=lambda index: clips[index].encode("utf-8"))
    with atomic_dir(Path(options.out_dir)) as folder:
        np.save(folder / "audio_embeddings.npy", audio[order])
        np.save(folder / "text_embeddings.npy", text)
        lines = [clips[index] for index in order]
        (folder / "clip_ids").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        rows = [f"{key} {caption.clip} {caption.lang}\n" for key, caption in captions.items()]
        (folder / "caption_ids").write_text("".join(rows), encoding="utf-8")
    print(
        f"{options.out_dir}: {len(clips)} clips, {len(captions)} captions in "
        f"{len(data.languages)} languages",
        file=sys.stderr,
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), embed, arguments)


if __name__ == "__main__":
    main()
