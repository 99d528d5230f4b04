"""A dozen short tones with captions, a training on them that takes a second, small sets of embeddings."""

import fcntl
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id

_WORDS = {"eng_Latn": "A dog barks {}", "deu_Latn": "Ein Hund bellt {}"}
_TIMES = ["twice", "softly", "loudly", "slowly", "in the rain", "once"]


def write_set(folder, name, first, clips):
    """Tones of different pitch, with captions in English (and German for validation)."""
    generator = np.random.default_rng(first)
    data = DataDir(extra={"utt2num_samples": {}})
    langs = ["eng_Latn", "deu_Latn"] if name == "valid" else ["eng_Latn"]
    (folder / "audio").mkdir(exist_ok=True)
    for number in range(first, first + clips):
        clip = f"{name}{number}"
        samples = int(generator.integers(8000, 24000))
        tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * number) * np.arange(samples) / 16000)
        path = folder / "audio" / f"{clip}.flac"
        soundfile.write(path, tone + 0.01 * generator.standard_normal(samples), 16000)
        data.wav_scp[clip] = str(path)
        data.durations[clip] = samples / 16000
        data.extra["utt2num_samples"][clip] = str(samples)
        for lang in langs:
            text = _WORDS[lang].format(_TIMES[number % len(_TIMES)])
            data.captions[caption_id(clip, lang, 1)] = Caption(text, clip, lang)
    data.write(folder / name)
    return data


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """Folder with the sets `train`, `valid` and the translations `train_le`."""
    folder = tmp_path_factory.mktemp("tones")
    train = write_set(folder, "train", 0, 12)
    write_set(folder, "valid", 20, 6)
    translated = DataDir()
    for clip in train.wav_scp:
        translated.captions[caption_id(clip, "deu_Latn", 1)] = Caption("Ein Hund", clip, "deu_Latn")
    translated.write(folder / "train_le")
    return folder


@pytest.fixture(scope="session")
def training_options(tones):
    """Command line of a small training, without --output_dir."""
    return [
        *("--train_data_dir", str(tones / "train")),
        *("--valid_data_dir", str(tones / "valid")),
        *("--le_data_dir", str(tones / "train_le")),
        *("--audio_encoder_conf", "embed_dim=24", "--audio_encoder_conf", "depth=1"),
        *("--audio_encoder_conf", "num_heads=2"),
        *("--text_encoder_conf", "model=sonar_mini_encoder"),
        *("--model_conf", "embed_size=16"),
        *("--optim", "adam", "--optim_conf", "lr=0.001", "--optim_conf", "fused=true"),
        *("--batch_size", "6", "--length_buckets", "2", "--num_workers", "0"),
        *("--le_ratio", "0.5", "--seed", "3", "--keep_nbest_models", "1"),
        *("--use_tensorboard", "false"),
    ]


def train(options, folder, epochs=3, *more):
    """Train in this process."""
    from espnet_mlclap.tasks.mlclap import MLCLAPTask

    schedule = ["--max_epoch", str(epochs), "--resume", "true"]
    MLCLAPTask.main(cmd=[*options, "--output_dir", str(folder), *schedule, *more])
    return folder


@pytest.fixture(scope="session")
def experiment(training_options, tmp_path_factory, worker_id):
    """Folder of a training of three epochs that nothing interrupted, made once for all workers of pytest."""
    if worker_id == "master":
        return train(training_options, tmp_path_factory.mktemp("experiment") / "exp")
    shared = tmp_path_factory.getbasetemp().parent / "experiment"
    with open(f"{shared}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            train(training_options, shared / "exp")
            (shared / "done").touch()
    return shared / "exp"


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    """A data directory of the user's that is empty: libraries are made there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data home"))
    return tmp_path / "data home"


@pytest.fixture(scope="session")
def run_training():
    """The function `train(options, folder, epochs=3, *more)`."""
    return train


@pytest.fixture
def make_embeddings():
    """Write a set in which captions of all languages are noisy copies of their clip's embedding."""

    def make(
        folder: Path, clips=12, captions=2, langs=("eng_Latn", "fra_Latn"), noise=0.5, seed=0
    ) -> Path:
        generator = np.random.default_rng(seed)
        audio = generator.standard_normal((clips, 16)).astype(np.float32)
        text, lines = [], []
        for lang in langs:
            for clip in range(clips):
                for number in range(1, captions + 1):
                    text.append(audio[clip] + noise * generator.standard_normal(16))
                    lines.append(f"clip{clip:02d}-{lang}-{number} clip{clip:02d} {lang}\n")
        folder.mkdir(parents=True)
        np.save(folder / "audio_embeddings.npy", audio)
        np.save(folder / "text_embeddings.npy", np.array(text, np.float32))
        (folder / "clip_ids").write_text("".join(f"clip{clip:02d}\n" for clip in range(clips)))
        (folder / "caption_ids").write_text("".join(lines))
        return folder

    return make
