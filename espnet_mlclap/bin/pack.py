"""Pack an experiment into one file that another machine can use alone (stage 8)."""

import argparse
import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap pack", description=__doc__)
    parser.add_argument("--experiment_dir", required=True, help="folder of stage 5")
    parser.add_argument("--model_file", default=BEST_MODEL, help="checkpoint to pack")
    parser.add_argument(
        "--out", required=True, help="file to write: .zip, .tar, .tgz, .tbz2 or .txz"
    )
    parser.add_argument(
        "--option", action="append", default=[], help="further file to put in; repeatable"
    )
    return parser


def pack(options: argparse.Namespace) -> None:
    """Write the packed file with ESPnet's pack format."""
    from espnet2.main_funcs.pack_funcs import pack as espnet_pack

    experiment = Path(options.experiment_dir).resolve()
    out = Path(options.out).resolve()
    temporary = out.with_name(f".tmp.{out.name}")
    extra = [Path(name).resolve() for name in options.option]
    tokenizer = sorted(path for path in (experiment / "text_encoder").rglob("*") if path.is_file())
    files = {"model_file": experiment / options.model_file}
    files.update((f"text_encoder/{path.name}", path) for path in tokenizer)
    here = Path.cwd()
    os.chdir(experiment.parent)  # ESPnet names packed files relative to the current folder
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            espnet_pack(files, {"config": experiment / "config.yaml"}, temporary, extra)
        os.replace(temporary, out)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"cannot pack {experiment}: {error}") from error
    finally:
        os.chdir(here)
        temporary.unlink(missing_ok=True)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), pack, arguments)


if __name__ == "__main__":
    main()
