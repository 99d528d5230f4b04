#!/usr/bin/env python3
"""Write SONAR's text encoder as a model of transformers (M2M100Encoder, NLLB tokenizer).

    python tools/sonar_to_huggingface.py --out sonar_m2m100     (needs the weights: see download_weights)

Then, in a training configuration:

    text_encoder: huggingface
    text_encoder_conf: {model: sonar_m2m100, pooling: mean}
"""

import argparse

from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="sonar_to_huggingface.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--model", default="text_sonar_basic_encoder", help="fairseq2 asset name of the encoder"
    )
    parser.add_argument("--out", required=True, help="folder to write to")
    return parser


def run(options: argparse.Namespace) -> None:
    """Do what the options ask for."""
    from espnet_mlclap.models.text_encoder.sonar import SonarTextEncoder
    from espnet_mlclap.models.text_encoder.sonar_to_huggingface import export

    export(SonarTextEncoder(model=options.model), options.out)


if __name__ == "__main__":
    run_command(get_parser(), run)
