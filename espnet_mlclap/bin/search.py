"""Search a folder of recordings with words.

Example:
    mlclap search --model_dir exp/mlclap_train --audio_dir ~/recordings \\
        --lang fra_Latn "un chien aboie" "la pluie tombe"

The recordings' vectors are kept in an index and not computed again until a recording or the model changes.
"""

import argparse
import logging
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shown import shown


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap search", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("query", nargs="*", help="what to look for; if none is given, only the index is made")
    add("--model_dir", required=True, help="experiment folder or packed file")
    add("--model_file", default=BEST_MODEL, help="checkpoint in model_dir")
    add("--audio_dir", required=True, help="folder of recordings, including subfolders")
    add("--index", help="the index (default: mlclap_index.npz in --audio_dir)")
    add("--lang", default="eng_Latn", help="FLORES-200 code of the queries")
    add("--top", type=int, default=10, help="recordings shown for a query")
    add("--batch_size", type=int, default=16, help="recordings encoded together")
    add("--skip_bad_audio", type=bool_option, default=False, help="leave out what cannot be read")
    add("--device", default="cpu", help="cpu or cuda")
    return parser


def search(options: argparse.Namespace) -> None:
    """Bring the index up to date and print, for each query, cosine similarity and path."""
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.clip_index import update_index

    for name in ("top", "batch_size"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be 1 or more.")
    model = MLCLAP.from_pretrained(
        options.model_dir, model_file=options.model_file, device=options.device
    )
    queries = model.encode_text(options.query, options.lang)
    index_path = Path(options.index or Path(options.audio_dir) / "mlclap_index.npz")
    index = update_index(
        index_path,
        options.audio_dir,
        lambda paths: model.encode_audio(paths, show_progress=False),
        model=_name_of_weights(options),
        skip_bad_audio=options.skip_bad_audio,
        batch_size=options.batch_size,
    )
    for problem in index.bad:
        logging.warning("left out: %s", problem)
    if index.bad:
        logging.warning("%d recordings left out, %d searched", len(index.bad), len(index.paths))
    for query, vector in zip(options.query, queries):
        print(f"{query} ({options.lang})")
        for similarity, path in index.search(vector, options.top):
            print(f"{similarity:7.3f}  {shown(Path(options.audio_dir) / path)}")


def _name_of_weights(options: argparse.Namespace) -> str:
    path = Path(options.model_dir)
    if path.is_dir():
        path = path / options.model_file
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), search, arguments)


if __name__ == "__main__":
    main()
