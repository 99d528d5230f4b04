"""Print our figures next to the paper's, with 95 % intervals, as Markdown and pictures."""

import argparse
from typing import Optional, Sequence

from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import BEST_MODEL

PAPERS_HELP = (
    'papers of the list, such as "ml_clap correspondences", or all (default: the first; with --tables those '
    "that have these)"
)


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap paper_tables", description=__doc__)
    parser.add_argument("--config", default="conf/experiments.yaml", help="list of experiments")
    parser.add_argument("--papers", help=PAPERS_HELP)
    parser.add_argument("--tables", default="all", help='such as "2 4 figure2"')
    parser.add_argument("--seeds", help='seeds of training, such as "1 2 3"; default: all')
    parser.add_argument("--expdir", default="exp", help="folder of the experiments")
    parser.add_argument(
        "--inference_tag", default=BEST_MODEL.removesuffix(".pth"), help="results in each"
    )
    parser.add_argument(
        "--out", default="exp/PAPER.md", help="Markdown file; figures/ goes next to it"
    )
    return parser


def paper_tables(options: argparse.Namespace) -> None:
    """Write and print the tables."""
    from espnet_mlclap.experiments.papers import choose_papers
    from espnet_mlclap.experiments.plan import read_experiments
    from espnet_mlclap.experiments.report import write_report
    from espnet_mlclap.experiments.runs import read_seeds

    listed = read_experiments(options.config)
    text = write_report(
        options.out,
        chosen=choose_papers(listed.papers, options.papers, options.tables),
        listed=listed,
        expdir=options.expdir,
        inference_tag=options.inference_tag,
        seeds=None if options.seeds is None else read_seeds(options.seeds),
    )
    print(text)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), paper_tables, arguments)


if __name__ == "__main__":
    main()
