"""Checkpoints that survive a kill at any moment.

ESPnet's trainer writes `checkpoint.pth` (everything needed to go on), then `<n>epoch.pth` (the weights of
epoch n), then the links `latest.pth` and `<phase>.<criterion>.best.pth`. A kill between two of these
leaves a whole `checkpoint.pth` with files missing beside it; `repair` makes them again from it.
"""

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any, Iterator, Sequence, Union
from unittest import mock

import torch
from espnet2.train.reporter import Reporter

from espnet_mlclap.utils.atomic import atomic_open

_save = torch.save


def atomic_save(obj: Any, file: Union[str, Path]) -> None:
    """`torch.save` that replaces `file` only when the new one is whole and on disk."""
    if Path(file).name.endswith("epoch.pth"):  # of the objective, the model alone
        prefix = "model."
        obj = {key[len(prefix) :]: obj[key] for key in obj if key.startswith(prefix)}
    with atomic_open(file, "wb") as stream:
        _save(obj, stream)


@contextlib.contextmanager
def atomic_checkpoints() -> Iterator[None]:
    """Within the block, `torch.save` (as ESPnet's trainer calls it) writes aside and renames."""
    with mock.patch.object(torch, "save", atomic_save):
        yield


def link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, replacing what was there in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)


def repair(output_dir: Path, best_model_criterion: Sequence[Sequence[str]]) -> None:
    """Make the files again that a kill after `checkpoint.pth` was written has left missing.

    Args:
        output_dir: folder of the experiment; nothing happens without a `checkpoint.pth` in it.
        best_model_criterion: (phase, key, mode) triples that links are kept for.
    """
    checkpoint = output_dir / "checkpoint.pth"
    if not checkpoint.exists():
        return
    # Our own file of this experiment, which the trainer loads the same way right after.
    states = torch.load(checkpoint, map_location="cpu", weights_only=False)
    reporter = Reporter()
    reporter.load_state_dict(states["reporter"])
    epoch = reporter.get_epoch()
    weights = output_dir / f"{epoch}epoch.pth"
    if not weights.exists():
        logging.info(f"{weights} was missing; written again from {checkpoint}")
        atomic_save(states["model"], weights)
    link(output_dir / "latest.pth", weights.name)
    for phase, key, mode in best_model_criterion:
        if reporter.has(phase, key):
            best = f"{reporter.get_best_epoch(phase, key, mode)}epoch.pth"
            if (output_dir / best).exists():
                link(output_dir / f"{phase}.{key}.best.pth", best)


def write_history(output_dir: Path) -> None:
    """Write `history.jsonl`: one line an epoch with what was reported while training and validating."""
    checkpoint = output_dir / "checkpoint.pth"
    states = torch.load(checkpoint, map_location="cpu", weights_only=False)
    with atomic_open(output_dir / "history.jsonl") as file:
        for epoch, phases in sorted(states["reporter"]["stats"].items()):
            line = {"epoch": epoch}
            for phase in ("train", "valid"):
                line[phase] = {
                    key: float(value)
                    for key, value in phases.get(phase, {}).items()
                    if key not in ("time", "total_count") and not hasattr(value, "total_seconds")
                }
            seconds = [
                phase["time"].total_seconds() for phase in phases.values() if "time" in phase
            ]
            line["seconds"] = sum(seconds)
            file.write(json.dumps(line) + "\n")
