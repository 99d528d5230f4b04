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
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Union

import numpy as np
import torch

from espnet_mlclap.fileio.in_memory import location_or_waveform
from espnet_mlclap.models.embed_captions import (
    CAPTIONS_PER_BATCH,
    caption_batches,
    embed_captions,
)
from espnet_mlclap.models.experiment import load_experiment
from espnet_mlclap.models.fingerprint import fingerprint
from espnet_mlclap.models.finite import check_clips
from espnet_mlclap.models.packed import load_packed
from espnet_mlclap.models.padding import padded_batches
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.device import check_device
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.normalize import normalizer
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.shown import is_unicode, shown

Audio = Union[str, Path, np.ndarray, torch.Tensor, Dict[str, Any], Any]


class Ranked(NamedTuple):
    """A clip that was ranked.

    Attributes:
        index: its place among the clips that were given.
        score: of the pair, in [-1, 1].
    """

    index: int
    score: float


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
        self.device = check_device(device)
        self.model = model.to(self.device).eval()
        self.normalize = normalizer(text_normalization, "MLCLAP")
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
        path, device = Path(path), check_device(device)
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
    def pair_model(self) -> CoAttentionModel:
        """The model as one that scores pairs.

        Raises:
            UserError: it has two towers only.
        """
        if isinstance(self.model, CoAttentionModel):
            return self.model
        raise UserError(
            "this model has two towers and scores no pairs. Load one that was trained with model: "
            "co_attention (conf/tuning/co_attention_*.yaml)."
        )

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
                - what Hugging Face datasets give: a dictionary {"array": array or tensor, "sampling_rate":
                  Hz}, an `AudioDecoder`, or with `decode=False` {"bytes": bytes or None, "path": ...}.
                Samples are floats in [-1, 1], or integers of 8, 16 or 32 bits over their whole range.
                Clips stacked in one array [clips, samples] are given as `list(array)`.
            sampling_rate: Hz of arrays and tensors; not for paths.
            batch_size: most clips that are encoded together, 1 or more; long ones are encoded alone.
            show_progress: on the standard error output, if it takes longer than two seconds.

        Returns:
            [clips, E] float32 unit vectors, in the order given.

        Raises:
            AudioError: a clip that cannot be used, or of which the model makes NaN.
            UserError: arrays without a sampling rate, or whose layout or type is none of the above.
        """
        _check_batch_size(batch_size)
        clips = _as_list(audio)
        rows = np.empty((len(clips), self.embed_size), dtype=np.float32)
        bar = progress_bar("embedding clips", len(clips), "clips", show=show_progress)
        with bar, torch.inference_mode():
            for start in range(0, len(clips), batch_size):
                chosen = clips[start : start + batch_size]
                arrays = [self._read(clip, sampling_rate) for clip in chosen]
                for batch, padded, lengths in padded_batches(arrays, batch_size):
                    embedded = self.model.encode_audio(
                        padded.to(self.device), lengths.to(self.device)
                    )
                    rows[[start + position for position in batch]] = embedded.cpu().numpy()
                    names = [_name(chosen[position], "encode_audio") for position in batch]
                    check_clips(rows[[start + position for position in batch]], names)
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
        for number, text in enumerate(texts):
            if not is_unicode(text):
                raise UserError(
                    f"encode_text: caption {number} ({shown(text)!r}) has a character in it that was cut in "
                    "half, or that is not UTF-8."
                )
        self._check_languages(langs)
        with torch.inference_mode():
            return embed_captions(
                self.model,
                list(zip(texts, langs)),
                normalize=self.normalize,
                device=self.device,
                batch_size=batch_size,
            )

    def rerank(
        self,
        query: str,
        clips: Union[Audio, Sequence[Audio]],
        top: Optional[int] = None,
        *,
        lang: str = "eng_Latn",
        sampling_rate: Optional[int] = None,
        batch_size: int = 16,
    ) -> List[Ranked]:
        """Order clips by what co-attention says of each with the query: for what a search has found.

        Costs as much as encoding the clips, and a pass of the co-attention for each.

        Args:
            query: a caption.
            clips: as in `encode_audio`.
            top: how many to give back; None for all.
            lang: FLORES-200 code of the query.
            sampling_rate, batch_size: as in `encode_audio`.

        Returns:
            The best first; of equal clips those that were given first.

        Raises:
            AudioError: a clip that cannot be used, or of which with the query the model makes NaN.
            UserError: a model of two towers only, an unknown language.
        """
        model = self.pair_model
        _check_batch_size(batch_size)
        if top is not None and top < 1:
            raise UserError(f"top {top}: must be 1 or more.")
        self._check_languages([lang])
        items = _as_list(clips)
        scores = np.empty((len(items), 1), dtype=np.float32)
        with torch.inference_mode():
            ((_, text, text_lengths),) = caption_batches(model, [(query, lang)], self.normalize)
            tokens = model.text_tokens(text.to(self.device), text_lengths.to(self.device))
            prepared = model.prepare_text(tokens)
            for start in range(0, len(items), batch_size):
                chosen = items[start : start + batch_size]
                arrays = [self._read(clip, sampling_rate) for clip in chosen]
                for batch, padded, lengths in padded_batches(arrays, batch_size):
                    heard = model.audio_tokens(padded.to(self.device), lengths.to(self.device))
                    rows = torch.arange(len(batch), device=self.device)
                    found = model.score_pairs(
                        model.prepare_audio(heard), prepared, rows, torch.zeros_like(rows)
                    )
                    places = [start + position for position in batch]
                    scores[places, 0] = found.cpu().numpy()
                    check_clips(scores[places], [_name(items[place], "rerank") for place in places])
        order = (-scores[:, 0]).argsort(kind="stable")
        return [Ranked(int(index), float(scores[index, 0])) for index in order[:top]]

    def _check_languages(self, langs: Sequence[str]) -> None:
        """Say which language is unknown, or that the model was not trained in it."""
        for code in sorted({*langs} - {*self.languages}):
            check_language(code, "encode_text")
        self._warn_of_untrained(langs)

    def _warn_of_untrained(self, langs: Iterable[str]) -> None:
        if not self.trained_languages:
            return
        for code in sorted({*langs} - {*self.trained_languages} - self._warned_of):
            self._warned_of.add(code)
            warnings.warn(
                f"the model was not trained in {code}, only in {', '.join(self.trained_languages)}. Its text "
                f"encoder knows {code}, but how well a caption in it finds its sound is not known.",
                stacklevel=4,
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
        with location_or_waveform(clip, sampling_rate) as found:
            return reader(found) if isinstance(found, str) else reader.of_waveform(found)


def _as_list(audio: Union[Audio, Sequence[Audio]]) -> List[Audio]:
    """The clips of one clip or of several."""
    single = isinstance(audio, (str, Path, np.ndarray, torch.Tensor, dict))
    single = single or not isinstance(audio, Iterable)  # no clip at all, which `_read` says
    return [audio] if single else list(audio)


def _name(clip: Audio, verb: str) -> str:
    """What errors call a clip that was given to `verb`."""
    return str(clip) if isinstance(clip, (str, Path)) else f"{verb}: a clip in memory"


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise UserError(f"batch_size {batch_size}: must be 1 or more.")
