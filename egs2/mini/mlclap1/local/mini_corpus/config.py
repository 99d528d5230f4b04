"""The settings of a mini corpus, read from YAML and checked."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping, Union

from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.settings import build_settings
from mini_corpus.grammar import LANGUAGES, STYLES
from mini_corpus.mixing import Mix
from mini_corpus.scenes import MAX_EVENTS, PARTS

LEVELS = ("quiet", "plain", "loud")


@dataclass(frozen=True)
class SetConfig:
    """One data directory.

    Attributes:
        clips: how many.
        captions: captions of a clip in each language, at most one per style.
        part: the combinations of sounds it draws from ("train", "valid" or "test").
        langs: FLORES-200 codes.
    """

    clips: int
    captions: int
    part: str
    langs: tuple[str, ...]


@dataclass(frozen=True)
class SceneConfig:
    """Shares of scenes with one, two and three events; how often an event is marked."""

    event_weights: tuple[float, ...]
    mark_probability: float


@dataclass(frozen=True)
class FormatConfig:
    """Shares of clips that are at another rate (one of `other_rates`, Hz) or in stereo."""

    other_rate: float
    other_rates: tuple[int, ...]
    stereo: float


@dataclass(frozen=True)
class MiniConfig:
    """Everything about a mini corpus that is a number."""

    seed: int
    sets: Mapping[str, SetConfig]
    scenes: SceneConfig
    mix: Mix
    formats: FormatConfig

    def scaled(self, scale: float) -> "MiniConfig":
        """The same corpus with `scale` times as many clips, at least eight a set.

        Raises:
            UserError: `scale` is not positive.
        """
        if not scale > 0:
            raise UserError(f"--scale {scale}: must be above 0. 1 is the whole corpus.")
        if scale == 1:
            return self
        sets = {
            name: replace(one, clips=max(8, round(one.clips * scale)))
            for name, one in self.sets.items()
        }
        return replace(self, sets=sets)


def load_config(path: Union[str, Path]) -> MiniConfig:
    """Read the settings.

    Raises:
        UserError: the file is missing or not YAML, a key is missing or unknown, or a value does not
            fit; names the file and the key.
    """
    config = build_settings(MiniConfig, read_yaml(path), str(path))
    for message in _mistakes(config):
        raise UserError(f"{path}: {message}")
    return config


def _mistakes(config: MiniConfig):
    """Say what does not fit, one message each."""
    if config.seed < 0:
        yield f"seed: {config.seed} must be 0 or more."
    if not config.sets:
        yield "sets: give at least one set."
    for name, one in config.sets.items():
        if one.clips < 1:
            yield f"sets: {name}: clips: {one.clips} must be 1 or more."
        if not 1 <= one.captions <= STYLES:
            yield f"sets: {name}: captions: {one.captions} must be 1 to {STYLES}."
        if one.part not in PARTS:
            yield f"sets: {name}: part: {one.part!r} is not one of {', '.join(PARTS)}."
        for lang in one.langs or ("",):
            if lang not in LANGUAGES:
                yield f"sets: {name}: langs: {lang!r} is not one of {', '.join(LANGUAGES)}."
    weights = config.scenes.event_weights
    if len(weights) != MAX_EVENTS or min(weights) < 0 or abs(sum(weights) - 1) > 1e-6:
        yield f"scenes: event_weights: {weights!r} are not {MAX_EVENTS} shares that sum to 1."
    shares = {
        "scenes: mark_probability": config.scenes.mark_probability,
        "formats: other_rate": config.formats.other_rate,
        "formats: stereo": config.formats.stereo,
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            yield f"{name}: {share!r} is not a share from 0 to 1."
    if set(config.mix.level_db) != set(LEVELS):
        yield f"mix: level_db: give exactly {', '.join(LEVELS)}."
    for name in ("event_seconds", "gap_seconds", "clip_seconds"):
        limits = getattr(config.mix, name)
        if not 0 <= limits[0] <= limits[1]:
            yield f"mix: {name}: {limits!r} is not a shortest and a longest time in seconds."
