"""The scenes as data directories, and lists of the scenes that each caption fits."""

import logging
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
from esc10_corpus import SOURCE_LANG, Clip, read_sets

from espnet_mlclap.fileio.audio import read_audio, to_mono
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id, write_table
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.config import read_yaml
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress
from espnet_mlclap.utils.settings import build_settings
from scenes.grammar import Grammar, read_grammars
from scenes.mixing import Mix, mix_scene
from scenes.scene import Claim, Scene, draw_scene, parts, whole

_DRAWS = 50  # before a set gets a second scene of the same sounds


@dataclass(frozen=True)
class SetConfig:
    """One set; what the numbers are is said in conf/scenes.yaml."""

    recordings: str
    scenes: int
    whole: int
    part: int


@dataclass(frozen=True)
class ScenesConfig(Mix):
    """Everything about the scenes that is a number."""

    seed: int
    sets: Mapping[str, SetConfig]
    two_sounds: float
    background: float


def load_config(path: Path) -> ScenesConfig:
    """Read the settings.

    Raises:
        UserError: the file is missing, a key is missing or unknown, or a value does not fit.
    """
    config = build_settings(ScenesConfig, read_yaml(path), str(path))
    for name in ("two_sounds", "background"):
        if not 0 <= getattr(config, name) <= 1:
            raise UserError(f"{path}: {name}: {getattr(config, name)} is not a share from 0 to 1.")
    if not 0 < config.sound_seconds[0] <= config.sound_seconds[1]:
        raise UserError(f"{path}: sound_seconds: must be a shortest and a longest time in seconds.")
    for name, one in config.sets.items():
        if min(one.scenes, one.whole + one.part) < 1 or min(one.whole, one.part) < 0:
            raise UserError(f"{path}: sets: {name}: needs a scene and a caption, or more.")
    return config


def prepare_scenes(
    corpus: Path, out_dir: Path, audio_dir: Path, config: ScenesConfig
) -> Dict[str, DataDir]:
    """Make the scenes.

    Args:
        corpus: folder of the recordings, and of the grammars in `grammar`.
        out_dir: gets a data directory for each set, `train_given` with the captions of `train` in the other
            languages, and `relevant_<set>`: the scenes that each caption of a set fits.
        audio_dir: gets `<set>/<scene>.flac`.
        config: sets and mixes.

    Raises:
        UserError: a recording or a grammar is missing or broken, or a folder cannot be written to.
    """
    recordings = read_sets(corpus)
    labels = sorted({clip.label for clips in recordings.values() for clip in clips})
    grammars = read_grammars(corpus / "grammar", labels)
    sets = {}
    for name, one in config.sets.items():
        if one.recordings not in recordings:
            known = ", ".join(recordings)
            raise UserError(f"sets: {name}: recordings: {one.recordings!r} is not one of {known}.")
        scenes = draw_scenes(config, name, one, labels)
        _write_audio(audio_dir / name, scenes, recordings[one.recordings], config)
        data, claims = DataDir(), {}
        for scene_id, scene in scenes.items():
            data.wav_scp[scene_id] = str(audio_dir / name / f"{scene_id}.flac")
            rng = np.random.default_rng([config.seed, 2, zlib.crc32(scene_id.encode())])
            for number, claim in enumerate(draw_claims(rng, scene, one), 1):
                _add_captions(data, claims, scene_id, number, claim, grammars, rng)
        fitting = {
            key: " ".join(sorted(scene for scene in scenes if claim.fits(scenes[scene])))
            for key, claim in claims.items()
        }
        sets[name] = data
        if name == "train":
            everything = data.captions
            data.captions = {k: c for k, c in everything.items() if c.lang == SOURCE_LANG}
            data.caption_sources = {}
            others = {k: c for k, c in everything.items() if c.lang != SOURCE_LANG}
            sets["train_given"] = DataDir(captions=others)
        else:
            write_table(out_dir / f"relevant_{name}", fitting)
        fits = sum(len(found.split()) for found in fitting.values()) / len(fitting)
        logging.info(
            "%s: %d scenes of %s recordings, %d captions, each fits %.1f scenes on average",
            out_dir / name, len(scenes), one.recordings, len(claims), fits,
        )  # fmt: skip
    for name, data in sets.items():
        data.write(out_dir / name, f"{name} set of scenes made of recordings of ESC-10")
    return sets


def draw_scenes(
    config: ScenesConfig, name: str, one: SetConfig, labels: Sequence[str]
) -> Dict[str, Scene]:
    """Scenes by id, as different as can be; a larger set begins with the scenes of a smaller one."""
    rng = np.random.default_rng([config.seed, 0, zlib.crc32(name.encode())])
    scenes: Dict[str, Scene] = {}
    seen = set()
    for number in range(1, one.scenes + 1):
        for _ in range(_DRAWS):
            scene = draw_scene(rng, labels, config.two_sounds, config.background)
            sounds = tuple(tuple(sorted(group)) for group in scene.groups)
            if sounds not in seen:
                break
        seen.add(sounds)
        scenes[f"scenes_{name}_{number:04d}"] = scene
    return scenes


def draw_claims(rng: np.random.Generator, scene: Scene, one: SetConfig) -> List[Claim]:
    """What the captions of a scene say; all kinds of parts are equally likely, and come in turn."""
    complete = whole(scene)
    chosen = [complete[rng.integers(len(complete))] for _ in range(one.whole)]
    found = parts(scene)
    kinds: List[str] = []
    for _ in range(one.part):
        kinds = kinds or [str(kind) for kind in rng.permutation(list(found))]
        claims = found[kinds.pop()]
        chosen.append(claims[rng.integers(len(claims))])
    return chosen


def _add_captions(
    data: DataDir,
    claims: Dict[str, Claim],
    scene_id: str,
    number: int,
    claim: Claim,
    grammars: Mapping[str, Grammar],
    rng: np.random.Generator,
) -> None:
    way = int(rng.integers(len(grammars[SOURCE_LANG].ways[claim.kind])))
    for lang, grammar in grammars.items():
        key = caption_id(scene_id, lang, number)
        data.captions[key] = Caption(grammar.say(claim, way), scene_id, lang)
        if lang != SOURCE_LANG:
            data.caption_sources[key] = caption_id(scene_id, SOURCE_LANG, number)
        claims[key] = claim


def _write_audio(
    folder: Path, scenes: Mapping[str, Scene], clips: Sequence[Clip], config: ScenesConfig
) -> None:
    import soundfile

    rate = config.sampling_rate
    by_label: Dict[str, List[np.ndarray]] = {}
    for clip in clips:
        by_label.setdefault(clip.label, []).append(to_mono(read_audio(clip.path), rate))

    def write(entry: Tuple[str, Scene]) -> None:
        scene_id, scene = entry
        rng = np.random.default_rng([config.seed, 1, zlib.crc32(scene_id.encode())])
        groups = [
            [(_any_of(rng, by_label[label]), label in scene.background) for label in group]
            for group in scene.groups
        ]
        soundfile.write(
            unfinished / f"{scene_id}.flac", mix_scene(rng, groups, config), rate, subtype="PCM_16"
        )

    with atomic_dir(folder) as unfinished, ThreadPoolExecutor(2) as pool:
        for _ in progress(pool.map(write, scenes.items()), f"mixing {folder.name}", len(scenes)):
            pass


def _any_of(rng: np.random.Generator, recordings: Sequence[np.ndarray]) -> np.ndarray:
    return recordings[rng.integers(len(recordings))]
