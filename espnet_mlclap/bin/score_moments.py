"""Score how well the moments of long recordings are found by words, in each language of the set.

Example:
    mlclap score_moments --model_dir exp/mlclap_train --data_dir data/test_long/data

The set has `segments` (see `espnet_mlclap.fileio.segments`). Prints R1@0.5, R1@0.7 and mAP over IoU.
"""

import argparse
import json
from pathlib import Path
from typing import Dict, List, Optional, Sequence

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
        prog="mlclap score_moments", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="recordings, captions and segments")
    add("--out", type=Path, help="file for the figures, JSON")
    add("--top", type=int, default=10, help="moments that count for a caption")
    add_moment_options(parser)
    add_model_options(parser)
    return parser


def score(options: argparse.Namespace) -> None:
    """Find the moments of all captions and print the figures."""
    import numpy as np
    from tabulate import tabulate

    from espnet_mlclap.evaluation.moments import score_moments
    from espnet_mlclap.fileio.data_dir import DataDir
    from espnet_mlclap.fileio.segments import read_segments
    from espnet_mlclap.inference import MLCLAP
    from espnet_mlclap.search.moments import embed_recording, find_moments
    from espnet_mlclap.utils.atomic import atomic_open
    from espnet_mlclap.utils.progress import progress

    check_positive(options, "top")
    settings = moment_settings(options)
    known = find_model(options)
    data = DataDir.read(options.data_dir)
    true = read_segments(options.data_dir, data.captions)
    model = MLCLAP.from_pretrained(
        known.model_dir, model_file=known.model_file, device=options.device
    )
    keys = list(true)
    langs = {key: data.captions[key].lang for key in keys}
    vectors = model.encode_text(
        [data.captions[key].text for key in keys], [langs[key] for key in keys]
    )
    of_recording: Dict[str, List[int]] = {}
    for row, key in enumerate(keys):
        of_recording.setdefault(data.captions[key].clip, []).append(row)
    predicted = {}
    for name, rows in progress(of_recording.items(), "finding moments", unit="recordings"):
        windows = embed_recording(data.wav_scp[name], model, settings)
        for row in rows:
            similarity = windows.vectors @ vectors[row]
            found = find_moments(windows.spans, similarity, settings, options.top)
            predicted[keys[row]] = np.array([moment[:2] for moment in found])
    scores = score_moments(predicted, true, langs)
    print(tabulate(
        [[lang, *figures.values()] for lang, figures in scores.items()],
        ["language", *scores["mean"]], floatfmt=".2f", tablefmt="github",
    ))  # fmt: skip
    if options.out is not None:
        with atomic_open(options.out) as file:
            json.dump(scores, file, indent=2)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Entry point; `--help` lists the options."""
    run_command(get_parser(), score, arguments)


if __name__ == "__main__":
    main()
