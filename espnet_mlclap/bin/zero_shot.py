"""Classify the clips of a test set by captions of the classes (stage 7): writes zero_shot.json."""

import argparse
import json
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

import numpy as np

from espnet_mlclap.evaluation.confidence import REPLICATES
from espnet_mlclap.evaluation.embeddings import read_embeddings
from espnet_mlclap.evaluation.zero_shot import (
    Prompt,
    prompts_of_complete_languages,
    prompts_of_training_data,
    read_prompt_embeddings,
    read_prompts,
    write_prompt_embeddings,
    zero_shot_scores,
)
from espnet_mlclap.fileio.data_dir import read_table
from espnet_mlclap.reports.zero_shot import zero_shot_table
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.cli import run_command
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import PAPER_SOURCE, check_language


def get_parser() -> argparse.ArgumentParser:
    """Options of this command."""
    parser = argparse.ArgumentParser(prog="mlclap zero_shot", description=__doc__)
    parser.add_argument("--data_dir", required=True, help="test set with clip2label")
    parser.add_argument(
        "--embedding_dir",
        required=True,
        help="embeddings of the test set (exp/<experiment>/<inference tag>/<set>); zero_shot.json goes there",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--prompt_data_dir",
        nargs="+",
        help="training sets with clip2label and directories of their translations, whose captions stand for "
        "the classes",
    )
    source.add_argument("--prompt_file", help="TSV with the header label, lang, caption")
    source.add_argument(
        "--prompt_embedding_dir",
        help="prompts embedded by an earlier run (<embedding_dir>/prompts)",
    )
    parser.add_argument("--model_dir", help="experiment folder or packed file that embeds prompts")
    parser.add_argument("--model_file", default=BEST_MODEL, help="checkpoint in model_dir")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--source_lang", default=PAPER_SOURCE, help="the table gives the mean of the others"
    )
    parser.add_argument("--bootstrap", type=int, default=REPLICATES, help="samples of intervals")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    return parser


def classify(options: argparse.Namespace) -> None:
    """Embed the prompts where needed, classify, write zero_shot.json, print the table."""
    if options.bootstrap < 1:
        raise UserError(f"--bootstrap {options.bootstrap}: must be 1 or more.")
    if options.prompt_embedding_dir is None and options.model_dir is None:
        raise UserError("--model_dir is needed to embed prompts (or --prompt_embedding_dir).")
    check_language(options.source_lang, "--source_lang")
    folder = Path(options.embedding_dir)
    embeddings = read_embeddings(folder)
    label_file = Path(options.data_dir) / "clip2label"
    if not label_file.exists():
        raise UserError(f"{label_file}: the test set has no labels. Zero-shot accuracy needs them.")
    labels = read_table(label_file)
    for clip in embeddings.clips:
        if clip not in labels:
            raise UserError(f"{label_file}: no label of the clip {clip!r} of {folder}. Add it.")
    prompts, text = _prompts(options, folder, labels, embeddings.clips)
    scores = zero_shot_scores(
        embeddings.audio,
        [labels[clip] for clip in embeddings.clips],
        prompts,
        text,
        replicates=options.bootstrap,
        seed=options.seed,
    )
    with atomic_open(folder / "zero_shot.json") as file:
        json.dump(scores, file, indent=1, ensure_ascii=False)
        file.write("\n")
    print(f"\n{folder.name}\n\n{zero_shot_table(scores, options.source_lang).text()}")


def _prompts(
    options: argparse.Namespace, folder: Path, labels: Mapping[str, str], clips: Sequence[str]
) -> Tuple[List[Prompt], np.ndarray]:
    if options.prompt_embedding_dir is not None:
        return read_prompt_embeddings(options.prompt_embedding_dir)
    if options.prompt_file is not None:
        prompts = read_prompts(options.prompt_file)
    else:
        prompts = prompts_of_complete_languages(
            prompts_of_training_data(options.prompt_data_dir, clips),
            (labels[clip] for clip in clips),
        )
    from espnet_mlclap.inference import MLCLAP  # imports torch: not for --help

    model = MLCLAP.from_pretrained(
        options.model_dir, model_file=options.model_file, device=options.device
    )
    text = model.encode_text(
        [prompt.caption for prompt in prompts], [prompt.lang for prompt in prompts]
    )
    write_prompt_embeddings(folder / "prompts", prompts, text)
    return prompts, text


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), classify, arguments)


if __name__ == "__main__":
    main()
