"""Embed a test set (stage 6): each clip once, each caption once."""

import argparse
import sys
from typing import Optional, Sequence

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
    parser.add_argument(
        "--batch_size",
        type=int,
        help="clips encoded together; if not given as many as in validation, so that the figures are equal "
        "to the last digit",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


def embed(options: argparse.Namespace) -> None:
    """Write audio_embeddings.npy, text_embeddings.npy, clip_ids and caption_ids."""
    from espnet_mlclap.evaluation.embed_set import CLIPS_PER_BATCH, embed_set
    from espnet_mlclap.evaluation.embeddings import write_embeddings
    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.inference import MLCLAP

    batch_size = CLIPS_PER_BATCH if options.batch_size is None else options.batch_size
    if batch_size < 1:
        raise UserError(f"--batch_size {batch_size}: must be 1 or more.")
    data = DataDir.read(options.data_dir)
    model = MLCLAP.from_pretrained(
        options.model_dir, model_file=options.model_file, device=options.device
    )
    embeddings = embed_set(
        model.model,
        data,
        path=options.data_dir,
        normalize=model.normalize,
        device=model.device,
        clips_per_batch=batch_size,
    )
    write_embeddings(options.out_dir, embeddings)
    print(
        f"{options.out_dir}: {len(embeddings.clips)} clips, {len(embeddings.captions)} captions in "
        f"{len(data.languages)} languages",
        file=sys.stderr,
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), embed, arguments)


if __name__ == "__main__":
    main()
