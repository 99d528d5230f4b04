"""Whether stage 7 of a training is done: with this command line, on these files."""

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from espnet_mlclap.experiments.recipe import Plan
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.reading import read_json

_NAME = ".scored"


def is_scored(plan: Plan, command: Sequence[str]) -> bool:
    """Whether a stage 7 has ended well and nothing has changed since, by what `note_scored` wrote down."""
    noted = Path(plan["inference"], _NAME)
    if not noted.is_file():
        return False
    return read_json(noted) == {**scoring_inputs(plan, command), "results": _results(plan)}


def scoring_inputs(plan: Plan, command: Sequence[str]) -> Dict[str, Any]:
    """The command line of a stage 7, and the times of the files that it reads."""
    inference = Path(plan["inference"])
    files = [Path(plan["experiment"], ".made"), Path(plan["datadir"], ".made")]
    files += [*inference.glob("*/.made"), *inference.glob("reranked/*/*/.made")]
    # stage 5 writes down the whole command line, with the recipe's own choices
    ran = Path(plan["experiment"], "run.sh.txt")
    words = [*command, ran.read_text(encoding="utf-8") if ran.is_file() else ""]
    return {"command": list(command), "inputs": _times([*files, *_named(words, inference.name)])}


def note_scored(plan: Plan, inputs: Mapping[str, Any]) -> None:
    """Write down, in the folder of results, that a stage 7 has ended well.

    Args:
        plan: of the training.
        inputs: `scoring_inputs` before it began, so that what was changed while it ran is noticed.
    """
    with atomic_open(Path(plan["inference"], _NAME)) as file:
        json.dump({**inputs, "results": _results(plan)}, file, indent=1)


def _results(plan: Plan) -> Dict[str, Optional[int]]:
    return _times(Path(plan["inference"], name) for name in ("scores.json", "RESULTS.md"))


def _times(files: Iterable[Path]) -> Dict[str, Optional[int]]:
    return {str(path): path.stat().st_mtime_ns if path.is_file() else None for path in files}


def _named(texts: Sequence[str], inference_tag: str) -> List[Path]:
    """Files that a command line names: the recipe, lists ("SET=FILE ..."), scores of other experiments."""
    paths = [Path(word.rpartition("=")[2]) for text in texts for word in text.split()]
    names = ("scores.json", f"{inference_tag}/scores.json")
    scores = [path / name for path in paths for name in names]
    # os.path: a word that is too long for a file's name is none
    return [path for path in (*paths, *scores) if os.path.isfile(path)]
