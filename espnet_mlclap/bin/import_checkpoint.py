"""Turn a released checkpoint (ML-CLAP, LAION's CLAP) into an experiment folder like those of stage 5.

Examples:
    mlclap download_weights mlclap_audiocaps sonar_sentencepiece
    mlclap import_checkpoint mlclap_audiocaps exp/mlclap_released_audiocaps
    ./run.sh --stage 6 --mlclap_tag released_audiocaps
    hf download laion/clap-htsat-unfused
    mlclap import_checkpoint laion/clap-htsat-unfused exp/mlclap_clap
"""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap import_checkpoint",
        description=(__doc__ or "").splitlines()[0],
    )
    parser.add_argument(
        "checkpoint",
        help="mlclap_pretrain, mlclap_audiocaps, mlclap_clotho (see download_weights), or a file; for CLAP "
        "in the form of transformers a folder, or a name in the cache of the Hugging Face hub",
    )
    parser.add_argument("experiment_dir", help="folder to make, exp/mlclap_<tag> for run.sh")
    parser.add_argument(
        "--tokenizer",
        default="sonar_sentencepiece",
        help="SONAR's sentencepiece model: a file, or a name of the weights table",
    )
    parser.add_argument(
        "--audio_mode",
        default="reference",
        choices=["reference", "default"],
        help="reference gives the authors' numbers; default does not depend on the batch",
    )
    parser.add_argument(
        "--audio_heads", type=int, help="attention heads of a CED that is none of the published"
    )
    parser.add_argument(
        "--text_heads", type=int, help="attention heads of a text encoder that is not SONAR's size"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Do what the options ask for."""
    from espnet_mlclap.checkpoints.clap import is_clap

    if is_clap(options.checkpoint):
        from espnet_mlclap.models.released_clap import import_clap

        _tell(import_clap(options.checkpoint, options.experiment_dir), options)
        return
    from espnet_mlclap.models.released import import_checkpoint

    weights = import_checkpoint(
        options.checkpoint,
        options.experiment_dir,
        tokenizer=options.tokenizer,
        audio_heads=options.audio_heads,
        text_heads=options.text_heads,
        audio_mode=options.audio_mode,
    )
    _tell(weights, options)


def _tell(weights: Path, options: argparse.Namespace) -> None:
    folder = Path(options.experiment_dir)
    print(f"{weights}: imported from {options.checkpoint}")
    if folder.name.startswith("mlclap_"):
        print(f"Test it: ./run.sh --stage 6 --mlclap_tag {folder.name.removeprefix('mlclap_')}")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), run, arguments)


if __name__ == "__main__":
    main()
