"""Models to compare: ours, and that of the ML-CLAP authors from a checkout of their repository.

The checkout is used as it is, but for two parts that it takes from elsewhere: SONAR's text encoder comes from
the sonar-space that is installed, whose functions have other names than when their code was written, and
loguru, which it uses for one message, is replaced where it is missing.
"""

import importlib.util
import logging
import os
import sys
import types
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Sequence

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("FAIRSEQ2_ASSET_DIR", str(ROOT / "egs2/mini/mlclap1/sonar_assets"))

from espnet_mlclap.checkpoints.sonar_assets import load_sonar_model, read_asset  # noqa: E402
from espnet_mlclap.models.padding import pad  # noqa: E402
from espnet_mlclap.models.registry import build_model  # noqa: E402
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer  # noqa: E402
from espnet_mlclap.objectives.abs_objective import AbsObjective  # noqa: E402
from espnet_mlclap.objectives.registry import build_objective  # noqa: E402

EMBED_SIZE = 1024
PATCH_DROPOUT = 0.25
BASIC = {
    "model_dim": 1024,
    "num_encoder_layers": 24,
    "num_encoder_attn_heads": 16,
    "ffn_inner_dim": 8192,
}


@dataclass
class Pairs:
    """Clips of noise, [U, samples], and the captions of each: text, language and clip."""

    audio: Tensor
    captions: List[str]
    langs: List[str]
    clips: List[int]


def make_pairs(clips: int, captions: Sequence[str], langs: Sequence[str], seconds: float) -> Pairs:
    """Each clip with a caption in each language; those of a language next to each other."""
    torch.manual_seed(0)
    order = [(lang, clip) for lang in langs for clip in range(clips)]
    texts = [captions[number % len(captions)] for number in range(len(order))]
    audio = 0.1 * torch.randn(clips, round(16000 * seconds))
    return Pairs(audio, texts, [lang for lang, _ in order], [clip for _, clip in order])


def our_objective(ced: str, sonar: str, freeze_text_encoder: bool = False) -> AbsObjective:
    """The model of the papers with random weights of CED, and its loss.

    Args:
        ced: its size.
        sonar: asset of the text encoder; "basic": of the published one's size but for its word vectors, with
            random weights and the vocabulary of the mini recipe.
        freeze_text_encoder: as in `model_conf`.
    """
    text = {"model": sonar}
    if sonar == "basic":
        mini = read_asset("sonar_mini_encoder")
        text = {
            "architecture": {**asdict(mini.config), **BASIC},
            "tokenizer_model": str(mini.tokenizer),
            "langs": mini.langs,
        }
    config = {
        "model": "two_tower",
        "audio_encoder": "ced",
        "audio_encoder_conf": {"size": ced},
        "text_encoder": "sonar",
        "text_encoder_conf": text,
        "model_conf": {"embed_size": EMBED_SIZE, "freeze_text_encoder": freeze_text_encoder},
        "loss": "infonce",
        "objective": "contrastive",
    }
    return build_objective(config, build_model(config))


class _SonarText(torch.nn.Module):
    """In the place of the checkout's module of the text encoder, with the same forward."""

    def __init__(self, sonar: str, training: bool):
        super().__init__()
        asset = read_asset(sonar)
        self.model = load_sonar_model(asset).train(training)
        self.text_width = asset.config.model_dim
        self.tokenizer = SonarTokenizer(
            model=str(asset.tokenizer), langs=asset.langs, max_tokens=512
        )

    def forward(self, captions: Sequence[str], lang: str) -> Tensor:
        from fairseq2.nn import BatchLayout

        tokens, lengths = pad([self.tokenizer(text, lang) for text in captions], 0)
        layout = BatchLayout.of(tokens, seq_lens=lengths.tolist())
        return self.model(tokens, layout).sentence_embeddings


def authors_model(checkout: Path, ced: str, sonar: str, training: bool) -> torch.nn.Module:
    """The authors' model: `forward(audio, captions, languages, index)` gives their loss."""
    sys.path.insert(0, str(checkout.resolve()))
    if importlib.util.find_spec("loguru") is None:
        stand_in = types.ModuleType("loguru")
        stand_in.logger = logging.getLogger("loguru")
        sys.modules["loguru"] = stand_in
    text = types.ModuleType("models.text_encoder")
    text.TextEncoderSonarWrapper = lambda training, device: _SonarText(sonar, training)
    sys.modules["models.text_encoder"] = text
    from models.mlclap_model import MLCLAP, MLCLAPConfig

    audio = {
        "encoder_type": f"ced_{ced}",
        "pretrained": False,
        "time_patch_out": PATCH_DROPOUT,
        "freq_patch_out": PATCH_DROPOUT,
    }
    config = MLCLAPConfig(audio_encoder=audio, embed_size=EMBED_SIZE, training=training)
    return MLCLAP(config, device="cpu").train(training)
