"""The corpus on disk: valid directories, the same bytes each time, unseen test scenes."""

import hashlib
import re
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.data_dir import DataDir, read_captions
from espnet_mlclap.utils.errors import UserError
from mini_corpus.config import load_config
from mini_corpus.corpus import draw_scenes, prepare_mini
from mini_corpus.grammar import LANGUAGES, STYLES, caption
from mini_corpus.scenes import sample_scene
from prepare_mini import main

RECIPE = Path(__file__).resolve().parents[4] / "egs2/mini/mlclap1"
CONFIG = RECIPE / "conf/corpus.yaml"
SCALE = 0.05


def make(folder: Path, *extra: str) -> Path:
    main(
        ["--config", str(CONFIG), "--out_dir", str(folder / "data"),
         "--audio_dir", str(folder / "audio"), "--scale", str(SCALE), *extra]
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make(tmp_path_factory.mktemp("mini"), "--reference_le", "true")


@pytest.fixture(scope="module")
def config():
    return load_config(CONFIG)


def contents(folder: Path, ignore=("wav.scp",)):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ignore
    }


def test_same_seed_same_bytes_other_seed_other_bytes(corpus, tmp_path):
    again = contents(make(tmp_path / "again", "--reference_le", "true"))
    assert contents(corpus) == again
    other = contents(make(tmp_path / "other", "--seed", "1", "--reference_le", "true"))
    assert other.keys() == again.keys()
    assert all(other[name] != again[name] for name in again if name.endswith((".wav", "text")))


def test_directories_are_valid_and_as_configured(corpus, config):
    small = config.scaled(SCALE)
    for name, one in small.sets.items():
        data = DataDir.read(corpus / "data" / name)
        assert len(data.wav_scp) == one.clips
        assert set(data.languages) == set(one.langs)
        assert len(data.captions) == one.clips * one.captions * len(one.langs)
        for key, written in data.captions.items():
            clip, lang, number = re.fullmatch(r"(.+)-(\w+_\w+)-(\d)", key).groups()
            assert (clip, lang) == (written.clip, written.lang)
            assert 1 <= int(number) <= one.captions
        for clip, path in data.wav_scp.items():
            info = soundfile.info(path)
            assert data.durations[clip] == pytest.approx(info.frames / info.samplerate, abs=1e-4)


def test_captions_of_a_clip_differ(corpus):
    for name in ("train_clotho", "valid", "test"):
        data = DataDir.read(corpus / "data" / name)
        by_clip = defaultdict(list)
        for written in data.captions.values():
            by_clip[written.clip].append(written.text)
        assert all(len(set(texts)) == len(texts) for texts in by_clip.values())


def test_parallel_captions_have_the_same_number(corpus, config):
    one = config.sets["test"]
    scenes = dict(draw_scenes(config.seed, "test", one, config.scenes))
    captions = read_captions(corpus / "data" / "test")
    for key, written in captions.items():
        clip, lang, number = key.rsplit("-", 2)
        english = captions[f"{clip}-eng_Latn-{number}"].text
        styles = [s for s in range(STYLES) if caption(scenes[clip], "eng_Latn", s) == english]
        assert written.text == caption(scenes[clip], lang, styles[0])


def test_reference_translations_belong_to_the_english_captions(corpus):
    for name in ("train_clotho", "train_audiocaps"):
        english = read_captions(corpus / "data" / name)
        reference = read_captions(corpus / "data" / f"{name}_reference")
        assert {one.lang for one in reference.values()} == set(LANGUAGES) - {"eng_Latn"}
        assert len(reference) == 7 * len(english)
        assert all(key.replace(one.lang, "eng_Latn") in english for key, one in reference.items())
    assert not (corpus / "data" / "test_reference").exists()


def test_it_says_that_it_is_synthetic(corpus):
    for path in (corpus / "data").iterdir():
        assert "SYNTHETIC" in (path / "README").read_text(encoding="utf-8")


def test_full_size_is_as_planned(config):
    combinations = {}
    for name, one in config.sets.items():
        scenes = [scene for _, scene in draw_scenes(config.seed, name, one, config.scenes)]
        combinations[name] = {scene.combination for scene in scenes}
        if one.part == "test":  # few clips that no caption can tell apart
            assert len({scene.description for scene in scenes}) >= 0.98 * len(scenes)
    trained = combinations["train_clotho"] | combinations["train_audiocaps"]
    assert not trained & combinations["test"]
    assert not trained & combinations["valid"]
    assert not combinations["valid"] & combinations["test"]
    assert config.sets["train_clotho"].captions == 5
    assert config.sets["train_audiocaps"].captions == 1
    assert set(config.sets["test"].langs) == set(LANGUAGES)


def test_formatting_has_work_to_do(config, tmp_path):
    one = config.sets["train_audiocaps"]
    few = replace(config, sets={"few": replace(one, clips=50)})
    prepare_mini(tmp_path / "data", tmp_path / "audio", few)
    infos = [soundfile.info(str(path)) for path in (tmp_path / "audio").rglob("*.wav")]
    assert any(info.samplerate != 16000 for info in infos)
    assert any(info.channels == 2 for info in infos)
    assert sum(info.samplerate == 16000 and info.channels == 1 for info in infos) > 30
    durations = [info.duration for info in infos]
    assert min(durations) >= 1.99
    assert max(durations) <= 12.01
    assert 3.5 < sum(durations) / len(durations) < 5.5


def test_unseen_scenes_have_unseen_captions(config):
    rng = np.random.default_rng(0)
    captions = {"train": set(), "test": set()}
    for part, texts in captions.items():
        for _ in range(1500):
            scene = sample_scene(rng, part, config.scenes.event_weights, 0.3)
            texts |= {caption(scene, lang, style) for lang in LANGUAGES for style in range(STYLES)}
    assert not captions["train"] & captions["test"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("clips: 450", "clips: none"), "sets: train_clotho: clips: must be int, not 'none'"),
        (("captions: 5, part: train", "captions: 6, part: train"), "captions: 6 must be 1 to 5"),
        (("part: test", "part: dev"), "'dev' is not one of train, valid, test"),
        (("[eng_Latn]", "[eng_Latn, xyz]"), "'xyz' is not one of"),
        (("seed: 0", "sead: 0"), "unknown key 'sead'"),
        (("stereo: 0.08", ""), "'stereo' is missing"),
        (("stereo: 0.08", "stereo: 8"), "formats: stereo: 8"),
        (("event_weights: [", "event_weights: [0.5, "), "event_weights"),
        (("quiet: -26, ", ""), "level_db"),
        (("[1.3, 3.2]", "[3.2, 1.3]"), "event_seconds"),
        (("seed: 0", "seed: ["), "not YAML"),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path, change, message):
    text = CONFIG.read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "corpus.yaml"
    path.write_text(text.replace(change[0], change[1], 1), encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_mistakes_on_the_command_line(tmp_path, capsys):
    for extra, message in (
        (["--scale", "0"], "--scale 0.0: must be above 0"),
        (["--seed", "-1"], "--seed -1"),
        (["--config", str(tmp_path / "none.yaml")], "none.yaml"),
    ):
        with pytest.raises(SystemExit) as caught:
            make(tmp_path, *extra)
        assert caught.value.code == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_help_is_quick_and_needs_no_model():
    started = time.monotonic()
    command = "import sys; sys.argv = ['x', '--help']\n"
    command += "import prepare_mini as command\n"
    command += "try: command.main()\nexcept SystemExit: pass\n"
    command += "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    ran = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, cwd=RECIPE / "local"
    )
    assert ran.returncode == 0, ran.stderr
    assert "SYNTHETIC" in ran.stdout
    assert time.monotonic() - started < 10  # seconds; usually a tenth of one
