"""The recipe's encoder held against the package's own functions for spectrograms and blocks."""

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("aisfx", reason="pip install --no-deps -r egs2/esc10/mlclap1/requirements.txt")


@pytest.fixture
def clip():
    """Three and a half seconds of a rising tone in noise, at a level of its own."""
    generator = np.random.default_rng(3)
    time = np.arange(154350) / 44100
    wave = 0.2 * np.sin(2 * np.pi * (200 + 900 * time) * time)
    return (wave + 0.02 * generator.standard_normal(len(time))).astype(np.float32)


def theirs(path):
    """Blocks of a file as the package makes them, from its librosa spectrogram."""
    from aisfx.preprocessing import blocking, spectrogram_normalize
    from aisfx.spectrogram.spectrogram_librosa import compute_spectrogram

    frames = compute_spectrogram(path, 44100, 2048, 1024, 96, 0.0, 22050.0).T
    return blocking(spectrogram_normalize(frames), 100, 50, drop_partial_block=True)


def test_blocks_are_the_packages(recipe, clip, tmp_path):
    from aisfx_encoder import blocks_of, spectrogram

    soundfile.write(tmp_path / "clip.wav", clip, 44100, subtype="FLOAT")
    expected = theirs(tmp_path / "clip.wav")
    ours = np.stack(blocks_of(spectrogram(clip)))
    assert ours.shape == (2, 100, 96)
    assert 0.5 < ours.max() < 1.2
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_a_clip_is_the_mean_of_its_blocks(recipe, clip):
    from aisfx_encoder import AisfxEncoder, blocks_of, spectrogram

    encoder = AisfxEncoder()
    vectors = encoder.encode([clip, 0.3 * clip, np.zeros(1000, dtype=np.float32)])
    assert vectors.shape == (3, encoder.size)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-4)  # the level is no matter
    blocks = [torch.from_numpy(block)[None] for block in blocks_of(spectrogram(clip))]
    expected = sum(encoder._network(block)[0] for block in blocks).numpy()
    np.testing.assert_allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-5)


def test_the_parts_of_a_clip_stand_one_after_the_other(recipe, clip):
    from aisfx_encoder import AisfxEncoder, blocks_of, spectrogram

    longer = np.concatenate([clip, 0.1 * clip, clip])
    blocks = torch.from_numpy(np.stack(blocks_of(spectrogram(longer))))
    encoder = AisfxEncoder(parts=3)
    heard = encoder._network(blocks).numpy()
    assert len(heard) == 8  # thirds of them: a block that is in two counts for both
    expected = np.concatenate([heard[:3].mean(0), heard[2:6].mean(0), heard[5:].mean(0)])
    vectors = encoder.encode([longer, clip[:20000]])
    assert vectors.shape == (2, encoder.size) == (2, 3 * 512)
    np.testing.assert_allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-5)
    first, second, third = vectors[1].reshape(3, 512)  # a single block is in all of them
    assert np.array_equal(first, second)
    assert np.array_equal(first, third)
    with pytest.raises(ValueError, match="parts must be 1 or more"):
        AisfxEncoder(parts=0)


def test_the_weights_are_the_packages(recipe):
    """Read by the safe reader, and all of them."""
    from aisfx.inference import get_path_modelWeights
    from aisfx_encoder import AisfxEncoder

    theirs, _ = torch.load(get_path_modelWeights(), map_location="cpu", weights_only=False)
    ours = AisfxEncoder()._network.state_dict()
    assert ours.keys() == {key[14:] for key in theirs if key.startswith("embedding_net.")}
    for key, value in ours.items():
        assert torch.equal(value, theirs["embedding_net." + key])


def test_the_mean_of_the_tokens_is_the_vector(recipe, clip):
    from aisfx_encoder import AisfxEncoder

    longer = np.concatenate([clip, 0.1 * clip, clip])
    for parts in (1, 3):
        encoder = AisfxEncoder(parts=parts)
        tokens = encoder.encode_tokens([longer, clip[:20000]])
        assert [one.shape for one in tokens] == [(8, 512 * parts), (1, 512 * parts)]
        means = np.stack([one.mean(axis=0) for one in tokens])
        np.testing.assert_allclose(means, encoder.encode([longer, clip[:20000]]), atol=1e-5)
