"""Batches of embeddings in several languages, and two ranks."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize


def make_batch(seed, clips=6, captions=10, langs=3, missing=0.3, width=8):
    """Originals of some clips, several of one clip among them, with translations of which some are missing.

    Returns:
        audio [U, E], text [B, E], and the other tensors of the batch by name.
    """
    generator = torch.Generator().manual_seed(seed)
    owners = [*range(clips), *torch.randint(clips, (captions - clips,), generator=generator)]
    rows = []  # clip, language, source, is source
    for source, clip in enumerate(owners):
        # the author's language is another one for every third caption
        own = source % langs if source % 3 == 0 else 0
        rows.append((int(clip), own, source + 100, True))
        for lang in range(langs):
            if lang != own and torch.rand(1, generator=generator) > missing:
                rows.append((int(clip), lang, source + 100, False))
    rows = [rows[i] for i in torch.randperm(len(rows), generator=generator)]
    clip_index, lang_index, source_index, is_source = map(torch.tensor, zip(*rows))
    audio = normalize(torch.randn(clips, width, generator=generator), dim=-1).requires_grad_()
    text = normalize(torch.randn(len(rows), width, generator=generator), dim=-1).requires_grad_()
    others = {"lang_index": lang_index, "source_index": source_index, "is_source": is_source}
    return audio, text, clip_index, others


@pytest.fixture
def multilingual_batch():
    """The function above."""
    return make_batch


@pytest.fixture
def on_two_ranks(tmp_path):
    """Run a script, which finds this folder in its path, in two processes; each must print "agrees"."""

    def run(code: str) -> None:
        script = tmp_path / "ranks.py"
        script.write_text(code)
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        command = [sys.executable, *launch, str(script), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("agrees") == 2

    return run
