"""Make an experiment folder of a packed model: a file, or one on the Hugging Face hub."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.config import BEST_MODEL


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap download_model", description=__doc__)
    parser.add_argument(
        "model",
        help="a file of stage 8; user/name of a repository of the hub with one such file in it; or "
        "user/name/file of one with several",
    )
    parser.add_argument("--out_dir", required=True, help="folder to make, such as exp/mlclap_<tag>")
    parser.add_argument("--model_file", default=BEST_MODEL, help="name of the checkpoint there")
    parser.add_argument(
        "--custom_classes",
        type=bool_option,
        default=False,
        help="trust the model: let it name classes from outside of this package, which then run",
    )
    return parser


def download_model(options: argparse.Namespace) -> None:
    """Fetch and unpack."""
    from espnet_mlclap.checkpoints.hub import find_packed_model
    from espnet_mlclap.fileio.unpacking import unpack_experiment
    from espnet_mlclap.models.packed import most_bytes

    packed = find_packed_model(options.model)
    bound = None if options.custom_classes else most_bytes
    unpack_experiment(packed, Path(options.out_dir), options.model_file, bound)
    print(f"{options.out_dir}: {options.model_file} and config.yaml of {packed}")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), download_model, arguments)


if __name__ == "__main__":
    main()
