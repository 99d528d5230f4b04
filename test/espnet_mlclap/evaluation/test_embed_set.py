"""A set through a model whose vectors are known: the right ones in the right rows, whatever the batches."""

import numpy as np
import pytest
import soundfile
import torch

from espnet_mlclap.evaluation.embed_set import CLIPS_PER_BATCH, embed_clips, embed_set
from espnet_mlclap.evaluation.embeddings import read_embeddings, write_embeddings
from espnet_mlclap.evaluation.validation import ValidationSet
from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.fileio.data_dir import Caption, DataDir
from espnet_mlclap.models.embed_captions import CAPTIONS_PER_BATCH
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.utils.errors import UserError

CLIPS = 2 * CLIPS_PER_BATCH + 3
PAD = 7


class Numbers(Tokenizer):
    """The number that a caption ends with, as its length: so many tokens of that number."""

    pad_id = PAD

    def __call__(self, caption, lang):
        number = int(caption.split()[-1])
        return np.full(number + 1, 100 + number, dtype=np.int64)


class Model(torch.nn.Module):
    """Clip and captions number n become the n-th unit vector; notes what it was given."""

    embed_size = CLIPS

    def __init__(self):
        super().__init__()
        self.audio_encoder, self.text_encoder = torch.nn.Module(), torch.nn.Module()
        self.audio_encoder.reader = ClipReader()
        self.text_encoder.tokenizer = Numbers()
        self.audio_batches, self.text_batches = [], []

    def encode_audio(self, audio, audio_lengths):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.audio_batches.append(len(audio))
        number = (audio.sum(dim=1) / audio_lengths * 64).round().long()
        return torch.nn.functional.one_hot(number, CLIPS).float()

    def encode_text(self, text, text_lengths):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.text_batches.append(text)
        return torch.nn.functional.one_hot(text[:, 0] - 100, CLIPS).float()


@pytest.fixture
def data_dir(tmp_path):
    """Clips whose ids sort in another order than their lengths; ids that say nothing."""
    data = DataDir(extra={"utt2num_samples": {}})
    for number in range(CLIPS):
        clip = f"x{(number * 11) % CLIPS:02d}-{number}"
        samples = 400 + (number * 7) % 13 * 40
        soundfile.write(tmp_path / f"{clip}.flac", np.full(samples, number / 64), 16000)
        data.wav_scp[clip] = str(tmp_path / f"{clip}.flac")
        data.durations[clip] = samples / 16000
        data.extra["utt2num_samples"][clip] = str(samples)
        for lang in ("eng_Latn", "fra_Latn") if number % 2 else ("eng_Latn",):
            for copy in (1, 2):
                key = f"{lang[:1]}{(number * 3) % CLIPS:02d}{copy}"
                data.captions[key] = Caption(f"Caption of {number}", clip, lang)
    data.write(tmp_path / "set")
    return tmp_path / "set"


def number_of(clip):
    return int(clip.split("-")[1])


def test_every_row_is_of_its_clip_and_caption(data_dir, tmp_path):
    data, model = DataDir.read(data_dir), Model()
    embeddings = embed_set(model, data)
    assert embeddings.clips == sorted(data.wav_scp)
    assert embeddings.captions == sorted(data.captions)
    assert sum(model.audio_batches) == CLIPS
    assert max(model.audio_batches) == CLIPS_PER_BATCH
    assert sum(map(len, model.text_batches)) == len(data.captions) > CAPTIONS_PER_BATCH
    for row, clip in enumerate(embeddings.clips):
        assert embeddings.audio[row].argmax() == number_of(clip)
    for row, key in enumerate(embeddings.captions):
        caption = data.captions[key]
        assert embeddings.text[row].argmax() == number_of(caption.clip)
        assert embeddings.clips[embeddings.caption_to_clip[row]] == caption.clip
        assert embeddings.langs[row] == caption.lang
    write_embeddings(tmp_path / "out", embeddings)
    read = read_embeddings(tmp_path / "out")
    np.testing.assert_array_equal(read.audio, embeddings.audio)
    np.testing.assert_array_equal(read.text, embeddings.text)
    np.testing.assert_array_equal(read.caption_to_clip, embeddings.caption_to_clip)
    assert (read.clips, read.captions, read.langs) == (
        embeddings.clips,
        embeddings.captions,
        embeddings.langs,
    )


def test_captions_are_padded_with_the_tokenizers_token(data_dir):
    model = Model()
    embed_set(model, DataDir.read(data_dir))
    for text in model.text_batches:
        for row in text:
            length = int(row[0]) - 100 + 1
            assert (row[:length] == row[0]).all()
            assert (row[length:] == PAD).all()


def test_batch_size_and_workers_do_not_move_rows(data_dir):
    data = DataDir.read(data_dir)
    expected = embed_set(Model(), data)
    for options in ({"clips_per_batch": 5}, {"num_workers": 2}):
        np.testing.assert_array_equal(embed_set(Model(), data, **options).audio, expected.audio)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_teacher_does_not_pad_to_a_long_clip(data_dir, monkeypatch, workers):
    """Batches of as many clips as asked for, but of no more samples, padding included, than allowed."""
    monkeypatch.setattr("espnet_mlclap.models.padding.MOST_PADDED", 2000)

    class Noting(Model):
        areas = []

        def encode_audio(self, audio, audio_lengths):
            self.areas.append(audio.numel())
            return super().encode_audio(audio, audio_lengths)

    data, model = DataDir.read(data_dir), Noting().eval()
    clips = sorted(data.wav_scp)  # of 400 to 880 samples
    locations = [data.wav_scp[clip] for clip in clips]
    with torch.no_grad():
        parts = list(
            embed_clips(model, locations, device="cpu", clips_per_batch=8, num_workers=workers)
        )
    assert [len(part) for part in parts] == [8, 8, 8, 8, 3]
    assert np.concatenate(parts).argmax(axis=1).tolist() == [number_of(clip) for clip in clips]
    assert 1500 < max(model.areas) <= 2000


def test_the_model_and_torch_are_left_as_they_were(data_dir):
    model = Model().train()
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark
    embed_set(model, DataDir.read(data_dir))
    assert model.training
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark) == before


def test_captions_are_normalised_in_stage_6_and_in_validation(data_dir):
    seen = []

    def normalize(text, lang):
        seen.append((text, lang))
        return text.split()[-1]

    embed_set(Model(), DataDir.read(data_dir), normalize=normalize)
    captions = DataDir.read(data_dir).captions.values()
    assert sorted(seen) == sorted((caption.text, caption.lang) for caption in captions)
    seen.clear()
    ValidationSet(data_dir, normalize=normalize)(Model(), "cpu")
    assert len(seen) == len(captions)


def test_a_perfect_model_is_found_perfect(data_dir):
    """All clips are ranked in every language, and each caption belongs to its own clip."""
    validation = ValidationSet(data_dir)
    figures = validation(Model(), "cpu")
    assert set(figures) == set(validation.reported)
    assert figures == pytest.approx(dict.fromkeys(figures, 100.0))


def test_validation_makes_the_batches_of_stage_6(data_dir):
    """Else the last bits would differ, and with them now and then a rank."""
    first, second = Model(), Model()
    embed_set(first, DataDir.read(data_dir))
    ValidationSet(data_dir, num_workers=1)(second, "cpu")
    assert first.audio_batches == second.audio_batches
    assert all(map(torch.equal, first.text_batches, second.text_batches))


def test_a_language_is_scored_among_all_clips(data_dir):
    """Vectors of the clips without French captions lie nearest to the French captions: all are wrong."""

    class Misled(Model):
        def encode_text(self, text, text_lengths):
            other = (text[:, 0] - 100) // 2 * 2  # of an even number: has no French caption
            return torch.nn.functional.one_hot(other, CLIPS).float()

    figures = ValidationSet(data_dir)(Misled(), "cpu")
    assert figures["t2a_mAP@10_fra_Latn"] < 50.0


def test_some_languages_of_the_validation_set(data_dir):
    """Their figures are those that they have next to the others; a language that is not there is named."""

    class HalfWrong(Model):
        def encode_text(self, text, text_lengths):
            number = text[:, 0] - 100
            return torch.nn.functional.one_hot(number * (number % 4 != 1), CLIPS).float()

    every = ValidationSet(data_dir)
    one = ValidationSet(data_dir, langs=["fra_Latn"])
    figures, found = every(HalfWrong(), "cpu"), one(HalfWrong(), "cpu")
    assert set(found) == set(one.reported) < set(figures)
    for way in ("t2a", "a2t"):
        name = f"{way}_mAP@10_fra_Latn"
        assert found[name] == figures[name] == found[f"{way}_mAP@10"] != figures[f"{way}_mAP@10"]
    with pytest.raises(UserError, match="no captions in 'zul_Latn'. It has eng_Latn, fra_Latn"):
        ValidationSet(data_dir, langs=["zul_Latn"])
