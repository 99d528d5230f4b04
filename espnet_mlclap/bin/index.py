"""Make a library of recordings, or bring it up to date.

Example:
    mlclap index ~/recordings ~/archive --model_dir exp/mlclap_train

Recordings are cut into windows, which the model embeds once. Run it again after adding, changing, renaming or
removing recordings: only what is new or changed is embedded. `mlclap search` and `mlclap serve` look into it.
"""

import argparse
import logging
from typing import Optional, Sequence

from espnet_mlclap.search.options import (
    add_library_options,
    check_positive,
    find_model,
    open_library,
)
from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.shard import add_shard_option


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap index", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("folders", nargs="*", help="of recordings, with subfolders; none: those of the library")
    add_library_options(parser)
    add("--window", type=float, help="seconds of a window; 0: whole recordings (10 for a new one)")
    add("--hop", type=float, help="seconds between the beginnings of windows (5 for a new library)")
    add("--tag", action="append", default=[], help="for what is new or changed; may be repeated")
    add("--forget", action="store_true", help="remove the recordings of these folders instead")
    add("--compare_checksums", type=bool_option, default=False, help="do not trust size and time")
    add("--retry", type=bool_option, default=False, help="try again what could not be read")
    add("--wait", type=bool_option, default=True, help="for another process that is at it")
    add("--batch_size", type=int, default=16, help="windows encoded together")
    add("--plan_shares", type=bool_option, default=False, help="only list what --shard will do")
    add_shard_option(parser)
    return parser


def index(options: argparse.Namespace) -> None:
    """Bring the library up to date and say what was done."""
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.places import library_of
    from espnet_mlclap.search.question import encode_windows
    from espnet_mlclap.search.shares import Shares
    from espnet_mlclap.search.update import forget_folders, update_library

    check_positive(options, "batch_size")
    known = find_model(options)
    model = MLCLAP.from_pretrained(
        known.model_dir, model_file=known.model_file, device=options.device
    )
    if options.shard is not None:
        folder = options.library or library_of(model.fingerprint)
        Shares(folder).embed(
            options.shard,
            model.fingerprint,
            lambda windows: encode_windows(model, windows),
            options.batch_size,
        )
        return
    library = open_library(options, known, model, make=True)
    folders = options.folders or library.catalogue.folders
    if not folders:
        raise UserError("no folder was given, and the library is empty: mlclap index FOLDER.")
    if options.forget:
        removed = forget_folders(library, options.folders, wait=options.wait)
        print(f"{removed} recordings removed from {library.folder}")
        return
    report = update_library(
        library,
        folders,
        lambda windows: encode_windows(model, windows),
        plan=wanted_plan(options),
        tags=options.tag,
        batch_size=options.batch_size,
        compare_checksums=options.compare_checksums,
        retry=options.retry,
        wait=options.wait,
        only_list=options.plan_shares,
    )
    if options.plan_shares:
        print(f"{report.found} recordings found, {report.unchanged} unchanged")
        return
    for _, problem in report.problems:
        logging.warning("left out: %s", problem)
    print(report)
    windows = library.store.count()
    print(f"library: {library.catalogue.count()} recordings, {windows} windows, {library.folder}")


def wanted_plan(options: argparse.Namespace):
    """The windows that the user asks for; None: none in particular."""
    from espnet_mlclap.search.windows import WindowPlan

    if options.window is None and options.hop is None:
        return None
    window = WindowPlan.window if options.window is None else options.window
    hop = min(WindowPlan.hop, window) if options.hop is None else options.hop
    return WindowPlan(window, hop)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), index, arguments)


if __name__ == "__main__":
    main()
