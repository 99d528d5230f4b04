"""Estimated correspondences: losses and gradients of the published training step, case by case.

`meta.json` says what each case is (temperature, the two weights, how many teachers), `cases.npz` has its
projections in the pairwise form, a clip's row once for each of its captions, and the gradients with respect
to these rows; where each clip appears once, its gradient is the sum over its rows. Two terms together are
weighted `loss_weight ** 2` and `distill_weight` there.
"""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Tuple

import numpy as np
import torch
from torch.nn.functional import normalize

from espnet_mlclap.objectives.correspondences import CorrespondenceLoss, join_teachers
from golden.compare import Report

_FILE = "correspondences/cases.npz"
TOLERANCES = {torch.float64: ("relative", 1e-9), torch.float32: ("absolute", 1e-5)}
_SIDES = ("audio", "text")


def check(folder: Path, report: Report) -> None:
    """Compare everything in the folder `correspondences`."""
    cases = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["cases"]
    arrays = dict(np.load(folder / "cases.npz"))
    handled = set()
    for name, case in cases.items():
        own = {
            key.partition("|")[2]: array
            for key, array in arrays.items()
            if key.partition("|")[0] == name
        }
        handled |= {f"{name}|{key}" for key in _keys(case)}
        for missing in sorted(_keys(case) - set(own)):
            report.problems.append(f"{_FILE}: {name}|{missing} is missing")
        if not _keys(case) <= set(own):
            continue
        for dtype, (kind, tolerance) in TOLERANCES.items():
            for quantity, value, golden in differences(case, own, dtype):
                scale = np.abs(golden).max() if kind == "relative" else 1.0
                title = f"{quantity} ({kind}, {str(dtype).removeprefix('torch.')})"
                report.compare(_FILE, title, tolerance, name, value / scale, golden / scale)
    report.check_keys(_FILE, arrays, handled, {})


def _keys(case: Mapping[str, Any]) -> set:
    teachers = (f"teacher{number}_{side}" for number in range(case["teachers"]) for side in _SIDES)
    return {*_SIDES, "clip_index", *teachers, *(f"grad_{side}" for side in _SIDES)}


def differences(
    case: Mapping[str, Any], arrays: Dict[str, np.ndarray], dtype: torch.dtype
) -> Iterator[Tuple[str, np.ndarray, np.ndarray]]:
    """Name, our value and the golden one of each quantity of a case."""
    clips, first, clip_index = np.unique(
        arrays["clip_index"], return_index=True, return_inverse=True
    )
    audio = torch.tensor(arrays["audio"][first], dtype=dtype, requires_grad=True)
    text = torch.tensor(arrays["text"], dtype=dtype, requires_grad=True)
    teachers = {}
    if case["teachers"]:
        both = {
            side: [arrays[f"teacher{number}_{side}"] for number in range(case["teachers"])]
            for side in _SIDES
        }
        teachers = {
            "teacher_audio": torch.tensor(
                join_teachers([rows[first] for rows in both["audio"]]), dtype=dtype
            ),
            "teacher_text": torch.tensor(join_teachers(both["text"]), dtype=dtype),
        }
    loss = CorrespondenceLoss(
        supervised_weight=case["loss_weight"] ** 2,
        distillation_weight=case["distill_weight"],
        temperature=case["temperature"],
    )
    value, stats = loss(
        normalize(audio, dim=-1), normalize(text, dim=-1), torch.tensor(clip_index), **teachers
    )
    gradients = torch.autograd.grad(value, [audio, text])
    yield "loss", value.detach().numpy(), np.array(case["loss"])
    yield "supervised term", stats["supervised"].numpy(), np.array(case["supervised_loss"])
    if case["distill_loss"] is not None:
        yield "distilled term", stats["distillation"].numpy(), np.array(case["distill_loss"])
    by_clip = np.zeros((len(clips), arrays["grad_audio"].shape[1]))
    np.add.at(by_clip, clip_index, arrays["grad_audio"])
    yield "gradient of the clips", gradients[0].numpy(), by_clip
    yield "gradient of the captions", gradients[1].numpy(), arrays["grad_text"]
