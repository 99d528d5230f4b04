"""Filling the stores of frozen towers: what is put in, and in which batches it is computed."""

import numpy as np
import soundfile
import torch

from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.models.frozen.towers import Kept, StoredClips, fill_stores, open_stores
from espnet_mlclap.models.tokens import Tokens, length_mask


class Model(torch.nn.Module):
    """A token of a clip is a hundred of its samples; notes the batches."""

    def __init__(self):
        super().__init__()
        self.audio_encoder = torch.nn.Module()
        self.audio_encoder.reader = ClipReader()
        self.batches = []

    def audio_tokens(self, audio, lengths):
        self.batches.append(tuple(audio.shape))
        tokens = audio[:, : audio.shape[1] // 100 * 100].unflatten(1, (-1, 100))
        return Tokens(tokens, length_mask(lengths // 100, tokens.shape[1]))


def test_a_long_clip_is_not_padded_to(tmp_path, monkeypatch):
    monkeypatch.setattr("espnet_mlclap.models.padding.MOST_PADDED", 10000)
    generator = np.random.default_rng(1)
    samples = [0.1 * generator.standard_normal(size) for size in (1000, 9000, 500, 2000)]
    paths = [str(tmp_path / f"{number}.flac") for number in range(len(samples))]
    for path, one in zip(paths, samples):
        soundfile.write(path, one, 16000)
    kept = {"audio": Kept("tower", 100, True), "text": Kept("tower", 4, False)}
    stores = open_stores(tmp_path / "store", kept)
    model = Model()
    fill_stores(model, stores, locations=paths, captions=[], number=0)
    assert model.batches == [(1, 9000), (3, 2000)]
    stored = StoredClips(stores["audio"])
    for path, one in zip(paths, samples):
        np.testing.assert_allclose(stored(path), one.reshape(-1, 100), atol=1e-3)
