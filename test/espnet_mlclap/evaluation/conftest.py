"""Small sets of embeddings on disk."""

from pathlib import Path

import numpy as np
import pytest


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
