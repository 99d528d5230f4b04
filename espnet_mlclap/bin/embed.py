"""Embed a test set (stage 6): each clip once, each caption once."""

import argparse
import functools
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import Shard, add_shard_option


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
    add_shard_option(parser)
    return parser


def embed(options: argparse.Namespace) -> None:
    """Write audio_embeddings.npy, text_embeddings.npy, clip_ids and caption_ids, or a share of them."""
    from espnet_mlclap.evaluation.embed_set import CLIPS_PER_BATCH, embed_set
    from espnet_mlclap.evaluation.embedding_shares import EmbeddingShares
    from espnet_mlclap.evaluation.embeddings import EmbeddingSet, write_embeddings
    from espnet_mlclap.evaluation.training_items import TrainingItems, model_identity
    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.inference import MLCLAP

    batch_size = CLIPS_PER_BATCH if options.batch_size is None else options.batch_size
    if batch_size < 1:
        raise UserError(f"--batch_size {batch_size}: must be 1 or more.")
    data = DataDir.read(options.data_dir)

    @functools.lru_cache(maxsize=1)
    def model() -> MLCLAP:
        return MLCLAP.from_pretrained(
            options.model_dir, model_file=options.model_file, device=options.device
        )

    def compute(shard: Optional[Shard]) -> EmbeddingSet:
        return embed_set(
            model().model,
            data,
            path=options.data_dir,
            normalize=model().normalize,
            device=model().device,
            clips_per_batch=batch_size,
            shard=shard,
        )

    folder = Path(options.model_dir)
    files = [folder / "config.yaml", folder / options.model_file] if folder.is_dir() else [folder]
    identities = TrainingItems(options.data_dir).identities(model_identity(files))
    identity = " ".join([*identities.values(), str(batch_size)])
    shares = EmbeddingShares(Path(options.out_dir), identity, compute)
    if options.shard is not None:
        shares.make(options.shard)
        return
    embeddings = shares.whole(data, options.data_dir)
    write_embeddings(options.out_dir, embeddings)
    shares.remove()
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
