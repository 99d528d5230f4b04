"""Clips and captions to batches, against what was written to disk."""

import numpy as np
import pytest
import soundfile
import torch

from espnet_mlclap.fileio.audio import AudioError
from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.iterators.epoch import ClipCaptions
from espnet_mlclap.train.collate_fn import MLCLAPCollateFn
from espnet_mlclap.train.dataset import CaptionedClipDataset
from espnet_mlclap.utils.errors import UserError


class Letters:
    """A tokenizer of one id a letter; the language decides the first."""

    pad_id = 9

    def __call__(self, caption, lang):
        return np.array([ord(lang[0]), *map(ord, caption)], dtype=np.int64)


@pytest.fixture
def clips(tmp_path):
    signals = {
        "long": np.linspace(-0.9, 0.9, 48000, dtype=np.float32),
        "short": np.full(8000, 0.25, dtype=np.float32),
    }
    for name, samples in signals.items():
        soundfile.write(tmp_path / f"{name}.flac", samples, 16000)
    return {name: str(tmp_path / f"{name}.flac") for name in signals}, signals


CAPTIONS = {
    "long-eng_Latn-1": Caption("Ab", "long", "eng_Latn"),
    "long-fra_Latn-1": Caption("Abcd", "long", "fra_Latn"),
    "short-eng_Latn-1": Caption("X", "short", "eng_Latn"),
}
PAD = 9


def make(clips, sources=None, **options):
    return CaptionedClipDataset(
        wav_scp=clips[0],
        captions=CaptionColumns.of(CAPTIONS, sources),
        tokenizer=Letters(),
        langs=["fra_Latn", "eng_Latn"],
        **options,
    )


def test_a_batch(clips):
    data = make(clips)
    items = [
        data[ClipCaptions("short", ("short-eng_Latn-1",), 1)],
        data[ClipCaptions("long", ("long-eng_Latn-1", "long-fra_Latn-1"), 1)],
    ]
    keys, batch = MLCLAPCollateFn(pad_id=PAD)(items)
    assert keys == ["short-eng_Latn-1", "long-eng_Latn-1", "long-fra_Latn-1"]
    assert batch["audio"].shape == (2, 48000)
    assert batch["audio_lengths"].tolist() == [8000, 48000]
    assert batch["clip_index"].tolist() == [0, 1, 1]
    assert batch["text_lengths"].tolist() == [2, 3, 5]
    assert batch["text"][1].tolist() == [ord("e"), ord("A"), ord("b"), PAD, PAD]
    assert batch["text"][2].tolist() == [ord("f"), *map(ord, "Abcd")]
    np.testing.assert_allclose(batch["audio"][1], clips[1]["long"], atol=2e-4)
    assert (batch["audio"][0, 8000:] == 0).all()
    assert batch["audio"].dtype == torch.float32
    assert batch["lang_index"].tolist() == [1, 1, 0]
    dtypes = {
        name: tensor.dtype for name, tensor in batch.items() if name not in ("audio", "is_source")
    }
    assert set(dtypes.values()) == {torch.int64}
    assert batch["is_source"].tolist() == [True, True, True]


def test_captions_that_say_the_same_share_a_source(clips):
    items = [
        ClipCaptions("short", ("short-eng_Latn-1",), 1),
        ClipCaptions("long", ("long-eng_Latn-1", "long-fra_Latn-1"), 1),
    ]

    def sources(data, items):
        return MLCLAPCollateFn(pad_id=PAD)([data[item] for item in items])[1][
            "source_index"
        ].tolist()

    data = make(clips, sources={"long-fra_Latn-1": "long-eng_Latn-1"})
    short, original, translation = sources(data, items)
    assert original == translation != short
    assert sources(data, items[1:]) == [original, translation]  # whatever else is in the batch
    assert len(set(sources(make(clips), items))) == 3  # nothing is known


def test_captions_of_the_same_words_share_a_number(clips):
    captions = {
        "a": Caption("Rain", "long", "eng_Latn"),
        "b": Caption("Rain", "short", "eng_Latn"),
        "c": Caption("Rain", "short", "fra_Latn"),
        "d": Caption("Wind", "short", "eng_Latn"),
        "e": Caption("Rain", "short", "eng_Latn"),
    }
    data = CaptionedClipDataset(
        wav_scp=clips[0],
        captions=CaptionColumns.of(captions),
        tokenizer=Letters(),
        langs=["eng_Latn", "fra_Latn"],
    )
    items = [ClipCaptions("long", ("a",), 1), ClipCaptions("short", ("c", "d", "e"), 1)]
    _, batch = MLCLAPCollateFn(pad_id=PAD)([data[item] for item in items])
    rain, pluie, wind, again = batch["words_index"].tolist()
    assert rain == again
    assert len({rain, pluie, wind}) == 3
    long, short = batch["clip_words"].tolist()  # of all captions, drawn or not
    assert long == [rain, -1, -1, -1]
    assert short == [*sorted({rain, pluie, wind}), -1]


def test_normalisation(clips):
    data = make(clips, normalize=lambda text, lang: f"{text.lower()}{lang[:1]}")
    item = data[ClipCaptions("long", ("long-eng_Latn-1",), 1)]
    assert item.captions[0].tokens.tolist() == [ord("e"), *map(ord, "abe")]


def test_crops(clips):
    start = make(clips, max_seconds=1.0)
    assert np.array_equal(
        start[ClipCaptions("long", (), 1)].audio,
        make(clips)[ClipCaptions("long", (), 1)].audio[:16000],
    )
    data = make(clips, max_seconds=1.0, crop="random", seed=3)
    first, again = (data[ClipCaptions("long", (), 1)].audio for _ in range(2))
    other = data[ClipCaptions("long", (), 2)].audio
    assert np.array_equal(first, again)
    assert first.shape == other.shape == (16000,)
    assert not np.array_equal(first, other)
    assert data[ClipCaptions("short", (), 1)].audio.shape == (8000,)


def test_random_crops_differ_from_clip_to_clip(clips, tmp_path):
    """Clips of one length are not all cut at the same place."""
    signal = np.linspace(-0.9, 0.9, 48000, dtype=np.float32)
    for number in range(8):
        soundfile.write(tmp_path / f"c{number}.flac", signal, 16000)
        clips[0][f"c{number}"] = str(tmp_path / f"c{number}.flac")
    data = make(clips, max_seconds=1.0, crop="random", seed=3)
    starts = {float(data[ClipCaptions(f"c{number}", (), 1)].audio[0]) for number in range(8)}
    assert len(starts) == 8


def test_bad_options_and_clips(clips, tmp_path):
    with pytest.raises(UserError, match="needs max_seconds"):
        make(clips, crop="random")
    with pytest.raises(UserError, match="crop must be one of"):
        make(clips, crop="middle")
    clips[0]["short"] = str(tmp_path / "gone.flac")
    with pytest.raises(AudioError, match="gone.flac: no such file"):
        make(clips)[ClipCaptions("short", (), 1)]
