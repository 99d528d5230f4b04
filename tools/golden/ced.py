"""CED: spectrograms, tokens, embeddings, tagging, batches and batch statistics of the published code.

Fourier transforms of different processors round differently, in float32 by about 1e-7 of a frame's
loudest value. That much counts as no difference of spectrograms (0.3 dB where a bin is 110 dB below the
loudest one, 0.001 dB at 60 dB); tokens, the raw features, are compared from the published spectrograms
on.

The folder holds `inputs.npz` and `mel.npz`, and for each model `<model>_outputs.npz` with its weights in
`<model>*.pt` or `<model>*.safetensors`. `meta.json` says which items make a batch and which keys there are.
"""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

import numpy as np
import torch

from espnet_mlclap.checkpoints.ced import to_ced_layout
from espnet_mlclap.checkpoints.state_dict import load_state_dict
from espnet_mlclap.models.audio_encoder.ced import CEDAudioEncoder
from espnet_mlclap.models.audio_encoder.mel import LogMel, num_frames
from espnet_mlclap.models.pooling import MaxOfSegmentsPooling
from golden.compare import Report

MEL = 1e-3  # dB
TOKENS, EMBEDDING, PROBABILITY = 5e-5, 2e-5, 1e-5
# Of batch statistics in dB and dB^2, which move by a hundredth of a batch's.
RUNNING_MEAN, RUNNING_VARIANCE = 1e-4, 1e-3
# Training numbers were summed by two threads; batch statistics in float32 depend on it (PackedBatchNorm).
THREADS = 2


def rounding(mel: np.ndarray) -> np.ndarray:
    """What rounding in float32 can change in a spectrogram [bins, frames] in dB, value by value, in dB."""
    below = mel.max(axis=-2, keepdims=True) - mel
    return 20 * np.log10(1 + np.finfo(np.float32).eps * 10 ** (below / 20))


class GoldenCED:
    """Inputs and expected outputs of one model.

    Args:
        folder: the folder `ced`.
        name: the model: `<name>_outputs.npz` in it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.inputs = dict(np.load(folder / "inputs.npz"))
        self.expected = dict(np.load(folder / f"{name}_outputs.npz"))
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.batches: Dict[str, list] = meta["batches"]
        self.stated: Dict[str, Any] = meta["models"][name]["shapes"]
        self.weights = next(
            path
            for path in sorted(folder.glob(f"{name}*"))
            if path.suffix in (".pt", ".safetensors")
        )
        states = to_ced_layout(load_state_dict(self.weights, inside="model"))
        self._shape = {
            "embed_dim": len(states["norm.weight"]),
            "depth": len({key.split(".")[1] for key in states if key.startswith("blocks.")}),
            "num_classes": len(states["outputlayer.1.bias"]),
        }
        self._heads: Optional[int] = None

    def encoder(self, **settings: Any) -> CEDAudioEncoder:
        """The model without patch dropout, in evaluation mode."""
        settings = {"patch_dropout_time": 0.0, "patch_dropout_frequency": 0.0, **settings}
        if "num_heads" not in settings:
            settings["num_heads"] = self.heads()
        return CEDAudioEncoder(**self._shape, **settings, checkpoint=self.weights).eval()

    def heads(self) -> int:
        """Number of attention heads: tensors do not tell, so the one that fits the shortest clip."""
        if self._heads is None:
            item = min(self.those("emb_"), key=lambda item: len(self.inputs[item]))
            self._heads = fitting_heads(
                self._shape["embed_dim"],
                lambda heads: self.encoder(num_heads=heads, mode="reference")(
                    *self.audio(item)
                ).mean()[0],
                self.expected[f"emb_{item}"],
            )
        return self._heads

    def audio(self, *items: str) -> Tuple[torch.Tensor, torch.Tensor]:
        """Items padded with zeros [items, samples], and their lengths."""
        return padded([self.inputs[item] for item in items])

    def those(self, prefix: str) -> list:
        """What follows `prefix` in the keys of the outputs."""
        return [key[len(prefix) :] for key in self.expected if key.startswith(prefix)]


def models(folder: Path) -> list:
    """Names of the models in the folder."""
    return [path.name.removesuffix("_outputs.npz") for path in sorted(folder.glob("*_outputs.npz"))]


def padded(clips: list) -> Tuple[torch.Tensor, torch.Tensor]:
    """int16 clips as float32 padded with zeros, and their lengths."""
    lengths = torch.tensor([len(clip) for clip in clips])
    audio = torch.zeros(len(clips), int(lengths.max()))
    for row, clip in zip(audio, clips):
        row[: len(clip)] = torch.from_numpy(clip.astype(np.float32)) / 32768
    return audio, lengths


@torch.no_grad()
def fitting_heads(width: int, embed: Any, expected: np.ndarray) -> int:
    """The number of heads (of width 16 to 128) with which `embed(heads)` is closest to `expected`."""
    candidates = [heads for heads in range(1, width) if width % heads == 0]
    candidates = [heads for heads in candidates if 16 <= width // heads <= 128]
    return min(candidates, key=lambda heads: np.abs(embed(heads).numpy() - expected).max())


def check(folder: Path, report: Report) -> None:
    """Compare everything in the folder `ced`."""
    names = models(folder)
    stated = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["models"]
    for name in sorted(set(names) ^ set(stated)):
        report.problems.append(f"ced: {name} is not in both meta.json and {name}_outputs.npz")
    for name in names:
        golden = GoldenCED(folder, name)
        if name == names[0]:
            check_mel(golden, report)
        check_outputs(golden, report)


@torch.no_grad()
def check_mel(golden: GoldenCED, report: Report) -> None:
    """Compare `mel.npz`: each item alone in both modes, and batches with one floor."""
    file = "ced/mel.npz"
    front_end = LogMel()
    expected = dict(np.load(golden.folder / "mel.npz"))
    alone = {}
    for item in golden.inputs:
        audio, lengths = golden.audio(item)
        alone[item] = front_end.with_batch_floor(audio)[0].T.numpy()
        default = front_end(audio, lengths)[0].T.numpy()
        for mode, value in (("reference", alone[item]), ("default mode", default)):
            if f"mel_{item}" in expected:
                key = f"mel_{item}"
                golden_mel = expected[key].astype(np.float64)
                report.compare(
                    file, f"mel_* (dB, {mode})", MEL, key, value, golden_mel, rounding(golden_mel)
                )
    handled = {f"mel_{item}" for item in golden.inputs}
    for name, items in golden.batches.items():
        values = front_end.with_batch_floor(golden.audio(*items)[0]).transpose(1, 2).numpy()
        quantities = {
            f"batchmel_{name}": values,
            f"batchmel_min_{name}": values.min((1, 2)),
            f"batchmel_max_{name}": values.max((1, 2)),
            f"singlemel_min_{name}": np.array([alone[item].min() for item in items]),
        }
        for key, value in quantities.items():
            if key in expected:
                quantity = key.removesuffix(name) + "*"
                golden_mel = expected[key].astype(np.float64)
                allowed = rounding(golden_mel) if golden_mel.ndim > 1 else 0.0
                report.compare(file, f"{quantity} (dB)", MEL, key, value, golden_mel, allowed)
        handled |= quantities.keys()
    meta = json.loads((golden.folder / "meta.json").read_text(encoding="utf-8"))
    report.check_keys(file, expected, handled, meta["mel_shapes"])


def check_outputs(golden: GoldenCED, report: Report) -> None:
    """Compare `<model>_outputs.npz`."""
    file = f"ced/{golden.name}_outputs.npz"
    handled = set()
    for quantity, key, tolerance, value in _outputs(golden):
        report.compare(file, quantity, tolerance, key, value, golden.expected[key])
        handled.add(key)
    report.check_keys(file, golden.expected, handled, golden.stated)


def _outputs(golden: GoldenCED) -> Iterator[Tuple[str, str, float, Any]]:
    """Quantity, key, tolerance and our value of everything in the file."""
    with torch.no_grad():
        yield from _embeddings(golden)
        yield from _batches(golden)
    yield from _training(golden)


def _embeddings(golden: GoldenCED) -> Iterator[Tuple[str, str, float, Any]]:
    default, encoder = golden.encoder(), golden.encoder(mode="reference")
    largest = MaxOfSegmentsPooling(input_size=encoder.output_size())
    for item in golden.those("emb_"):
        audio, lengths = golden.audio(item)
        yield "emb_*", f"emb_{item}", EMBEDDING, encoder(audio, lengths).mean()[0]
        if int(num_frames(lengths)) <= encoder.chunk_frames:
            value = default(audio, lengths).mean()[0]
            yield "emb_* (default mode, one chunk)", f"emb_{item}", EMBEDDING, value
    spectrograms = np.load(golden.folder / "mel.npz")
    for item in golden.those("tok_"):
        mel = torch.from_numpy(spectrograms[f"mel_{item}"]).T[None]
        tokens = encoder(mel, torch.tensor([mel.size(1)]))
        pieces = 1 if tokens.segment is None else int(tokens.segment.max()) + 1
        yield "tok_*", f"tok_{item}", TOKENS, tokens.real(0).unflatten(0, (pieces, -1))
    for item in golden.those("tagprob_"):
        value = encoder.tagging_probabilities(*golden.audio(item))[0]
        yield "tagprob_*", f"tagprob_{item}", PROBABILITY, value
    for item in golden.those("evalavgmax_emb_"):
        value = largest(encoder(*golden.audio(item)))[0]
        yield "evalavgmax_emb_*", f"evalavgmax_emb_{item}", EMBEDDING, value


def _batches(golden: GoldenCED) -> Iterator[Tuple[str, str, float, Any]]:
    encoder = golden.encoder(mode="reference")
    for batch, items in golden.batches.items():
        together = encoder(*golden.audio(*items)).mean()
        if f"batch_emb_{batch}" in golden.expected:
            yield "batch_emb_*", f"batch_emb_{batch}", EMBEDDING, together
        key = f"batch_meanabs_diff_vs_single_{batch}"
        if key in golden.expected:
            alone = torch.stack([encoder(*golden.audio(item)).mean()[0] for item in items])
            value = (together - alone).abs().mean(1)
            yield "batch_meanabs_diff_vs_single_*", key, EMBEDDING, value


def _training(golden: GoldenCED) -> Iterator[Tuple[str, str, float, Any]]:
    for batch in golden.those("trainmode_emb_"):
        threads = torch.get_num_threads()
        torch.set_num_threads(THREADS)
        try:
            encoder = golden.encoder(mode="reference").train()
            with torch.no_grad():
                value = encoder(*golden.audio(*golden.batches[batch])).mean()
        finally:
            torch.set_num_threads(threads)
        yield "trainmode_emb_*", f"trainmode_emb_{batch}", EMBEDDING, value
        norm = encoder.init_bn["1"]
        running = (
            ("trainmode_running_mean_after", RUNNING_MEAN, norm.running_mean),
            ("trainmode_running_var_after", RUNNING_VARIANCE, norm.running_var),
        )
        for key, tolerance, value in running:
            if key in golden.expected:
                yield key, key, tolerance, value
