"""Encoders of one's own, as a recipe's local/ would have them: they count how often they are asked."""

import importlib
import sys

import pytest

MODULE = '''
import hashlib
import numpy as np
import torch

CALLS = []

class Words:
    """A caption's vector from the hashes of its words."""
    version = "3.1"

    def __init__(self, size=6):
        self.size = size

    def encode(self, captions):
        CALLS.append(len(captions))
        rows = []
        for caption in captions:
            total = np.full(self.size, 0.01)
            for word in caption.lower().split():
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                total += np.random.default_rng(seed).standard_normal(self.size)
            rows.append(total)
        return np.array(rows)

class WordsOfALanguage(Words):
    needs_lang = True

    def encode(self, captions, langs):
        return super().encode([f"{lang} {caption}" for caption, lang in zip(captions, langs)])

class WordTokens(Words):
    """A row for each word; their mean is the vector."""

    def encode_tokens(self, captions):
        CALLS.append(len(captions))
        return [
            np.concatenate([Words.encode(self, [word]) for word in caption.split()])
            for caption in captions
        ]

    def encode(self, captions):
        return np.stack([tokens.mean(axis=0) for tokens in self.encode_tokens(captions)])

class Frames(WordTokens):
    """A row for each 1000 samples."""
    def encode_tokens(self, waves):
        return [wave[: len(wave) // 1000 * 1000].reshape(-1, 1000)[:, : self.size] for wave in waves]

class Bands:
    """A clip's vector from the energy of five bands; called, not asked to encode."""
    sampling_rate = 8000

    def __call__(self, waveforms):
        CALLS.append(len(waveforms))
        spectra = [np.abs(np.fft.rfft(wave, 256, norm="ortho")) for wave in waveforms]
        return np.array([[band.mean() for band in np.array_split(row, 5)] for row in spectra])

class Torch:
    """A clip's vector by torch, which heeds `with torch.device(...)`."""
    def __init__(self):
        self.scale = torch.ones(3)

    def encode(self, waveforms):
        return np.stack([(self.scale * torch.tensor(wave[:3])).numpy() for wave in waveforms])

class Broken(Words):
    def encode(self, captions):
        return np.full((len(captions), 2), np.nan)

class Lacking(Words):
    def __init__(self):
        raise ImportError("words-7 is not installed: pip install words-7")


class Flat(Words):
    def encode(self, captions):
        return np.zeros(len(captions))
'''


@pytest.fixture
def own_encoders(tmp_path, monkeypatch):
    """The module `own_encoders`, imported anew, with nothing counted yet."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "own_encoders.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    sys.modules.pop("own_encoders", None)
    yield importlib.import_module("own_encoders")
    sys.modules.pop("own_encoders", None)
