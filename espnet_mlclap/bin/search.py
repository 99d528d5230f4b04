"""Search recordings with words, in any language of the model, or with sounds.

Examples:
    mlclap search --lang fra_Latn "un chien aboie" "la pluie tombe"
    mlclap search --sound knock.wav --format m3u >hits.m3u
    mlclap search "footsteps" --minus "music" --with_tag field --one_per_recording true
    mlclap search --model_dir exp/mlclap_train --audio_dir ~/recordings "a dog barks"

It looks into the library that `mlclap index` has made; with `--audio_dir` that folder is first brought up
to date in it, and only recordings of that folder are shown.
"""

import argparse
import logging
from dataclasses import replace
from typing import Optional, Sequence

from espnet_mlclap.search.options import (
    add_library_options,
    add_reranker_options,
    add_where_options,
    check_positive,
    find_model,
    open_library,
    where_of,
)
from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap search", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("query", nargs="*", help="what to look for, in words; each is a question of its own")
    add("--lang", default="eng_Latn", help="FLORES-200 code of the queries")
    add("--minus", action="append", default=[], help="words for what it must not sound like")
    add("--sound", action="append", default=[], help="a recording that it sounds like")
    add("--like", type=int, action="append", default=[], help="a hit (`window` in --format json)")
    add("--top", type=int, default=10, help="hits shown for a query")
    add("--min_similarity", type=float, default=-1.0, help="of hits: a cosine, -1 to 1")
    add("--one_per_recording", type=bool_option, default=False, help="its best hit only")
    add("--merge_margin", type=float, default=0.05, help="between neighbouring windows of one hit")
    add(
        "--format",
        choices=("table", "json", "csv", "m3u", "audacity"),
        default="table",
        help="of the output",
    )
    add_where_options(parser)
    add_reranker_options(parser)
    add_library_options(parser)
    add("--audio_dir", help="index this folder first, and search only there")
    # of earlier versions, for scripts that give it: what cannot be read is left out in any case
    add("--skip_bad_audio", type=bool_option, default=True, help=argparse.SUPPRESS)
    add("--batch_size", type=int, default=16, help="windows encoded together")
    return parser


def search(options: argparse.Namespace) -> None:
    """Print the hits of each question."""
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.outputs import FORMATS, Answered
    from espnet_mlclap.search.question import Answer, Question, ask, encode_windows
    from espnet_mlclap.search.sounds import read_sound
    from espnet_mlclap.search.update import update_library

    check_positive(options, "top", "batch_size", "rerank_top")
    if options.reranker and (options.minus or options.sound or options.like or not options.query):
        raise UserError("--reranker takes words alone: leave --minus, --sound and --like out.")
    if not (options.query or options.sound or options.like or options.audio_dir):
        raise UserError("nothing to look for: give words, --sound FILE or --like HIT.")
    known = find_model(options)
    model = MLCLAP.from_pretrained(
        known.model_dir, model_file=known.model_file, device=options.device
    )
    library = open_library(options, known, model, make=options.audio_dir is not None)
    where = where_of(options)
    if options.audio_dir is not None:
        report = update_library(
            library,
            [options.audio_dir],
            lambda windows: encode_windows(model, windows),
            batch_size=options.batch_size,
        )
        for _, problem in report.problems:
            logging.warning("left out: %s", problem)
        logging.info("%s", report)
        if where.folder is None:
            where = replace(where, folder=report.folders[0])
    question = Question(
        minus=tuple(options.minus),
        lang=options.lang,
        sounds=tuple(read_sound(path, library.plan()) for path in options.sound),
        like=tuple(options.like),
    )
    answer = Answer(
        top=options.top,
        min_similarity=options.min_similarity,
        one_per_recording=options.one_per_recording,
        margin=options.merge_margin,
        where=where,
        reranker=_reranker(options),
    )
    questions = [(words, replace(question, words=(words,))) for words in options.query]
    if not questions and (options.sound or options.like):
        questions = [(" ".join([*options.sound, *map(str, options.like)]), question)]
    answers = [
        Answered(words, options.lang, ask(one, answer, model, library.store))
        for words, one in questions
    ]
    print(FORMATS[options.format](answers), end="")


def _reranker(options: argparse.Namespace):
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.rerank import Reranker

    if options.reranker is None:
        return None
    model = MLCLAP.from_pretrained(
        options.reranker, model_file=options.reranker_file, device=options.device
    )
    _ = model.pair_model  # says now that it has two towers only
    return Reranker(model, options.rerank_top)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), search, arguments)


if __name__ == "__main__":
    main()
