"""SONAR's models by fairseq2 asset name, from files on this machine.

A card whose checkpoint is at a web address (the published SONAR) is served from the cache of
`download_weights`: fairseq2 itself would fetch gigabytes as soon as the asset is named.
"""

import copy
import importlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List

from espnet_mlclap.checkpoints.table import read_table, resolve
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.extras import missing_module

# model families of asset cards
TEXT_ENCODER = "transformer_encoder"
_TEXT_DECODER = "transformer_decoder"
_SPEECH_ENCODER = "sonar_speech"


@dataclass(frozen=True)
class SonarAsset:
    """What an asset card says.

    Attributes:
        name: the asset's name.
        family: `transformer_encoder` or `transformer_decoder` of text, `sonar_speech`.
        config: sonar-space's configuration of the architecture.
        langs: FLORES-200 codes of the tokenizer, in the order that numbers their tokens; of a speech
            encoder, the languages that it was trained on.
        card: the card itself.
    """

    name: str
    family: str
    config: Any
    langs: List[str]
    card: Any

    @property
    def checkpoint(self) -> Path:
        """The weights on this machine.

        Raises:
            UserError: they are not here; says what to fetch and where to put it.
        """
        return self._file("checkpoint")

    @property
    def tokenizer(self) -> Path:
        """The sentencepiece model on this machine.

        Raises:
            UserError: it is not here; says what to fetch and where to put it.
        """
        return self._file("tokenizer")

    def _file(self, field: str) -> Path:
        uri = str(self.card.field(field).as_uri())
        scheme = "file://"
        if uri.startswith(scheme):
            return Path(uri[len(scheme) :])
        for weights in read_table().values():
            if weights.file == uri.rpartition("/")[2]:
                return resolve(weights.name)
        raise UserError(
            f"asset {self.name}: its {field} is at {uri}, which is not in the table of weights. Download "
            "it and write a card of your own that names the file (FAIRSEQ2_USER_ASSET_DIR)."
        )


def require_sonar_space(what: str) -> None:
    """Make sure that sonar-space, and with it fairseq2, is installed.

    Raises:
        UserError: it is not; says that `what` needs it and how it is installed.
    """
    try:
        for module in ("fairseq2", "sonar.models"):
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(f"{what}: {missing_module(error) or error}") from error


def read_asset(name: str, *, speech: bool = False) -> SonarAsset:
    """Read the card of a SONAR text encoder or decoder, or of a speech encoder.

    Raises:
        UserError: sonar-space is not installed, no card has this name, or it is a card of something else.
    """
    require_sonar_space(f"asset {name}")
    _quieten()
    from fairseq2.assets import AssetNotFoundError, get_asset_store

    try:
        card = get_asset_store().retrieve_card(name)
    except AssetNotFoundError as error:
        raise UserError(
            f"no fairseq2 asset is called {name!r}. Known are text_sonar_basic_encoder and "
            "text_sonar_basic_decoder, sonar_speech_encoder_eng and its sisters, and the cards in the "
            "folders that FAIRSEQ2_ASSET_DIR (set by path.sh where a recipe brings models in sonar_assets/) "
            "and FAIRSEQ2_USER_ASSET_DIR name."
        ) from error
    family = card.field("model_family").as_(str)
    if (family == _SPEECH_ENCODER) != speech:
        kind = "speech" if speech else "text"
        raise UserError(f"asset {name}: {family} is not a SONAR {kind} model")
    langs = card.field("tokenizer_config").as_(dict)["_set_"]["langs"]
    config = _hub(name, family).get_model_config(name)
    return SonarAsset(name, family, config, list(langs), card)


def load_sonar_model(asset: SonarAsset, *, device: str = "cpu", dtype: str = "float32") -> Any:
    """The model of an asset with its weights, in evaluation mode.

    Raises:
        UserError: the weights are not on this machine, or not finite.
    """
    import torch

    from espnet_mlclap.checkpoints.state_dict import check_state_dict

    config = copy.deepcopy(asset.config)  # sonar-space changes it while building
    model = _hub(asset.name, asset.family).load_custom_model(
        asset.checkpoint, config, device=torch.device(device), dtype=getattr(torch, dtype)
    )
    check_state_dict(model.state_dict(), f"asset {asset.name}")
    return model.eval()


def load_sonar_tokenizer(asset: SonarAsset) -> Any:
    """fairseq2's tokenizer of an asset.

    Raises:
        UserError: the sentencepiece model is not on this machine.
    """
    from fairseq2.models.nllb import get_nllb_tokenizer_hub

    hub = get_nllb_tokenizer_hub()
    return hub.load_custom_tokenizer(asset.tokenizer, hub.get_tokenizer_config(asset.name))


def _hub(name: str, family: str) -> Any:
    from sonar.models import sonar_speech, sonar_text

    hubs = {
        _SPEECH_ENCODER: sonar_speech.get_sonar_speech_encoder_hub,
        TEXT_ENCODER: sonar_text.get_sonar_text_encoder_hub,
        _TEXT_DECODER: sonar_text.get_sonar_text_decoder_hub,
    }
    if family not in hubs:
        raise UserError(f"asset {name}: {family} is not a SONAR model ({' or '.join(hubs)})")
    return hubs[family]()


def _quieten() -> None:
    """fairseq2 reports which file systems it knows, and its progress bars fill a log with empty lines."""
    logging.getLogger("fairseq2").setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        os.environ.setdefault("FAIRSEQ2_NO_PROGRESS", "1")
