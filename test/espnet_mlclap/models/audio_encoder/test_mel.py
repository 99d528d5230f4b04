"""The log-mel front end against torchaudio on one clip at a time."""

import numpy as np
import pytest
import torch
import torchaudio

from espnet_mlclap.models.audio_encoder.mel import LogMel, num_frames


def one_clip(samples: int, seed: int = 0, scale: float = 0.3) -> torch.Tensor:
    return scale * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def naive(clip: torch.Tensor) -> torch.Tensor:
    """[frames, 64] as torchaudio's own transforms give it for a clip alone."""
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=16000, n_fft=512, hop_length=160, n_mels=64
    )
    return torchaudio.transforms.AmplitudeToDB(top_db=120)(mel(clip)).T


def batch(clips, extra: int = 0):
    lengths = torch.tensor([len(clip) for clip in clips])
    audio = torch.full((len(clips), int(lengths.max()) + extra), 7.0)  # padding is no silence here
    for row, clip in zip(audio, clips):
        row[: len(clip)] = clip
    return audio, lengths


def test_each_clip_of_a_batch_equals_torchaudio_on_it_alone():
    clips = [one_clip(n, seed=n) for n in (257, 1600, 4321, 16000, 31999)]
    clips[2] *= 1e-4
    clips[3][8000:] = 0  # digital silence below the floor
    audio, lengths = batch(clips, extra=700)
    features = LogMel()(audio, lengths)
    for clip, row, frames in zip(clips, features, num_frames(lengths)):
        assert frames == 1 + len(clip) // 160
        torch.testing.assert_close(row[:frames], naive(clip), atol=1e-4, rtol=0)


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 256])
def test_shorter_than_the_reflection_is_finite(samples):
    audio, lengths = batch([one_clip(samples), one_clip(500)])
    features = LogMel()(audio, lengths)
    assert torch.isfinite(features[0, : num_frames(lengths)[0]]).all()


def test_reflects_repeatedly_like_numpy():
    clip = one_clip(100)
    padded = torch.from_numpy(np.pad(clip.numpy(), 256, mode="reflect"))
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=16000, n_fft=512, hop_length=160, n_mels=64, center=False
    )
    expected = torchaudio.transforms.AmplitudeToDB(top_db=120)(mel(padded)).T
    torch.testing.assert_close(LogMel()(*batch([clip]))[0], expected, atol=1e-4, rtol=0)


def test_batch_floor_is_the_reference():
    quiet, loud = one_clip(8000, scale=1e-7), one_clip(8000, scale=30.0)
    audio = torch.stack([quiet, loud])
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=16000, n_fft=512, hop_length=160, n_mels=64
    )
    expected = torchaudio.transforms.AmplitudeToDB(top_db=120)(mel(audio)).transpose(1, 2)
    features = LogMel().with_batch_floor(audio)
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=0)
    alone = LogMel()(audio, torch.tensor([8000, 8000]))
    assert alone[0].max() < features[0].min() + 1e-3, "the quiet clip lies below the batch's floor"


def test_autocast_leaves_it_in_float32():
    audio, lengths = batch([one_clip(16000)])
    expected = LogMel()(audio, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = LogMel()(audio, lengths)
    assert features.dtype == torch.float32
    assert torch.equal(features, expected)


def test_many_clips_are_split_into_passes_without_a_trace(monkeypatch):
    audio, lengths = batch([one_clip(n, seed=n) for n in (3000, 5000, 4000)])
    expected = LogMel()(audio, lengths)
    monkeypatch.setattr("espnet_mlclap.models.audio_encoder.mel._SAMPLES_PER_PASS", {"cpu": 1})
    torch.testing.assert_close(LogMel()(audio, lengths), expected, atol=1e-4, rtol=0)


def test_a_long_clip_in_parts_is_the_same(monkeypatch):
    audio = torch.randn(2, 50_000, generator=torch.Generator().manual_seed(0)) * 0.1
    lengths = torch.tensor([50_000, 31_000])
    whole = LogMel()(audio, lengths)
    for frames in (1, 7, 100, 313):
        monkeypatch.setattr("espnet_mlclap.models.audio_encoder.mel._FRAMES_PER_PASS", frames)
        torch.testing.assert_close(LogMel()(audio, lengths), whole, atol=1e-4, rtol=0)
