"""Embed a training set with a teacher: once, all clips and captions, for students that learn from it.

Stage 5 of a recipe does this for each of `--teachers`. What was made from the same weights and data is not
made again, and what was killed goes on where it was.
"""

import argparse
import logging
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import add_shard_option

_CLIPS_PER_BATCH = 16


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap embed_training_set", description=__doc__)
    parser.add_argument(
        "--teacher",
        required=True,
        help=f"experiment folder (its {BEST_MODEL}), a checkpoint in one, or a packed file",
    )
    parser.add_argument("--data_dir", required=True, help="formatted training set")
    parser.add_argument("--le_data_dir", help="its translations")
    parser.add_argument("--paraphrase_data_dir", help="its paraphrases")
    parser.add_argument("--out_dir", required=True, help="where the vectors go")
    parser.add_argument(
        "--batch_size", type=int, default=_CLIPS_PER_BATCH, help="clips encoded together"
    )
    parser.add_argument("--num_workers", type=int, default=0, help="processes that read clips")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--custom_classes",
        type=bool_option,
        default=False,
        help="a packed file may name classes from outside of this package, which then run",
    )
    add_shard_option(parser)
    return parser


def model_files(teacher: str) -> Tuple[Path, str, List[Path]]:
    """Path and checkpoint of a teacher for `MLCLAP.from_pretrained`, and the files that it consists of.

    Raises:
        UserError: there is nothing.
    """
    path, model_file = Path(teacher), BEST_MODEL
    if path.suffix == ".pth":
        path, model_file = path.parent, path.name
    if path.is_dir():
        return path, model_file, [path / "config.yaml", path / model_file]
    if path.is_file():
        return path, model_file, [path]
    raise UserError(f"--teacher {teacher}: no such experiment folder, checkpoint or packed model.")


def embed_training_set(options: argparse.Namespace) -> None:
    """Make what is not there."""
    from espnet_mlclap.evaluation.embedding_table import is_made
    from espnet_mlclap.evaluation.training_items import TrainingItems, model_identity

    if options.batch_size < 1:
        raise UserError(f"--batch_size {options.batch_size}: must be 1 or more.")
    path, model_file, files = model_files(options.teacher)
    items = TrainingItems(options.data_dir, options.le_data_dir, options.paraphrase_data_dir)
    captions = sum(map(len, items.captions.values()))
    counts = f"{len(items.locations)} clips, {captions} captions"
    identities = {
        name: identity
        for name, identity in items.identities(model_identity(files)).items()
        if not is_made(Path(options.out_dir) / name, identity)
    }
    if not identities:
        logging.info(f"{options.out_dir}: {counts} are there")
        return

    from espnet_mlclap.evaluation import embed_training_set as embedding
    from espnet_mlclap.inference import MLCLAP

    model = MLCLAP.from_pretrained(
        path, model_file=model_file, device=options.device, custom_classes=options.custom_classes
    )
    embedding.embed_training_set(
        embedding.Embedder(model.model, model.normalize, model.device),
        items,
        options.out_dir,
        identities=identities,
        clips_per_batch=options.batch_size,
        num_workers=options.num_workers,
        shard=options.shard,
    )
    logging.info(f"{options.out_dir}: {counts}")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), embed_training_set, arguments)


if __name__ == "__main__":
    main()
