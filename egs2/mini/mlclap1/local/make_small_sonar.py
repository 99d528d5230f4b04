#!/usr/bin/env python3
"""Make the small SONAR of this recipe: sentences, tokenizer, training, measuring.

    . ./path.sh
    python3 local/make_small_sonar.py            # all of it
    python3 local/make_small_sonar.py --stage 2  # only measure what is there

Stage 1 trains (a quarter of an hour on one core) and writes two fairseq2 assets of 4 MB together to
--out_dir; stage 2 loads them by name, translates captions of unseen scenes and writes the numbers to
README.md next to them.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

from espnet_mlclap.utils.config import read_yaml

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent / "sonar_assets"
CONFIG = HERE / "small_sonar" / "small_sonar.yaml"


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="make_small_sonar.py", description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, default=CONFIG, help="YAML with all numbers")
    parser.add_argument("--out_dir", type=Path, default=ASSETS, help="folder for the assets")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1, help="first stage")
    parser.add_argument("--stop_stage", type=int, choices=(1, 2), default=2, help="last stage")
    return parser


def make(config: dict, out_dir: Path) -> None:
    """Stage 1: train, and write the assets; what was there stays until they are complete."""
    import fairseq2  # noqa: F401  (before torch: it checks that the two fit)
    import torch

    from small_sonar.batches import TokenTable
    from small_sonar.export import asset_files, write_card, write_checkpoint
    from small_sonar.sentences import sample_sentences
    from small_sonar.tokenizer import load_tokenizer, train_tokenizer
    from small_sonar.training import SmallSonar, model_configs, train

    scratch = tempfile.TemporaryDirectory(dir=out_dir)
    files = asset_files(Path(scratch.name), config["name"])
    settings = config["sentences"]
    sentences = sample_sentences(
        settings["number"],
        "train",
        settings["event_weights"],
        settings["mark_probability"],
        config["seed"],
    )
    train_tokenizer(files["tokenizer"], sentences, config["tokenizer"]["vocab_size"])
    langs = list(sentences[0].captions)
    tokenizer = load_tokenizer(files["tokenizer"], langs)
    torch.manual_seed(config["seed"])
    configs = model_configs(tokenizer.vocab_info, config["model"])
    model = SmallSonar(*configs)
    train(model, TokenTable(tokenizer, sentences), config["training"], config["seed"])
    for kind, one in zip(("encoder", "decoder"), configs):
        write_checkpoint(files[kind], getattr(model, kind))
        write_card(files, kind, one, langs)
    for path in files.values():
        os.replace(path, out_dir / path.name)
    scratch.cleanup()


def describe(config: dict, out_dir: Path) -> None:
    """Stage 2: measure the assets, and write the README."""
    os.environ["FAIRSEQ2_ASSET_DIR"] = str(out_dir.resolve())  # before fairseq2 looks for cards
    from small_sonar.export import asset_files
    from small_sonar.measure import measure, table

    size = sum(path.stat().st_size for path in asset_files(out_dir, config["name"]).values())
    started = time.monotonic()
    results = measure(config["name"], config["measure"])
    seconds = time.monotonic() - started
    text = (HERE / "small_sonar" / "README.template.md").read_text(encoding="utf-8")
    text = text.format(
        name=config["name"],
        megabytes=size / 1e6,
        sentences=config["sentences"]["number"],
        vocabulary=config["tokenizer"]["vocab_size"],
        reading=config["training"]["reading_steps"],
        steps=config["training"]["translation_steps"],
        alignment=config["training"]["alignment_steps"],
        batch=config["training"]["batch_size"],
        unseen=config["measure"]["sentences"],
        table=table(results),
        lowest=min(one["chrF"] for one in results.values()),
        seconds=seconds,
        machine=platform.machine(),
        **config["model"],
    )
    (out_dir / "README.md").write_text(text, encoding="utf-8")
    print(table(results))


def main() -> None:
    """Entry point."""
    options = get_parser().parse_args()
    config = read_yaml(options.config)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    if options.stage == 1:
        make(config, options.out_dir)
    if options.stop_stage == 2:
        describe(config, options.out_dir)


if __name__ == "__main__":
    main()
