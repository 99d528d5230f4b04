"""Make the mini corpus: synthetic clips, and captions from a grammar, as data directories.

The corpus is SYNTHETIC. It is there to run and test the whole recipe in minutes, without a
download; scores on it say that the parts work together, not how good a model is on real sound.
"""

import logging
import zlib
from pathlib import Path
from typing import Iterator, Union

import numpy as np

from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.progress import progress
from mini_corpus.config import FormatConfig, MiniConfig, SceneConfig, SetConfig
from mini_corpus.grammar import LANGUAGES, STYLES, caption
from mini_corpus.mixing import Mix, render, resample, write_wav
from mini_corpus.scenes import Scene, sample_scene
from mini_corpus.sources import RATE

SOURCE_LANG = "eng_Latn"
_NEW_SCENE_TRIES = 50  # before a set gets a second clip of the same scene
NOTE = """\
{name}: a set of the mini corpus of espnet_mlclap. It is SYNTHETIC.

The sounds were synthesised with numpy, the captions written by a grammar; nobody recorded or
annotated anything. {what}
Made by `egs2/mini/mlclap1/local/prepare_mini.py` with seed {seed}; the same seed gives the same
bytes. Free to use for any purpose.
"""


def prepare_mini(
    out_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    config: MiniConfig,
    reference_le: bool = False,
) -> None:
    """Make the (synthetic) mini corpus.

    Args:
        out_dir: gets one data directory a set.
        audio_dir: gets `<set>/<clip id>.wav`; `wav.scp` names the files by this path.
        config: sets, scenes and sounds.
        reference_le: also write `<out_dir>/<set>_reference` for sets with English captions alone:
            the same captions in the other languages, written by the grammar and not by a
            translator, under the ids that translations get.

    Raises:
        UserError: a folder cannot be written to.
    """
    logging.info(
        "The mini corpus is synthetic: sounds made with numpy, captions made by a grammar."
    )
    for name, one in config.sets.items():
        scenes = list(draw_scenes(config.seed, name, one, config.scenes))
        data, references = DataDir(), {}
        with atomic_dir(Path(audio_dir) / name) as folder:
            for clip, scene in progress(scenes, f"synthesising {name}", unit="clips"):
                rng = np.random.default_rng([config.seed, 1, zlib.crc32(clip.encode())])
                seconds = _write_clip(
                    rng, folder / f"{clip}.wav", scene, config.mix, config.formats
                )
                data.wav_scp[clip] = str(Path(audio_dir) / name / f"{clip}.wav")
                data.durations[clip] = seconds
                styles = rng.permutation(STYLES)[: one.captions]
                for number, style in enumerate(styles, 1):
                    for lang in LANGUAGES:
                        written = data.captions if lang in one.langs else references
                        key = caption_id(clip, lang, number)
                        written[key] = Caption(caption(scene, lang, int(style)), clip, lang)
                        if lang in one.langs and lang != SOURCE_LANG:
                            data.caption_sources[key] = caption_id(clip, SOURCE_LANG, number)
        what = f"{one.clips} clips, {len(data.captions)} captions in {', '.join(one.langs)}."
        data.write(Path(out_dir) / name, NOTE.format(name=name, what=what, seed=config.seed))
        if reference_le and one.langs == (SOURCE_LANG,):
            DataDir(captions=references).write(
                Path(out_dir) / f"{name}_reference",
                NOTE.format(
                    name=f"{name}_reference",
                    what=f"{len(references)} captions that the grammar wrote for the clips of {name}.",
                    seed=config.seed,
                ),
            )
        hours = sum(data.durations.values()) / 3600
        logging.info("%s: %s %.2f hours of synthetic sound.", name, what, hours)


def draw_scenes(
    seed: int, name: str, one: SetConfig, scenes: SceneConfig
) -> Iterator[tuple[str, Scene]]:
    """Draw the scenes of the set `name`, different ones as far as there are enough.

    Yields:
        Clip id and scene. A larger set begins with the scenes of a smaller one.
    """
    rng = np.random.default_rng([seed, 0, zlib.crc32(name.encode())])
    seen: set = set()
    for number in range(1, one.clips + 1):
        for _ in range(_NEW_SCENE_TRIES):
            scene = sample_scene(rng, one.part, scenes.event_weights, scenes.mark_probability)
            if scene.description not in seen:
                break
        seen.add(scene.description)
        yield f"{name}_{number:04d}", scene


def _write_clip(
    rng: np.random.Generator, path: Path, scene: Scene, mix: Mix, formats: FormatConfig
) -> float:
    """Write one clip; return its seconds."""
    samples, rate = render(rng, scene, mix), RATE
    if rng.random() < formats.other_rate:
        rate = int(rng.choice(formats.other_rates))
        samples = resample(samples, rate)
    channels = [samples]
    if rng.random() < formats.stereo:
        delay = int(rng.uniform(0, 0.0006) * rate)  # of sound around a head
        side = rng.uniform(0.5, 1.0) * np.pad(samples, (delay, 0))[: len(samples)]
        channels = [samples, side] if rng.random() < 0.5 else [side, samples]
    write_wav(path, channels, rate)
    return len(samples) / rate
