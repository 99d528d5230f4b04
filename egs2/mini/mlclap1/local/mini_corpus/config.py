"""The settings of a mini corpus, read from YAML and checked."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Mapping, TypeVar, Union

from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError
from mini_corpus.grammar import LANGUAGES, STYLES
from mini_corpus.mixing import Mix
from mini_corpus.scenes import MAX_EVENTS, PARTS

T = TypeVar("T")
LEVELS = ("quiet", "plain", "loud")


@dataclass(frozen=True)
class SetConfig:
    """One data directory.

    Attributes:
        clips: how many.
        captions: captions of a clip in each language, at most one a style.
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
    config = _build(MiniConfig, read_yaml(path), str(path))
    if not isinstance(config.sets, dict) or not config.sets:
        raise UserError(f"{path}: sets: give at least one set.")
    config = replace(
        config,
        sets={name: _build(SetConfig, one, f"{path}: sets: {name}") for name, one in config.sets.items()},
        scenes=_build(SceneConfig, config.scenes, f"{path}: scenes"),
        mix=_build(Mix, config.mix, f"{path}: mix"),
        formats=_build(FormatConfig, config.formats, f"{path}: formats"),
    )  # fmt: skip
    for message in _mistakes(config):
        raise UserError(f"{path}: {message}")
    return config


def _build(kind: type[T], content: Any, where: str) -> T:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(content, dict):
        raise UserError(f"{where}: must be a table with the keys {', '.join(names)}.")
    for key in content:
        if key not in names:
            raise UserError(f"{where}: unknown key {key!r}. Known: {', '.join(names)}.")
    for name in names:
        if name not in content:
            raise UserError(f"{where}: the key {name!r} is missing.")
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    return kind(**values)


def _mistakes(config: MiniConfig):
    """Say what does not fit, one message each."""
    if not isinstance(config.seed, int) or config.seed < 0:
        yield f"seed: {config.seed!r} is not a whole number from 0 on."
    for name, one in config.sets.items():
        if not isinstance(one.clips, int) or one.clips < 1:
            yield f"sets: {name}: clips: {one.clips!r} is not a whole number from 1 on."
        if not isinstance(one.captions, int) or not 1 <= one.captions <= STYLES:
            yield f"sets: {name}: captions: {one.captions!r} is not a whole number from 1 to {STYLES}."
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
        if not isinstance(share, (int, float)) or not 0 <= share <= 1:
            yield f"{name}: {share!r} is not a share from 0 to 1."
    if set(config.mix.level_db) != set(LEVELS):
        yield f"mix: level_db: give exactly {', '.join(LEVELS)}."
    for name in ("event_seconds", "gap_seconds", "clip_seconds"):
        limits = getattr(config.mix, name)
        if not isinstance(limits, tuple) or len(limits) != 2 or not 0 <= limits[0] <= limits[1]:
            yield f"mix: {name}: {limits!r} is not a shortest and a longest time in seconds."
