"""The files of a training, which survive a kill at any moment.

After each epoch, in this order, each of them complete or not at all:

    checkpoint.pth                       needed to continue: objective, optimisers, schedules, reports, as
                                         tensors and plain values: nothing in it runs when it is read
    <n>epoch.pth                         the model of epoch n, and what its loss has learnt (a temperature)
    latest.pth, <phase>.<name>.best.pth  links to these
    history.jsonl                        a line for each epoch: what training and validation reported

`training_id` is made before the first of them; a `checkpoint.pth` without the same words in it comes from
another training and is not continued. A kill between two of these leaves a complete `checkpoint.pth` with
files missing next to it; resuming makes them again. At the end come `<phase>.<name>.ave_<n>best.pth`, means
of the best epochs' weights.
"""

import datetime
import json
import logging
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Sequence, Tuple, Union

import torch
from espnet2.main_funcs.average_nbest_models import average_nbest_models
from espnet2.train.reporter import Reporter

from espnet_mlclap.checkpoints.state_dict import check_state_dict, load_weights
from espnet_mlclap.checkpoints.tensor_file import read_tensors
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

_TIME = "time"  # what ESPnet's reporter calls the duration of a phase


class TrainingFiles:
    """Writes and completes the files of a training.

    Args:
        output_dir: the experiment's folder.
        reporter: what was reported so far.
        criteria: (phase, name, "max" or "min") by which epochs are the best.
        best_counts: numbers of best epochs whose weights are averaged at the end; this many are kept.
    """

    def __init__(
        self,
        output_dir: Union[str, Path],
        reporter: Reporter,
        *,
        criteria: Sequence[Sequence[str]],
        best_counts: Union[int, Sequence[int]],
    ):
        self.folder = Path(output_dir)
        self.reporter = reporter
        self.criteria = criteria
        self.best_counts = [best_counts] if isinstance(best_counts, int) else list(best_counts)

    @property
    def checkpoint(self) -> Path:
        """The file to continue from."""
        return self.folder / "checkpoint.pth"

    def write(
        self,
        objective: AbsObjective,
        optimizers: Sequence[torch.optim.Optimizer],
        schedulers: Sequence[Any],
    ) -> None:
        """Write everything there is after an epoch."""
        if not self._id.exists():
            with atomic_open(self._id) as file:
                file.write(secrets.token_hex(16) + "\n")
        states = {
            "training_id": self._id.read_text(encoding="utf-8").strip(),
            "model": objective.state_dict(),
            "epoch": self.reporter.get_epoch(),
            "stats": _plain(self.reporter.stats),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "schedulers": [None if one is None else one.state_dict() for one in schedulers],
        }
        _save(states, self.checkpoint)
        _save(objective.weights(), self._weights(self.reporter.get_epoch()))
        self._follow()

    def resume(
        self,
        objective: AbsObjective,
        optimizers: Sequence[torch.optim.Optimizer],
        schedulers: Sequence[Any],
    ) -> None:
        """Take the state of everything from `checkpoint.pth`.

        Raises:
            UserError: it was not written by this training, is damaged, holds something that could run, or is
                of another model.
        """
        path = self.checkpoint
        advice = (
            "Move it away, or train into another folder. To start from another training's weights give "
            "--init_param a file of weights, such as its valid.mAP@10.best.pth."
        )
        states = read_tensors(path)
        own = self._id.read_text(encoding="utf-8").strip() if self._id.is_file() else None
        if own is None or not isinstance(states, dict) or states.get("training_id") != own:
            raise UserError(f"{path}: was not written by the training of this folder. {advice}")
        check_state_dict(states["model"], str(path))
        try:
            load_weights(objective, states["model"], str(path))
            for optimizer, state in zip(optimizers, states["optimizers"]):
                optimizer.load_state_dict(state)
            for scheduler, state in zip(schedulers, states["schedulers"]):
                if scheduler is not None:
                    scheduler.load_state_dict(state)
            stats = _with_times(states["stats"])
            self.reporter.load_state_dict({"epoch": states["epoch"], "stats": stats})
        except (UserError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: comes from another model or version and cannot be resumed ({error}). {advice}"
            ) from error
        logging.info(f"the training goes on from {path}, after epoch {states['epoch']}")

    def complete(self, objective: AbsObjective) -> None:
        """Make the files again that a kill after `checkpoint.pth` was written has left missing.

        Args:
            objective: with the weights of that checkpoint.
        """
        weights = self._weights(self.reporter.get_epoch())
        if not weights.exists():
            logging.info(f"{weights} was missing; written again from {self.checkpoint}")
            _save(objective.weights(), weights)
        self._follow()

    def write_averages(self) -> None:
        """Write the means of the weights of the best epochs, as ESPnet names them.

        ESPnet's function writes in place; here it does so in a folder of its own, from which whole
        files move to theirs.
        """
        with tempfile.TemporaryDirectory(prefix=".average.", dir=self.folder) as name:
            aside = Path(name)
            for path in self.folder.glob("*epoch.pth"):
                (aside / path.name).symlink_to(path.resolve())
            average_nbest_models(
                output_dir=aside,
                reporter=self.reporter,
                best_model_criterion=self.criteria,
                nbest=self.best_counts,
            )
            made = sorted(aside.glob("*.ave*.pth"), key=Path.is_symlink)  # links after files
            for path in made:
                os.replace(path, self.folder / path.name)

    @property
    def _id(self) -> Path:
        return self.folder / "training_id"

    def _weights(self, epoch: int) -> Path:
        return self.folder / f"{epoch}epoch.pth"

    def _ranked(self) -> Iterator[Tuple[str, Sequence[int]]]:
        """Each criterion's name and epochs, the best first."""
        for phase, name, mode in self.criteria:
            if self.reporter.has(phase, name):
                yield f"{phase}.{name}", self.reporter.sort_epochs(phase, name, mode)

    def _follow(self) -> None:
        """What follows from the epoch's weights: links, the history, and that others are not needed."""
        last = self.reporter.get_epoch()
        kept = {last}
        _link(self.folder / "latest.pth", self._weights(last).name)
        for name, epochs in self._ranked():
            kept.update(epochs[: max(self.best_counts)])
            if epochs[0] == last:
                logging.info(f"epoch {last} is the best so far by {name}")
            if self._weights(epochs[0]).exists():
                _link(self.folder / f"{name}.best.pth", self._weights(epochs[0]).name)
        for epoch in range(1, last):
            if epoch not in kept:
                self._weights(epoch).unlink(missing_ok=True)
        _write_history(self.folder / "history.jsonl", self.reporter)


def _plain(stats: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> Dict[int, Dict[str, Any]]:
    """What was reported, with numbers of numpy as Python's and times in seconds."""

    def plain(name: str, value: Any) -> Union[int, float]:
        if name == _TIME:
            return value.total_seconds()
        return value if isinstance(value, int) else float(value)

    return {
        epoch: {
            phase: {name: plain(name, value) for name, value in values.items()}
            for phase, values in phases.items()
        }
        for epoch, phases in stats.items()
    }


def _with_times(plain: Mapping[int, Mapping[str, Mapping[str, float]]]) -> Dict[int, Any]:
    """The inverse of `_plain`."""
    return {
        epoch: {
            phase: {
                name: datetime.timedelta(seconds=value) if name == _TIME else value
                for name, value in values.items()
            }
            for phase, values in phases.items()
        }
        for epoch, phases in plain.items()
    }


def _save(states: Any, path: Path) -> None:
    """`torch.save` into a file that appears under its name when it is complete and on disk."""
    with atomic_open(path, "wb") as stream:
        torch.save(states, stream)


def _link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, replacing what was there in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, path)


def _write_history(path: Path, reporter: Reporter) -> None:
    """{"epoch", "train": {...}, "valid": {...}, "seconds"} in a line per epoch."""
    with atomic_open(path) as file:
        for epoch, phases in sorted(reporter.stats.items()):
            line: Dict[str, Any] = {"epoch": epoch}
            for phase in ("train", "valid"):
                line[phase] = {
                    name: float(value)
                    for name, value in phases.get(phase, {}).items()
                    if name not in (_TIME, "total_count")
                }
            line["seconds"] = sum(phase[_TIME].total_seconds() for phase in phases.values())
            file.write(json.dumps(line) + "\n")
