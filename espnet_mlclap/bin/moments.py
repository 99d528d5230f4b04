"""Find the moments of a recording that fit words.

Example:
    mlclap moments street.wav "a dog barks" "a car passes" --format audacity >labels.txt
"""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.search.options import (
    add_model_options,
    add_moment_options,
    check_positive,
    find_model,
    moment_settings,
)
from espnet_mlclap.utils.cli import run_command


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(
        prog="mlclap moments", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("file", help="the recording")
    add("query", nargs="+", help="what to look for in it, in words")
    add("--lang", default="eng_Latn", help="FLORES-200 code of the queries")
    add("--top", type=int, default=3, help="moments shown for a query")
    add("--format", choices=("table", "json", "csv", "m3u", "audacity"), default="table")
    add_moment_options(parser)
    add_model_options(parser)
    return parser


def moments(options: argparse.Namespace) -> None:
    """Print the moments of each query."""
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.moments import embed_recording, find_moments, moment_hit
    from espnet_mlclap.search.outputs import FORMATS, Answered

    check_positive(options, "top")
    settings = moment_settings(options)
    known = find_model(options)
    model = MLCLAP.from_pretrained(
        known.model_dir, model_file=known.model_file, device=options.device
    )
    queries = model.encode_text(options.query, options.lang)
    windows = embed_recording(options.file, model, settings)
    answers = []
    for words, vector in zip(options.query, queries):
        found = find_moments(windows.spans, windows.vectors @ vector, settings, options.top)
        hits = [moment_hit(options.file, windows.spans[-1, 1], moment) for moment in found]
        answers.append(Answered(words, options.lang, hits))
    print(FORMATS[options.format](answers), end="")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), moments, arguments)


if __name__ == "__main__":
    main()
