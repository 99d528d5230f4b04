"""The building blocks by name. A new encoder or loss is one class and one line here."""

import argparse
import inspect
from typing import Any, Mapping, Type

from espnet2.train.class_choices import ClassChoices

from espnet_mlclap.models.audio_encoder.abs_audio_encoder import AbsAudioEncoder
from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.models.audio_encoder.sonar_speech import SonarSpeechEncoder
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.models.text_encoder.huggingface import HuggingfaceTextEncoder
from espnet_mlclap.models.text_encoder.sonar import SonarTextEncoder
from espnet_mlclap.objectives.abs_loss import AbsLoss
from espnet_mlclap.objectives.espnet_model import ESPnetMLCLAPModel
from espnet_mlclap.objectives.infonce import InfoNCELoss
from espnet_mlclap.utils.config import check_keys
from espnet_mlclap.utils.errors import UserError

audio_encoder_choices = ClassChoices(
    "audio_encoder",
    {"ced": CEDAudioEncoder, "sonar_speech": SonarSpeechEncoder},
    type_check=AbsAudioEncoder,
    default="ced",
)
text_encoder_choices = ClassChoices(
    "text_encoder",
    {"sonar": SonarTextEncoder, "huggingface": HuggingfaceTextEncoder},
    type_check=AbsTextEncoder,
    default="sonar",
)
loss_choices = ClassChoices(
    "loss",
    {"infonce": InfoNCELoss},
    type_check=AbsLoss,
    default="infonce",
)
# ESPnet's trainer reads `args.model_conf`, so one choice must be called `model`.
model_choices = ClassChoices(
    "model",
    {"mlclap": ESPnetMLCLAPModel},
    type_check=ESPnetMLCLAPModel,
    default="mlclap",
)
class_choices_list = [audio_encoder_choices, text_encoder_choices, loss_choices, model_choices]

# What build_model fills in itself, and so is not for a configuration file.
_PARTS = ("self", "audio_encoder", "text_encoder", "loss")


def build_model(args: argparse.Namespace) -> ESPnetMLCLAPModel:
    """Build the model that a configuration names.

    Args:
        args: `audio_encoder`, `text_encoder`, `loss`, `model` and the same with `_conf`, as from
            MLCLAPTask's parser or an experiment's config.yaml.

    Raises:
        UserError: a name or a configuration key that does not exist; names the ones that do.
    """
    parts = {
        choices.name: _build(choices, getattr(args, choices.name), _conf(args, choices.name))
        for choices in (audio_encoder_choices, text_encoder_choices, loss_choices)
    }
    return _build(model_choices, args.model, _conf(args, "model"), **parts)


def _conf(args: argparse.Namespace, name: str) -> Mapping[str, Any]:
    return getattr(args, f"{name}_conf") or {}


def _build(choices: ClassChoices, name: str, conf: Mapping[str, Any], **parts: Any) -> Any:
    if name not in choices.classes:
        known = ", ".join(choices.classes)
        raise UserError(f"{choices.name}: there is no {name!r}; choose one of {known}")
    cls: Type = choices.classes[name]
    allowed = [key for key in inspect.signature(cls.__init__).parameters if key not in _PARTS]
    where = f"{choices.name}_conf of {name}"
    check_keys(conf, allowed, where)
    try:
        return cls(**conf, **parts)
    except ValueError as error:  # an argument out of its range
        raise UserError(f"{where}: {error}") from error
