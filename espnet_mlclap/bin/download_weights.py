"""List, download and check published weights, or point names at files of your own.

Examples:
    mlclap download_weights --list
    mlclap download_weights ced_base mlclap_pretrain
    mlclap download_weights --use ced_base=/data/ced/model.safetensors
    mlclap download_weights --verify ced_base
"""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.checkpoints.table import (
    TABLE,
    cache_dir,
    cached_path,
    find_weights,
    located,
    read_table,
    use_local_copy,
)
from espnet_mlclap.fileio.download import download, receipt_path
from espnet_mlclap.fileio.published import PublishedFile
from espnet_mlclap.fileio.publisher import Published, ask
from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import check_mapping
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_json


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="mlclap download_weights",
        description="List, download and check published weights. They go to $MLCLAP_WEIGHTS, or "
        "else to espnet_mlclap/weights in $XDG_CACHE_HOME or ~/.cache.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights to download")
    parser.add_argument("--list", action="store_true", help="list all, with licence and source")
    parser.add_argument(
        "--use",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="use this local file for NAME from now on; NAME= goes back to the download",
    )
    parser.add_argument(
        "--verify", action="store_true", help="check the named files that are here; fetch nothing"
    )
    parser.add_argument("--table", type=Path, default=TABLE, help="table of weights")
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point of the command."""
    run_command(get_parser(), run, arguments)


def run(options: argparse.Namespace) -> None:
    """Do what the options ask for."""
    table = read_table(options.table)
    if not (options.list or options.use or options.names):
        raise UserError("nothing to do: give NAME, --list or --use NAME=PATH (--help says more).")
    for pair in options.use:
        name, separator, path = pair.partition("=")
        if not separator:
            raise UserError(f"--use {pair}: must be NAME=PATH.")
        use_local_copy(find_weights(name, table), path or None)
        print(f"{name}: uses {path or 'the download again'}")
    chosen = [find_weights(name, table) for name in options.names]
    for weights in chosen:
        if options.verify:
            verify(weights)
        else:
            print(f"{weights.name}: {weights.what}; from {weights.page}")
            path = download(weights, cached_path(weights))
            if located(weights) != path:
                print(f"{weights.name}: note that --use points at {located(weights)}")
            receipt = _receipt(path)
            licence = receipt.get("licence") or f"not stated; see {weights.page}"
            print(f"{weights.name}: {path} ({path.stat().st_size:,} bytes, licence: {licence})")
            if not receipt.get("verified", True):
                print(
                    f"{weights.name}: its publisher states no checksum; the length was right, and "
                    f"the sha256 is {receipt['sha256']}"
                )
    if options.list:
        print(f"cache: {cache_dir()}")
        for weights in table.values():
            print(describe(weights))


def verify(weights: PublishedFile) -> None:
    """Compare a file that is here with what its publisher states, or what arrived at first.

    Raises:
        UserError: it is not here, or not the same.
    """
    path = located(weights)
    if path is None:
        raise UserError(f"{weights.name}: not here, so it cannot be verified.")
    published = ask(weights, path)
    receipt = _receipt(path)
    if published.digest is None and "sha256" in receipt:
        published = Published(receipt["size"], "sha256", receipt["sha256"], weights.licence)
    wrong = published.mismatch(path)
    if wrong is not None:
        raise UserError(f"{path}: {wrong}. Delete it and download {weights.name} again.")
    if published.digest is None:
        print(
            f"{weights.name}: {path}: nothing to compare it with; its publisher states no checksum"
        )
    else:
        print(f"{weights.name}: {path}: {published.algorithm} is right")


def describe(weights: PublishedFile) -> str:
    """A few lines about a row of the table."""
    path = located(weights)
    size = f"{weights.size:,} bytes" if weights.size else weights.about or "size stated by source"
    return (
        f"\n{weights.name}: {weights.what}\n"
        f"  {size}; licence: {weights.licence or f'see {weights.page}'}\n"
        f"  {weights.url}\n"
        f"  verified by: {weights.verification}\n"
        f"  {path if path else 'not downloaded'}"
    )


def _receipt(path: Path) -> dict:
    receipt = receipt_path(path)
    return check_mapping(read_json(receipt), receipt) if receipt.exists() else {}


if __name__ == "__main__":
    main()
