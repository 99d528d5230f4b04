"""What an experiment folder says about its training: history.jsonl and config.yaml."""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Union

from espnet_mlclap.utils.config import check_mapping, read_yaml
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import parse_json, read_text
from espnet_mlclap.utils.settings import check_types

# Facts of config.yaml that a report prints, where the configuration has them.
REPORTED_FACTS = (
    "model",
    "audio_encoder",
    "audio_encoder_conf",
    "audio_pooling",
    "audio_projection",
    "audio_projection_conf",
    "text_encoder",
    "text_encoder_conf",
    "text_pooling",
    "text_projection",
    "text_projection_conf",
    "co_attention",
    "co_attention_conf",
    "objective",
    "objective_conf",
    "loss_conf",
    "model_conf",
    "text_normalization",
    "started_from",
    "train_data_dir",
    "train_data_weight",
    "crop",
    "max_seconds",
    "clip_captions",
    "le_data_dir",
    "le_ratio",
    "le_langs",
    "le_sharing",
    "batch_size",
    "optim",
    "optim_conf",
    "scheduler",
    "scheduler_conf",
    "max_epoch",
    "seed",
    "train_langs",
)
# What a report does not print: what the paper does.
_USUAL = {
    "model": "two_tower", "co_attention": "iterating",
    "audio_pooling": "mean", "audio_projection": "mlp", "text_pooling": "mean", "text_projection": "mlp",
    "objective": "contrastive", "crop": "none", "clip_captions": "all", "le_sharing": "each",
}  # fmt: skip


_TYPES = {"epoch": int, "train": Mapping[str, Any], "valid": Mapping[str, Any]}  # of a line


def read_history(experiment_dir: Union[str, Path]) -> List[Dict[str, Any]]:
    """Read history.jsonl: one line per epoch, {"epoch", "train": {...}, "valid": {...}, "seconds"}.

    Returns:
        The epochs in order; nothing where the experiment has no such file (weights from elsewhere).

    Raises:
        UserError: a line that is not of this form.
    """
    path = Path(experiment_dir) / "history.jsonl"
    if not path.exists():
        return []
    epochs = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where = f"{path}:{number}: not an epoch of a training"
        try:
            entry = check_mapping(parse_json(line, nan=float("nan")), where)
            check_types(entry, _TYPES, where, required=True)
        except json.JSONDecodeError as error:
            raise UserError(f"{where} (broken JSON: {error.msg}). Run stage 5 again.") from error
        except UserError as error:
            raise UserError(f"{error} Run stage 5 again.") from error
        epochs.append(entry)
    return sorted(epochs, key=lambda entry: entry["epoch"])


def read_facts(experiment_dir: Union[str, Path]) -> Dict[str, str]:
    """Read the facts of a training configuration that a report shows.

    Returns:
        Printable values by name; nothing where the experiment has no config.yaml.

    Raises:
        UserError: config.yaml cannot be parsed.
    """
    path = Path(experiment_dir) / "config.yaml"
    if not path.exists():
        return {}
    config = read_yaml(path)
    return {
        name: _printable(config[name])
        for name in REPORTED_FACTS
        if _given(config.get(name)) and config[name] != _USUAL.get(name)
    }


_SHOWN = 12  # entries of a list or of a mapping inside another


def _given(value: Any) -> bool:
    return value is not None and value != {} and value != []


def _printable(value: Any, inside: bool = False) -> str:
    if isinstance(value, dict):
        if inside and len(value) > _SHOWN:
            return f"({len(value)} values, in config.yaml)"
        return ", ".join(
            f"{key} {_printable(item, inside=True)}" for key, item in value.items() if _given(item)
        )
    if isinstance(value, (list, tuple)):
        more = f" ... ({len(value)})" if len(value) > _SHOWN else ""
        return " ".join(_printable(item) for item in value[:_SHOWN]) + more
    return str(value)
