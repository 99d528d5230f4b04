"""Show the page on real recordings: trains the recipe esc10 if need be, and serves its test recordings.

Example:
    mlclap demo

It needs a checkout of the project. The first time it installs two pretrained encoders and trains, two
minutes on two cores (`make -C tools esc10`); then it opens the page in a browser.
"""

import argparse
import logging
import subprocess
import sys
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs2/esc10/mlclap1"
_EXPERIMENT = "exp/mlclap_train_*"  # of run.sh as it is; other experiments have names of their own


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap demo", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=8080, help="of the page; 0: any that is free")
    parser.add_argument(
        "--open_browser", type=bool_option, default=True, help="open the page in a browser"
    )
    return parser


def trained(recipe: Path) -> Optional[Path]:
    """The experiment that the recipe trained last; None: there is none yet."""
    found = [path.parent for path in recipe.glob(f"{_EXPERIMENT}/{BEST_MODEL}")]
    return max(found, key=lambda path: (path / BEST_MODEL).stat().st_mtime_ns, default=None)


def demo(options: argparse.Namespace) -> None:
    """Train if need be, index, serve."""
    from espnet_mlclap.bin import index, serve

    if not (RECIPE / "run.sh").exists():
        raise UserError(
            f"{RECIPE}: the demo is a recipe of a checkout of this project, and this is an "
            f"installed package. "
            "Clone the project; or index recordings of your own: mlclap index FOLDER --model_dir EXPERIMENT."
        )
    if trained(RECIPE) is None:
        logging.info("training the recipe esc10, which takes a few minutes")
        if subprocess.run(["make", "-C", str(ROOT / "tools"), "esc10"], check=False).returncode:
            raise UserError("the recipe esc10 did not succeed; what is above says why.")
    experiment = trained(RECIPE)
    if experiment is None:
        raise UserError(f"{RECIPE}/exp: there is no trained model in it.")
    sys.path.insert(0, str(RECIPE))  # the recipe's own encoder classes
    index.main([str(RECIPE / "corpus/test"), "--model_dir", str(experiment)])
    serve.main(
        [
            *("--model_dir", str(experiment)),
            *("--port", str(options.port)),
            *("--open_browser", str(options.open_browser).lower()),
        ]
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), demo, arguments)


if __name__ == "__main__":
    main()
