"""A checkpoint released with the ML-CLAP paper as an experiment folder of our own."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

import torch
import yaml
from torch import Tensor

from espnet_mlclap.checkpoints.ced import find_checkpoint
from espnet_mlclap.checkpoints.mlclap import TEMPERATURE, configuration, to_our_names
from espnet_mlclap.checkpoints.state_dict import check_weights, load_state_dict
from espnet_mlclap.models.registry import build_model
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import SONAR_LANGUAGES

_WEIGHTS_FILE = "imported.pth"


def import_checkpoint(
    checkpoint: Union[str, Path],
    experiment_dir: Union[str, Path],
    *,
    tokenizer: Union[str, Path] = "sonar_sentencepiece",
    langs: Sequence[str] = SONAR_LANGUAGES,
    audio_heads: Optional[int] = None,
    text_heads: Optional[int] = None,
    audio_mode: str = "reference",
) -> Path:
    """Turn a released checkpoint into an experiment folder like those of stage 5.

    Args:
        checkpoint: a path, or a name of the weights table such as `mlclap_audiocaps`.
        experiment_dir: the folder to make.
        tokenizer: SONAR's sentencepiece model, a path or a name of the weights table.
        langs: languages of the text encoder in the order of their tokens.
        audio_heads, text_heads: attention heads; None for those of the published models.
        audio_mode: `reference` reproduces the authors' numbers, `default` makes a clip's embedding
            independent of the batch (see `espnet_mlclap.models.audio_encoder.ced`).

    Returns:
        The file of weights in the experiment folder.

    Raises:
        UserError: a file that is missing or unsafe, tensors that do not fit, or a folder that exists.
    """
    experiment_dir = Path(experiment_dir)
    if experiment_dir.exists():
        raise UserError(f"{experiment_dir}: exists already. Remove it or name another folder.")
    path = find_checkpoint(checkpoint)
    tokenizer = find_checkpoint(tokenizer)
    try:
        states = to_our_names(load_state_dict(path, inside="model"))
        config = configuration(
            states,
            langs=langs,
            audio_heads=audio_heads,
            text_heads=text_heads,
            audio_mode=audio_mode,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    config["text_encoder_conf"]["tokenizer_model"] = str(tokenizer)
    del states[TEMPERATURE]
    with torch.device("meta"):
        model = build_model(config)
    check_weights(model, states, str(path))
    _check_tokenizer(tokenizer, config["text_encoder_conf"])
    return write_experiment(experiment_dir, model, config, states)


def write_experiment(
    experiment_dir: Union[str, Path],
    model: TwoTowerModel,
    config: Mapping[str, Any],
    states: Mapping[str, Tensor],
) -> Path:
    """Write an experiment folder.

    Args:
        experiment_dir: the folder to make.
        model: laid out, for what its encoders export.
        config: that it was built from.
        states: its weights.

    Returns:
        The file of weights in the folder.
    """
    config = dict(config)
    with atomic_dir(experiment_dir) as folder:
        config["text_encoder_conf"] = model.text_encoder.export(folder)
        exported = model.audio_encoder.export(folder)
        config["audio_encoder_conf"] = exported or config["audio_encoder_conf"]
        with (folder / _WEIGHTS_FILE).open("wb") as file:  # by name, torch would hide a full disk
            torch.save(dict(states), file)
        for link in (BEST_MODEL, "latest.pth"):
            (folder / link).symlink_to(_WEIGHTS_FILE)
        with (folder / "config.yaml").open("w", encoding="utf-8") as file:
            yaml.safe_dump(config, file, indent=4, sort_keys=False, allow_unicode=True)
    return Path(experiment_dir) / BEST_MODEL


def _check_tokenizer(path: Path, conf: Mapping[str, Any]) -> None:
    """Make sure that every token has an embedding, and that languages have the numbers they had."""
    tokenizer = SonarTokenizer(model=path, langs=conf["langs"], max_tokens=3)
    last_language = int(tokenizer("", conf["langs"][-1])[0])
    behind = conf["architecture"]["vocab_info"]["size"] - last_language - 1
    if behind != 3:  # fairseq2 marks three kinds of training data after the languages
        raise UserError(
            f"{path}: with {len(conf['langs'])} languages it makes {last_language + 4} tokens, but the "
            f"checkpoint has {conf['architecture']['vocab_info']['size']}. Give the sentencepiece model "
            "that the checkpoint was trained with (--tokenizer)."
        )
