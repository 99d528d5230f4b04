"""The numbers of the published code (`golden/README.md` explains files and tolerances)."""

import json

import numpy as np
import pytest
import torch

from espnet_mlclap.mlclap.audio_encoder.ced import CEDAudioEncoder

MODELS = {
    "small": ({"embed_dim": 96, "depth": 3, "num_heads": 3}, "small_wrapped.pt"),
    "tiny": ({"size": "tiny"}, "tiny.safetensors"),
}
MEL, TOKENS, EMBEDDING, PROBABILITY = 1e-3, 5e-5, 2e-5, 1e-5  # absolute tolerances


class Golden:
    """Inputs and expected outputs of one model."""

    def __init__(self, folder, name: str) -> None:
        self.folder, self.name = folder, name
        self.inputs = dict(np.load(folder / "inputs.npz"))
        self.expected = dict(np.load(folder / f"{name}_outputs.npz"))
        self.batches = json.loads((folder / "meta.json").read_text())["batches"]

    def encoder(self, **settings) -> CEDAudioEncoder:
        size, file = MODELS[self.name]
        settings = {"patch_dropout_time": 0.0, "patch_dropout_frequency": 0.0, **settings}
        return CEDAudioEncoder(**size, **settings, checkpoint=self.folder / file).eval()

    def audio(self, *items: str):
        lengths = torch.tensor([len(self.inputs[item]) for item in items])
        audio = torch.zeros(len(items), int(lengths.max()))
        for row, item in zip(audio, items):
            clip = torch.from_numpy(self.inputs[item].astype(np.float32)) / 32768
            row[: len(clip)] = clip
        return audio, lengths

    def those(self, prefix: str):
        return [key[len(prefix) :] for key in self.expected if key.startswith(prefix)]

    def check(self, value: torch.Tensor, key: str, tolerance: float) -> None:
        expected = torch.from_numpy(self.expected[key])
        torch.testing.assert_close(value.detach(), expected, atol=tolerance, rtol=0, msg=key)


@pytest.fixture(scope="module", params=list(MODELS))
def golden(request, shared_dir) -> Golden:
    return Golden(shared_dir / "golden" / "ced", request.param)


@torch.no_grad()
def test_mel(shared_dir):
    golden = Golden(shared_dir / "golden" / "ced", "small")
    front_end = golden.encoder().front_end
    expected = np.load(golden.folder / "mel.npz")
    for item in golden.inputs:
        audio, lengths = golden.audio(item)
        for features in (front_end(audio, lengths), front_end.with_batch_floor(audio)):
            assert np.abs(features[0].T.numpy() - expected[f"mel_{item}"]).max() < MEL, item
    both = front_end.with_batch_floor(golden.audio("quiet", "loud")[0]).transpose(1, 2)
    assert np.abs(both.numpy() - expected["batchmel_C_quiet_loud"]).max() < MEL


@torch.no_grad()
def test_reference_mode(golden):
    encoder = golden.encoder(mode="reference")
    for item in golden.those("emb_"):
        golden.check(encoder(*golden.audio(item))[0], f"emb_{item}", EMBEDDING)
    for item in golden.those("tok_"):
        (chunks,) = encoder.token_features(*golden.audio(item))
        golden.check(torch.stack(chunks), f"tok_{item}", TOKENS)
    for item in golden.those("tagprob_"):
        probabilities = encoder.tagging_probabilities(*golden.audio(item))[0]
        golden.check(probabilities, f"tagprob_{item}", PROBABILITY)
    for batch in golden.those("batch_emb_"):
        audio = golden.audio(*golden.batches[batch])
        golden.check(encoder(*audio), f"batch_emb_{batch}", EMBEDDING)
    largest = golden.encoder(mode="reference", chunk_pooling="max")
    for item in golden.those("evalavgmax_emb_"):
        golden.check(largest(*golden.audio(item))[0], f"evalavgmax_emb_{item}", EMBEDDING)


@torch.no_grad()
def test_default_mode_is_the_reference_on_single_clips_of_one_chunk(golden):
    encoder = golden.encoder()
    for item in golden.those("emb_"):
        audio, lengths = golden.audio(item)
        if 1 + int(lengths) // 160 <= 1012:
            golden.check(encoder(audio, lengths)[0], f"emb_{item}", EMBEDDING)


@torch.no_grad()
def test_default_mode_is_the_same_alone_and_in_a_batch(golden):
    encoder = golden.encoder()
    for items in golden.batches.values():
        together = encoder(*golden.audio(*items))
        for item, row in zip(items, together):
            alone = encoder(*golden.audio(item))[0]
            torch.testing.assert_close(row, alone, atol=1e-5, rtol=0, msg=item)


@torch.no_grad()
def test_training_with_batch_statistics(golden):
    # The golden numbers were summed by two threads; with one, statistics in float32 differ by 1e-6
    # (relative) and embeddings by 1e-4 (see PackedBatchNorm).
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        encoder = golden.encoder(mode="reference").train()
        audio = golden.audio(*golden.batches["A_short_pad"])
        golden.check(encoder(*audio), "trainmode_emb_A_short_pad", EMBEDDING)
    finally:
        torch.set_num_threads(threads)
    norm = encoder.init_bn["1"]
    golden.check(norm.running_mean, "trainmode_running_mean_after", 1e-4)
    golden.check(norm.running_var, "trainmode_running_var_after", 1e-3)
