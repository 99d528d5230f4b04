"""Settings of stage 2, from YAML (`translation.yaml` beside this file has them all with their meaning)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from espnet_mlclap.language_enhancement.chat import ChatConfig
from espnet_mlclap.language_enhancement.huggingface import HuggingfaceConfig
from espnet_mlclap.language_enhancement.quality import QualityConfig
from espnet_mlclap.language_enhancement.sonar import SonarConfig
from espnet_mlclap.utils.config import merge, read_config
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.settings import build_settings

DEFAULTS = Path(__file__).with_name("translation.yaml")


@dataclass(frozen=True)
class TranslationConfig:
    """All settings of stage 2.

    Attributes:
        captions_per_clip: "one" (one random caption for each clip and language) or "all".
        sonar, huggingface, chat: settings of the translators.
        quality: thresholds of the checks.
    """

    captions_per_clip: str
    sonar: SonarConfig
    huggingface: HuggingfaceConfig
    chat: ChatConfig
    quality: QualityConfig

    def __post_init__(self) -> None:
        if self.captions_per_clip not in ("one", "all"):
            raise UserError(f"captions_per_clip must be one or all, not {self.captions_per_clip!r}")


def read_settings(
    paths: Sequence[Union[str, Path]] = (), changes: Optional[Mapping[str, Any]] = None
) -> TranslationConfig:
    """Read what changes the shipped settings: YAML files, a later one over an earlier one, then `changes`.

    Args:
        paths: YAML files; each may have a `base:`.
        changes: settings from the command line, nested like the files.

    Raises:
        UserError: a file that is not YAML, an unknown key (with the known ones), or a value of the wrong
            type.
    """
    layers = [(str(path), read_config(path)) for path in (DEFAULTS, *paths)]
    layers.append(("command line", dict(changes or {})))
    settings: Dict[str, Any] = {}
    for where, own in layers:  # what is wrong after a layer is that layer's mistake
        settings = merge(settings, own)
        config = build_settings(TranslationConfig, settings, where)
    return config
