"""Translate captions (stage 2, language enhancement), check the translations, write data/<set>_le."""

import argparse
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.languages import PAPER_SOURCE
from espnet_mlclap.utils.shard import add_shard_option


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap translate", description=__doc__)
    add = parser.add_argument
    add("--data_dir", nargs="+", required=True, help="sets with the captions to translate")
    add("--out_dir", nargs="+", required=True, help="for the translations, one for each --data_dir")
    add("--source_lang", default=PAPER_SOURCE, help="captions of this language are translated")
    add(
        "--rewrite",
        type=bool_option,
        default=False,
        help="make paraphrases in --source_lang instead of translations into --langs (chat, file)",
    )
    add("--langs", default="", help='languages to translate into, "fra_Latn deu_Latn ..."')
    add(
        "--translator",
        default="sonar",
        help="sonar, huggingface, chat, file (given translations), or package.module:Class of your own",
    )
    add(
        "--config",
        nargs="+",
        default=[],
        help="YAML files that change the shipped translation.yaml",
    )
    add(
        "--test_set",
        type=bool_option,
        default=False,
        help="all captions, only into languages in which a clip has none, and no translation is left "
        "out for its quality",
    )
    add(
        "--encoder",
        help="SONAR text encoder (fairseq2 asset) instead of the config's; other translators than sonar "
        "use it for the cosine",
    )
    add("--decoder", help="SONAR text decoder (fairseq2 asset), instead of the config's")
    add(
        "--model",
        help="model of huggingface, chat or a class of your own, instead of the config's",
    )
    add("--captions_per_clip", help="one or all, instead of the config's")
    add("--given_dir", help="with --translator file: text, utt2clip and utt2lang")
    add("--reference_dir", help="good translations with the same captions' numbers, for chrF")
    add(
        "--nj",
        type=int,
        default=1,
        help="maximum number of processes: on the CPU each has a copy of the model; on GPUs there is one for "
        "each visible GPU; chat sends this many requests at a time",
    )
    add("--device", default="cpu", help="cpu, cuda (the visible GPUs), cuda:1 (only this one) ...")
    add("--seed", type=int, default=0, help="of the choice of one caption per clip")
    add_shard_option(parser)
    return parser


def translate(options: argparse.Namespace) -> None:
    """Translate the sets that `options` name."""
    from espnet_mlclap.language_enhancement.config import read_settings
    from espnet_mlclap.language_enhancement.enhance import Request, enhance
    from espnet_mlclap.utils.errors import UserError

    if len(options.data_dir) != len(options.out_dir):
        raise UserError(
            f"{len(options.data_dir)} --data_dir but {len(options.out_dir)} --out_dir: give one "
            "--out_dir for each."
        )
    config = read_settings(options.config, _changes(options))
    request = Request(
        sets=[(Path(data), Path(out)) for data, out in zip(options.data_dir, options.out_dir)],
        source_lang=options.source_lang,
        langs=options.langs.split(),
        translator=options.translator,
        lacking_only=options.test_set,
        rewrite=options.rewrite,
        given_dir=Path(options.given_dir) if options.given_dir else None,
        reference_dir=Path(options.reference_dir) if options.reference_dir else None,
        nj=options.nj,
        device=options.device,
        seed=options.seed,
        shard=options.shard,
    )
    enhance(request, config)


def _changes(options: argparse.Namespace) -> Dict[str, Any]:
    """Settings from the command line, which replace the config's."""
    changes: Dict[str, Any] = {}
    if options.captions_per_clip:
        changes["captions_per_clip"] = options.captions_per_clip
    if options.test_set:
        changes["captions_per_clip"] = "all"
        changes["quality"] = {"filter": False}
    for name in ("encoder", "decoder"):
        if getattr(options, name):
            changes.setdefault("sonar", {})[name] = getattr(options, name)
    if options.encoder and options.translator != "sonar":
        changes.setdefault("quality", {})["encoder"] = options.encoder
    if options.model and options.translator not in ("sonar", "file"):
        section = "custom" if ":" in options.translator else options.translator
        changes[section] = {"model": options.model}
    return changes


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), translate, arguments)


if __name__ == "__main__":
    main()
