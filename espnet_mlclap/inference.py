"""Use a trained model from Python: load, encode, compare.

from espnet_mlclap import MLCLAP

model = MLCLAP.from_pretrained("exp/mlclap_train")          # or a packed file of stage 8
clips = model.encode_audio(["rain.wav", "dog.ogg"])
queries = model.encode_text(["un chien aboie"], lang="fra_Latn")
print(model.similarity(clips, queries))                     # [clips, queries], cosine
"""

import warnings
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Set, Union

import numpy as np
import torch

from espnet_mlclap.fileio.audio import Waveform, check_samples
from espnet_mlclap.models.embed_captions import CAPTIONS_PER_BATCH, embed_captions
from espnet_mlclap.models.experiment import load_experiment
from espnet_mlclap.models.fingerprint import fingerprint
from espnet_mlclap.models.packed import load_packed
from espnet_mlclap.models.padding import pad
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.normalize import NORMALIZERS
from espnet_mlclap.utils.progress import progress_bar

Audio = Union[str, Path, np.ndarray, torch.Tensor, Dict[str, Any]]
# More than these are taken for something else than the channels of one clip: of [clips, samples], say.
_MOST_CHANNELS = {"array": 32, "tensor": 2}


class MLCLAP:
    """A trained model: clips and captions in, unit vectors of one shared space out.

    Args:
        model: the model, in evaluation mode.
        text_normalization: how captions were normalised while training.
        trained_languages: FLORES-200 codes of the training captions; none if they are unknown.
        device: where to compute ("cpu", "cuda", ...).
    """

    def __init__(
        self,
        model: TwoTowerModel,
        *,
        text_normalization: str = "none",
        trained_languages: Sequence[str] = (),
        device: Union[str, torch.device] = "cpu",
    ):
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.normalize = NORMALIZERS[text_normalization]
        self.trained_languages = list(trained_languages)
        self._warned_of: Set[str] = set()

    @classmethod
    def from_pretrained(
        cls,
        path: Union[str, Path],
        *,
        model_file: str = BEST_MODEL,
        device: Union[str, torch.device] = "cpu",
        custom_classes: bool = False,
    ) -> "MLCLAP":
        """Load an experiment folder or a packed file.

        Args:
            path: a folder with config.yaml and checkpoints (stage 5), or a file made by stage 8.
            model_file: checkpoint in the folder; a packed file has one.
            device: where to compute.
            custom_classes: trust a packed file: let it name classes from outside of this package, which then
                run; an experiment folder may do so anyway.

        Raises:
            UserError: nothing usable at `path`, or weights that do not fit.
        """
        path = Path(path)
        if path.is_dir():
            model, config = load_experiment(path / "config.yaml", path / model_file)
        elif path.is_file():
            model, config = load_packed(path, custom_classes=custom_classes)
        else:
            raise UserError(f"{path}: no such experiment folder or packed model.")
        normalization = config.get("text_normalization", "none")
        trained = config.get("train_langs") or ()
        return cls(
            model, text_normalization=normalization, trained_languages=trained, device=device
        )

    @property
    def embed_size(self) -> int:
        """Width E of the shared space."""
        return self.model.embed_size

    @cached_property
    def fingerprint(self) -> str:
        """A name of what the model computes: the same for an experiment that was moved, copied or packed."""
        return fingerprint(self.model)

    @property
    def languages(self) -> List[str]:
        """FLORES-200 codes of the languages that the text encoder knows (see `trained_languages`)."""
        return list(getattr(self.model.text_encoder.tokenizer, "langs", []))

    def encode_audio(
        self,
        audio: Union[Audio, Sequence[Audio]],
        *,
        sampling_rate: Optional[int] = None,
        batch_size: int = 16,
        show_progress: bool = True,
    ) -> np.ndarray:
        """Embed clips of any lengths.

        Args:
            audio: one clip, or a list of clips, each
                - a path (any format, rate and channels), or an entry `archive.ark:offset` of a formatted set;
                - a numpy array [samples] or [samples, channels], as soundfile reads it;
                - a torch tensor [samples] or [channels, samples], as torchaudio reads it, of 1 or 2 channels;
                - a dictionary {"array": array or tensor, "sampling_rate": Hz}, as Hugging Face datasets
                  give it.
                Samples are floats in [-1, 1], or integers of 8, 16 or 32 bits over their whole range.
                Clips stacked in one array [clips, samples] are given as `list(array)`.
            sampling_rate: Hz of arrays and tensors; not for paths.
            batch_size: clips that are encoded together, 1 or more.
            show_progress: on the standard error output, if it takes longer than two seconds.

        Returns:
            [clips, E] float32 unit vectors, in the order given.

        Raises:
            AudioError: a clip that cannot be used.
            UserError: arrays without a sampling rate, or whose layout or type is none of the above.
        """
        _check_batch_size(batch_size)
        single = isinstance(audio, (str, Path, np.ndarray, torch.Tensor, dict))
        single = single or not isinstance(audio, Iterable)  # no clip at all, which `_read` says
        clips = [audio] if single else list(audio)
        rows = np.empty((len(clips), self.embed_size), dtype=np.float32)
        bar = progress_bar("embedding clips", len(clips), "clips", show=show_progress)
        with bar, torch.inference_mode():
            for start in range(0, len(clips), batch_size):
                batch = [
                    self._read(clip, sampling_rate) for clip in clips[start : start + batch_size]
                ]
                padded, lengths = pad(batch, 0.0)
                embedded = self.model.encode_audio(padded.to(self.device), lengths.to(self.device))
                rows[start : start + len(batch)] = embedded.cpu().numpy()
                bar.update(len(batch))
        return rows

    def encode_text(
        self,
        captions: Union[str, Sequence[str]],
        lang: Union[str, Sequence[str]] = "eng_Latn",
        *,
        batch_size: int = CAPTIONS_PER_BATCH,
    ) -> np.ndarray:
        """Embed captions, each in its own language if `lang` names one for each.

        Args:
            captions: one caption or several.
            lang: FLORES-200 code of all captions, or one per caption.
            batch_size: captions that are encoded together, 1 or more.

        Returns:
            [captions, E] float32 unit vectors, in the order given.

        A language that the model was not trained in gives one warning.

        Raises:
            UserError: an unknown language, or another number of languages than captions.
        """
        _check_batch_size(batch_size)
        texts = [captions] if isinstance(captions, str) else list(captions)
        langs = [lang] * len(texts) if isinstance(lang, str) else list(lang)
        if len(langs) != len(texts):
            raise UserError(
                f"{len(langs)} languages for {len(texts)} captions; give one, or one each"
            )
        for code in sorted({*langs} - {*self.languages}):
            check_language(code, "encode_text")
        self._warn_of_untrained(langs)
        with torch.inference_mode():
            return embed_captions(
                self.model,
                list(zip(texts, langs)),
                normalize=self.normalize,
                device=self.device,
                batch_size=batch_size,
            )

    def _warn_of_untrained(self, langs: Iterable[str]) -> None:
        if not self.trained_languages:
            return
        for code in sorted({*langs} - {*self.trained_languages} - self._warned_of):
            self._warned_of.add(code)
            warnings.warn(
                f"the model was not trained in {code}, only in {', '.join(self.trained_languages)}. Its text "
                f"encoder knows {code}, but how well a caption in it finds its sound is not known.",
                stacklevel=3,
            )

    @staticmethod
    def similarity(audio: np.ndarray, text: np.ndarray) -> np.ndarray:
        """Cosine similarity of embeddings.

        Args:
            audio: [N, E] from `encode_audio`.
            text: [M, E] from `encode_text`.

        Returns:
            [N, M] in [-1, 1].
        """
        return audio @ text.T

    def _read(self, clip: Audio, sampling_rate: Optional[int]) -> np.ndarray:
        """One clip as the model takes it: [samples] at 16 kHz, or [frames, features]."""
        reader = self.model.audio_encoder.reader
        if isinstance(clip, (str, Path)):
            return reader(str(clip))
        if isinstance(clip, dict) and "array" in clip:
            clip, sampling_rate = clip["array"], clip.get("sampling_rate", sampling_rate)
        if not isinstance(clip, (np.ndarray, torch.Tensor)):
            raise UserError(
                f"encode_audio: {type(clip).__name__} is not a clip. Give a path, a numpy array or a tensor, "
                "or a list of these."
            )
        if sampling_rate is None:
            raise UserError("encode_audio: arrays need their sampling_rate (Hz)")
        samples = check_samples(_as_float(_as_channels(clip)), "encode_audio: the array")
        return reader.of_waveform(Waveform(samples, sampling_rate))


def _as_channels(clip: Union[np.ndarray, torch.Tensor]) -> np.ndarray:
    """[samples, channels] of a clip in one of the layouts of `encode_audio`."""
    shape = list(clip.shape)
    kind = "array"
    if isinstance(clip, torch.Tensor):
        kind = "tensor"
        clip = clip.detach().cpu()
        clip = (clip.float() if clip.is_floating_point() else clip).numpy().T
    if clip.ndim == 1:
        return clip[:, None]
    if clip.ndim != 2 or not 1 <= clip.shape[1] <= min(len(clip), _MOST_CHANNELS[kind]):
        raise UserError(
            f"encode_audio: {kind} of shape {shape}: a clip is an array [samples] or [samples, channels], or "
            "a tensor [samples] or [1 or 2 channels, samples]. For one clip in another layout give "
            f"{kind}.T, for several clips list({kind}), for many channels their mean."
        )
    return clip


def _as_float(samples: np.ndarray) -> np.ndarray:
    """float32, with integers scaled from the range of their type to [-1, 1)."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype.kind not in "iu" or samples.dtype.itemsize > 4:
        raise UserError(
            f"encode_audio: samples of type {samples.dtype}. Give floats in [-1, 1], or integers of 8, 16 or "
            "32 bits over their whole range."
        )
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - middle) / half).astype(np.float32)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise UserError(f"batch_size {batch_size}: must be 1 or more.")
