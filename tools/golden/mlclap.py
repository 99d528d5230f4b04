"""The whole model: the checkpoint imported into an experiment folder, then embeddings, losses, gradients.

The folder holds `mlclap_small.pt` (any one `.pt`), `tiny_spm.model` (any one `.model`), `audio.npz`,
`outputs.npz` and `meta.json`. Tolerances are those of the golden numbers' README.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, Set, Tuple

import numpy as np
import torch
from torch import Tensor

from espnet_mlclap.checkpoints.mlclap import TEMPERATURE, to_our_names
from espnet_mlclap.checkpoints.state_dict import load_state_dict
from espnet_mlclap.models.audio_encoder.masked_batch_norm import PackedBatchNorm
from espnet_mlclap.models.experiment import load_experiment
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.released import import_checkpoint
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.objectives.registry import build_objective
from espnet_mlclap.utils.config import BEST_MODEL
from golden.ced import RUNNING_MEAN, THREADS, fitting_heads, padded
from golden.compare import Report

SENTENCE, NORMALISED, LOSS = 2e-5, 1e-5, 1e-5
GRADIENT = 1e-3  # relative
SMALL_GRADIENT = 1e-3  # norms below are compared as if they were this large
_EMBEDDING = "text_encoder.model.encoder_frontend.embed.weight"
_OUTPUTS, _META = "mlclap/outputs.npz", "mlclap/meta.json"


class GoldenMLCLAP:
    """The imported model with its inputs and expected outputs.

    Args:
        folder: the folder `mlclap`.
    """

    def __init__(self, folder: Path) -> None:
        self.meta: Dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.expected = dict(np.load(folder / "outputs.npz"))
        self.clips = dict(np.load(folder / "audio.npz"))
        (self.checkpoint,) = folder.glob("*.pt")
        (self.tokenizer_model,) = folder.glob("*.model")
        self.names = {  # of the parameters: theirs -> ours
            name: next(iter(to_our_names({name: tensor})))
            for name, tensor in load_state_dict(self.checkpoint).items()
        }
        states = load_state_dict(self.checkpoint)
        width = len(states["audio_encoder.model.norm.weight"])
        clip = min(self.clips, key=lambda clip: len(self.clips[clip]))
        row = list(self.clips).index(clip)
        self._folder = tempfile.TemporaryDirectory(prefix="golden_mlclap_")
        heads = fitting_heads(
            width,
            lambda heads: self.model(heads).encode_audio(*padded([self.clips[clip]]))[0],
            self.expected["encode_audio_single"][row],
        )
        self.audio_heads = heads

    def model(self, audio_heads: int = 0) -> TwoTowerModel:
        """The model as it comes out of an imported experiment, in evaluation mode."""
        return self.experiment(audio_heads)[0]

    def objective(self) -> AbsObjective:
        """The model with the loss that its imported configuration names."""
        model, config = self.experiment()
        return build_objective(config, model)

    def experiment(self, audio_heads: int = 0) -> Tuple[TwoTowerModel, Dict[str, Any]]:
        """Model and configuration of an imported experiment, made when it is first asked for."""
        heads = audio_heads or self.audio_heads
        experiment = Path(self._folder.name, f"experiment_{heads}_heads")
        if not experiment.exists():
            import_checkpoint(
                self.checkpoint,
                experiment,
                tokenizer=self.tokenizer_model,
                langs=self.meta["langs"],
                audio_heads=heads,
                text_heads=self.meta["sonar"]["heads"],
            )
        return load_experiment(experiment / "config.yaml", experiment / BEST_MODEL)

    def tokens(self, model: TwoTowerModel, texts: list, langs: list) -> Tuple[Tensor, Tensor]:
        """Token ids of captions, padded, and their lengths."""
        tokenizer = model.text_encoder.tokenizer
        return pad([tokenizer(*pair) for pair in zip(texts, langs)], tokenizer.pad_id)

    def batch(self, model: TwoTowerModel, name: str) -> Tuple[Tensor, ...]:
        """Audio, its lengths, token ids and their lengths of a batch of pairs."""
        batch = self.meta["batches"][name]
        crops = zip(batch["clips"], batch["drop_first_samples"])
        audio = padded([self.clips[clip][drop:] for clip, drop in crops])
        return (*audio, *self.tokens(model, batch["text"], batch["source_lang"]))


def check(folder: Path, report: Report) -> None:
    """Compare everything in the folder `mlclap`."""
    golden = GoldenMLCLAP(folder)
    model = golden.model()
    handled: Set[str] = set()
    with torch.no_grad():
        check_text(golden, model, report, handled)
        check_audio(golden, model, report, handled)
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        for batch in golden.meta["batches"]:
            for mode in ("eval", "train_dropout0"):
                check_batch(golden, batch, mode, report, handled)
    finally:
        torch.set_num_threads(threads)
    report.check_keys(_OUTPUTS, golden.expected, handled, golden.meta["shapes"])


def check_text(
    golden: GoldenMLCLAP, model: TwoTowerModel, report: Report, handled: Set[str]
) -> None:
    """Compare token ids, sentence embeddings and embeddings of captions, also in the wrong language."""
    tokenizer = model.text_encoder.tokenizer
    for lang, texts in golden.meta["texts"].items():
        for text, ids in zip(texts, golden.meta["token_ids"][lang]):
            ours = tokenizer(text, lang).tolist()
            report.add(_META, "token_ids (captions that differ)", 0, f"{lang}: {text}", ours != ids)
        text, lengths = golden.tokens(model, texts, [lang] * len(texts))
        together = model.encode_text(text, lengths)
        alone = [model.encode_text(t[None, :n], n[None])[0] for t, n in zip(text, lengths)]
        quantities = {
            f"sonar_{lang}": ("sonar_*", SENTENCE, model.text_encoder(text, lengths).mean()),
            f"encode_text_{lang}": ("encode_text_*", NORMALISED, together),
            f"encode_text_single_maxdiff_{lang}": (
                "encode_text_single_maxdiff_*",
                NORMALISED,
                (together - torch.stack(alone)).abs().max(),
            ),
        }
        for other in golden.meta["texts"]:
            key = f"encode_text_{lang.split('_')[0]}_as_{other.split('_')[0]}"
            if key in golden.expected:
                wrong = golden.tokens(model, texts, [other] * len(texts))
                quantities[key] = ("encode_text_*_as_*", NORMALISED, model.encode_text(*wrong))
        for key, (quantity, tolerance, value) in quantities.items():
            if key in golden.expected:
                golden_value = golden.expected[key]
                report.compare(_OUTPUTS, quantity, tolerance, key, value, golden_value)
            handled.add(key)


def check_audio(
    golden: GoldenMLCLAP, model: TwoTowerModel, report: Report, handled: Set[str]
) -> None:
    """Compare embeddings of the clips, padded to the longest and alone."""
    clips = list(golden.clips.values())
    alone = torch.cat([model.encode_audio(*padded([clip])) for clip in clips])
    values = {
        "encode_audio_padded": model.encode_audio(*padded(clips)),
        "encode_audio_single": alone,
    }
    for key, value in values.items():
        report.expect(_OUTPUTS, key, NORMALISED)
        if key in golden.expected:
            report.compare(_OUTPUTS, key, NORMALISED, key, value, golden.expected[key])
        handled.add(key)


def check_batch(
    golden: GoldenMLCLAP, batch: str, mode: str, report: Report, handled: Set[str]
) -> None:
    """Compare losses with and without clip indices and regularisation, gradients, batch statistics."""
    objective = golden.objective().train(mode != "eval")
    model = objective.model
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_p"):  # attention of the text encoder
            module.dropout_p = 0.0
    model.audio_encoder.patch_dropout_time = model.audio_encoder.patch_dropout_frequency = 0.0
    audio, audio_lengths, *text = golden.batch(model, batch)
    embedded_audio = model.encode_audio(audio, audio_lengths)
    embedded_text = model.encode_text(*text)
    key = f"bn_running_mean_after|{batch}"
    if mode != "eval" and key in golden.expected:
        value = model.audio_encoder.init_bn["1"].running_mean
        expected = golden.expected[key]
        report.compare(_OUTPUTS, "bn_running_mean_after", RUNNING_MEAN, key, value, expected)
        handled.add(key)
    report.expect(_META, f"losses ({mode})", LOSS)
    for group in ("idx", "noidx"):
        for regularised in ("noreg", "reg"):
            key = f"{batch}|{mode}|{group}|{regularised}"
            if key not in golden.meta["losses"]:
                report.problems.append(f"{_META}: losses: {key} is missing")
                continue
            loss = _loss(golden, objective, key, embedded_audio, embedded_text)
            expected = golden.meta["losses"][key]
            report.compare(_META, f"losses ({mode})", LOSS, key, loss.detach(), expected)
            if key in golden.meta["grad_norms"]:
                gradients = _gradients(objective, loss)
                use_published_batch_norm(model, len(audio))
                again = _loss(
                    golden, objective, key, model.encode_audio(audio, audio_lengths), embedded_text
                )
                published = _gradients(objective, again)
                gradients.update({k: v for k, v in published.items() if ".init_bn." in k})
                _check_gradients(golden, gradients, key, mode, report, handled)


def _loss(
    golden: GoldenMLCLAP, objective: AbsObjective, key: str, audio: Tensor, text: Tensor
) -> Tensor:
    batch, _, group, regularised = key.split("|")
    objective.loss.embedding_regularisation = float(regularised == "reg")
    clip_group = torch.tensor(golden.meta["batches"][batch]["idx"]) if group == "idx" else None
    loss, _ = objective.loss(audio, text, torch.arange(len(text)), clip_group)
    return loss


def _gradients(objective: AbsObjective, loss: Tensor) -> Dict[str, Tensor]:
    """Gradients by the names of our parameters; the temperature's is the loss's."""
    objective.zero_grad()
    loss.backward(retain_graph=True)
    named = [*objective.model.named_parameters(), (TEMPERATURE, objective.loss.temperature)]
    return {name: parameter.grad for name, parameter in named if parameter.grad is not None}


class _PublishedBatchNorm(PackedBatchNorm):
    """The input normalisation in the memory layout of the published code.

    There the features of a batch are channels-last and the gradient that comes back is not. PyTorch's
    BatchNorm on a CPU (2.2.2 as well as 2.9.1) does not see that and gives wrong gradients of weight and
    bias; everything else is as it should be. Golden gradients of these two tensors are reproduced in this
    way only: ours are the derivatives of the loss.
    """

    clips: int

    def forward(self, frames: Tensor, bins_apart: bool = True) -> Tensor:
        # [clips, bins, 1, frames] with the strides that the published code arrives at
        batch = frames.unflatten(0, (self.clips, -1)).transpose(1, 2).unsqueeze(1).transpose(1, 2)
        normalised = torch.nn.functional.batch_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
        normalised.register_hook(lambda gradient: gradient.contiguous())
        return normalised.squeeze(2).transpose(1, 2).flatten(0, 1)


def use_published_batch_norm(model: TwoTowerModel, clips: int) -> None:
    """Let the input normalisation of a batch of so many clips get the gradients of the published code."""
    norm = model.audio_encoder.init_bn["1"]
    norm.__class__ = _PublishedBatchNorm
    norm.clips = clips


def _check_gradients(
    golden: GoldenMLCLAP,
    gradients: Dict[str, Tensor],
    key: str,
    mode: str,
    report: Report,
    handled: Set[str],
) -> None:
    for name, expected in golden.meta["grad_norms"][key].items():
        gradient = gradients.get(golden.names[name])
        norm = 0.0 if gradient is None else float(gradient.norm())
        expected = expected or 0.0  # none: the classification head gets no gradient
        relative = abs(norm - expected) / max(expected, SMALL_GRADIENT)
        report.add(_META, f"grad_norms ({mode}, relative)", GRADIENT, f"{key}: {name}", relative)
    arrays = {
        "grad_audio_proj.2.bias": gradients["audio_projection.2.bias"],
        "grad_text_proj.2.bias": gradients["text_projection.2.bias"],
        "grad_init_bn_weight": gradients["audio_encoder.init_bn.1.weight"],
        "grad_embed_rownorm": gradients[_EMBEDDING].norm(dim=1),
    }
    for name, gradient in arrays.items():
        array = f"{name}|{key}"
        if array in golden.expected:
            expected = golden.expected[array]
            scale = np.abs(expected).max()
            value = gradient.numpy() / scale
            quantity = f"{name} ({mode}, relative)"
            report.compare(_OUTPUTS, quantity, GRADIENT, array, value, expected / scale)
            handled.add(array)
