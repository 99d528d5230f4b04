"""Rerank what two towers found in a test set with a model of pairs (stage 6 with --reranker).

Example:
    mlclap rerank --model_dir exp/mlclap_co_attention --data_dir dump/flac/test \\
        --embedding_dir exp/mlclap_train/valid.mAP@10.best/test --out_dir reranked/test --top 50

The embeddings are those of any two-tower model; of each caption the --top most similar clips are scored, and
of each clip the captions. `mlclap score --reranked` puts both side by side.
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.config import BEST_MODEL

_ALL = "all"


def top_option(value: str) -> Optional[int]:
    """A number from 1 on; None for `all`.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    if value == _ALL:
        return None
    if not (value.isascii() and value.isdigit() and int(value)):
        raise argparse.ArgumentTypeError(
            f"must be {_ALL} or a whole number from 1 up, not {value!r}"
        )
    return int(value)


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    from espnet_mlclap.evaluation.pair_scores import MOST_PAIRS

    parser = argparse.ArgumentParser(
        prog="mlclap rerank", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--model_dir", required=True, help="experiment folder or packed file of the model of pairs")
    add("--model_file", default=BEST_MODEL, help="checkpoint in model_dir")
    add("--name", help="what tables call it (default: the name of model_dir)")
    add("--data_dir", required=True, help="formatted set")
    add("--embedding_dir", required=True, help="embeddings of this set, of stage 6")
    add("--out_dir", required=True, help="where pair_scores.npz goes")
    add(
        "--top",
        type=top_option,
        default=50,
        metavar=f"N|{_ALL}",
        help=f"items of each query that are scored; {_ALL}: every pair of sets up to --most_pairs",
    )
    add(
        "--most_pairs",
        type=int,
        default=MOST_PAIRS,
        help=f"captions times clips of the largest set that --top {_ALL} scores; a larger one is left out",
    )
    add("--device", default="cpu", help="cpu or cuda")
    add(
        "--custom_classes",
        type=bool_option,
        default=False,
        help="a packed file may name classes from outside of this package, which then run",
    )
    return parser


def rerank(options: argparse.Namespace) -> None:
    """Write pair_scores.npz and print how many pairs per second were scored."""
    from espnet_mlclap.evaluation.embeddings import read_embeddings
    from espnet_mlclap.evaluation.pair_scores import FILE_NAME, write_pair_scores
    from espnet_mlclap.evaluation.rerank_set import rerank_set
    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.inference import MLCLAP

    data = DataDir.read(options.data_dir)
    embeddings = read_embeddings(options.embedding_dir)
    pairs = len(embeddings.clips) * len(embeddings.captions)
    if options.top is None and pairs > options.most_pairs:
        logging.warning(
            f"--top {_ALL}: {options.data_dir} is left out: it has {pairs} pairs, more than --most_pairs "
            f"{options.most_pairs}"
        )
        (Path(options.out_dir) / FILE_NAME).unlink(missing_ok=True)  # of an earlier run
        return
    model = MLCLAP.from_pretrained(
        options.model_dir,
        model_file=options.model_file,
        device=options.device,
        custom_classes=options.custom_classes,
    )
    scores = rerank_set(
        model.pair_model,
        data,
        embeddings,
        top=options.top,
        name=options.name or Path(options.model_dir).resolve().name,
        normalize=model.normalize,
        device=model.device,
    )
    path = write_pair_scores(options.out_dir, scores, embeddings)
    print(f"{path}: {scores.by}", file=sys.stderr)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), rerank, arguments)


if __name__ == "__main__":
    main()
