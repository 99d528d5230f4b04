"""Score the embeddings of test sets (stage 7): writes scores.json and prints tables."""

import argparse
import logging
from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence

from espnet_mlclap.evaluation.confidence import REPLICATES
from espnet_mlclap.evaluation.embeddings import EmbeddingSet, read_embeddings
from espnet_mlclap.evaluation.pair_scores import FILE_NAME, read_pair_scores
from espnet_mlclap.evaluation.paired import compare_sets, find_results
from espnet_mlclap.evaluation.reranked_scores import add_reranked
from espnet_mlclap.evaluation.scores import (
    SetScores,
    find_sets,
    read_relevant_clips,
    score_set,
    write_scores,
)
from espnet_mlclap.reports.tables import (
    MARKDOWN_INTERVALS,
    TEXT_INTERVALS,
    criterion_line,
    score_tables,
)
from espnet_mlclap.utils.cli import bool_option, run_command
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import PAPER_SOURCE, check_language


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap score", description=__doc__)
    parser.add_argument(
        "--inference_dir", required=True, help="exp/<experiment>/<inference tag>, with <set>/ in it"
    )
    parser.add_argument(
        "--sets", nargs="+", help="test sets to score; default: all that have embeddings there"
    )
    parser.add_argument(
        "--source_lang",
        default=PAPER_SOURCE,
        help="the language that the others are translations of: first in tables, which give the mean of the "
        "others",
    )
    parser.add_argument("--bootstrap", type=int, default=REPLICATES, help="samples of intervals")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument(
        "--relevant_clips",
        nargs="+",
        default=[],
        metavar="SET=FILE",
        help="lists of relevant clips of captions, `<caption id> <clip id> ...` per line: adds mAP@16 as in "
        "DCASE 2025",
    )
    parser.add_argument(
        "--own_clip_is_relevant",
        type=bool_option,
        default=False,
        help="count a caption's own clip even where its list leaves it out",
    )
    parser.add_argument(
        "--baseline",
        help="results of another experiment on the same sets: adds the differences with paired intervals",
    )
    parser.add_argument(
        "--reranked",
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders with <set>/pair_scores.npz (mlclap rerank): adds what they make of these embeddings",
    )
    parser.add_argument("--markdown", type=bool_option, default=False, help="print Markdown")
    return parser


def score(options: argparse.Namespace) -> None:
    """Score all sets, write scores.json, print the tables."""
    if options.bootstrap < 1:
        raise UserError(f"--bootstrap {options.bootstrap}: must be 1 or more.")
    check_language(options.source_lang, "--source_lang")
    inference_dir = Path(options.inference_dir)
    names = find_sets(inference_dir, options.sets)
    files = _files_by_set(options.relevant_clips, names)
    scores = {}
    for name in names:
        embeddings = read_embeddings(inference_dir / name)
        relevant = None
        if name in files:
            relevant = read_relevant_clips(files[name], embeddings, options.own_clip_is_relevant)
        scores[name] = score_set(
            embeddings,
            replicates=options.bootstrap,
            seed=options.seed,
            source_lang=options.source_lang,
            relevant=relevant,
        )
        _warn(name, scores[name])
        _add_reranked(scores[name], embeddings, name, options, relevant)
        if options.baseline is not None:
            _add_differences(scores[name], embeddings, name, options)
    write_scores(inference_dir / "scores.json", scores)
    shown = MARKDOWN_INTERVALS if options.markdown else TEXT_INTERVALS
    for name, tables in score_tables(scores, shown).items():
        print(f"\n## {name}" if options.markdown else f"\n{name}")
        for table in tables:
            print("\n" + (table.markdown() if options.markdown else table.text()))
        print("\n" + criterion_line(scores[name]))


def _add_reranked(
    scores: SetScores,
    embeddings: EmbeddingSet,
    name: str,
    options: argparse.Namespace,
    relevant: Optional[Mapping[str, Sequence[str]]],
) -> None:
    for folder in options.reranked:
        if not (Path(folder) / name / FILE_NAME).exists():
            logging.warning(f"{folder}: {name} was not reranked there")
            continue
        add_reranked(
            scores,
            embeddings,
            read_pair_scores(Path(folder) / name, embeddings),
            replicates=options.bootstrap,
            seed=options.seed,
            relevant=relevant,
        )


def _add_differences(
    scores: SetScores, embeddings: EmbeddingSet, name: str, options: argparse.Namespace
) -> None:
    results = find_results(options.baseline)
    if not (results / name).is_dir():
        logging.warning(f"{results}: was not tested on {name}; no differences there")
        return
    differences = compare_sets(
        embeddings,
        read_embeddings(results / name),
        replicates=options.bootstrap,
        seed=options.seed,
    )
    for lang, by_direction in differences.items():
        scores[lang]["difference"] = {"to": results.resolve().parent.name, **by_direction}


def _files_by_set(values: Sequence[str], names: Sequence[str]) -> Dict[str, str]:
    files = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals or name not in names:
            raise UserError(
                f"--relevant_clips {value}: must read SET=FILE with a set of {', '.join(names)}."
            )
        files[name] = path
    return files


def _warn(name: str, scores: Dict[str, dict]) -> None:
    for lang, entry in scores.items():
        if entry["tied_queries"]["t2a"] == entry["captions"] and entry["clips"] > 1:
            logging.warning(
                f"{name}, {lang}: every caption's clip is level with another clip. The embeddings have "
                "collapsed; look at the training curve."
            )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), score, arguments)


if __name__ == "__main__":
    main()
