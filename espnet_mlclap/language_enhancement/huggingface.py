"""Translation with sequence-to-sequence models of transformers: NLLB, M2M100, Opus-MT."""

import glob
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator
from espnet_mlclap.utils.device import check_device
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import ISO_CODES


@dataclass(frozen=True)
class HuggingfaceConfig:
    """Settings of the transformers translator.

    Attributes:
        model: folder, or name on the Hugging Face hub; {source} and {target} in it stand for the
            ISO 639-1 codes, for models of one pair of languages (Opus-MT).
        download: whether the model may be fetched from the hub.
        beam_size: candidates kept at each step; 1 is greedy search.
        max_tokens: longest translation in tokens.
        batch_size: sentences in a batch.
        dtype: float32, float16, bfloat16 or float64.
    """

    model: str
    download: bool
    beam_size: int
    max_tokens: int
    batch_size: int
    dtype: str

    def __post_init__(self) -> None:
        for name in ("beam_size", "max_tokens", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.dtype not in ("float32", "float16", "bfloat16", "float64"):
            raise UserError(
                f"dtype must be float32, float16, bfloat16 or float64, not {self.dtype!r}"
            )


class HuggingfaceTranslator(AbsTranslator):
    """A translation model of transformers.

    Which family a model is of shows in its tokenizer: NLLB takes FLORES-200 codes, M2M100 ISO 639-1
    codes, Opus-MT one pair of languages (or, for several targets, a first token `>>fra<<`). Padding is
    masked; in float32 the last bits still depend on the batch, so that a near tie of two
    candidates may fall either way (float64 practically rules that out).

    Args:
        settings: see `HuggingfaceConfig`.
        device: "cpu", "cuda", "cuda:1" ...

    Raises:
        UserError: transformers is missing, or the model cannot be loaded.
    """

    settings_class = HuggingfaceConfig

    def __init__(self, settings: HuggingfaceConfig, device: str = "cpu"):
        self.settings = settings
        self._device = device
        self._loaded: Dict[str, Tuple[Any, Any]] = {}

    @classmethod
    def identity(cls, settings: HuggingfaceConfig) -> Dict[str, object]:
        names = ("model", "beam_size", "max_tokens", "dtype")
        identity = {name: getattr(settings, name) for name in names}
        return {"translator": "huggingface", **identity, **_local_files(settings.model)}

    def translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        import torch

        model, tokenizer = self._load(source_lang, target_lang)
        prefix, forced = _language_tokens(tokenizer, source_lang, target_lang, self.settings.model)
        inputs = tokenizer(
            [prefix + sentence for sentence in sentences],
            padding=True,
            truncation=True,
            max_length=min(tokenizer.model_max_length, model.config.max_position_embeddings),
            return_tensors="pt",
        ).to(self._device)
        options = {} if forced is None else {"forced_bos_token_id": forced}
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                **options,
                num_beams=self.settings.beam_size,
                do_sample=False,
                max_new_tokens=self.settings.max_tokens,
            )
        texts = tokenizer.batch_decode(output, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _load(self, source_lang: str, target_lang: str) -> Tuple[Any, Any]:
        name = self.settings.model
        if "{source}" in name or "{target}" in name:
            codes = {"source": source_lang, "target": target_lang}
            codes = {key: iso_code(lang, name) for key, lang in codes.items()}
            name = name.format(**codes)
        if name not in self._loaded:
            self._loaded = {name: self._load_model(name)}  # one model in memory at a time
        return self._loaded[name]

    def _load_model(self, name: str) -> Tuple[Any, Any]:
        if not sys.stderr.isatty():
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        import torch

        try:
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
        except ImportError as error:
            raise UserError(
                "--translator huggingface needs transformers: pip install 'espnet_mlclap[huggingface]'"
            ) from error
        # Opus-MT's tokenizer recommends a package that it does not need.
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
        check_device(self._device)
        local = {"local_files_only": not self.settings.download}
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, **local)
            model = AutoModelForSeq2SeqLM.from_pretrained(
                name, dtype=getattr(torch, self.settings.dtype), **local
            )
        except (OSError, ValueError) as error:
            hint = (
                "" if self.settings.download else " huggingface.download: true lets it be fetched."
            )
            reason = str(error).splitlines()[0]
            raise UserError(
                f"huggingface.model {name}: cannot be loaded ({reason}).{hint}"
            ) from error
        # Only the beam decides: a model's own generation settings (sampling, length limits) do not.
        model.generation_config.max_length = None
        return model.to(self._device).eval(), tokenizer


def _local_files(model: str) -> Dict[str, object]:
    """Sizes and times of the files of models in folders, which may be trained again; {} for the hub's."""
    pattern = glob.escape(model).replace("{source}", "*").replace("{target}", "*")
    return {
        f"checkpoint {path}": [path.stat().st_size, path.stat().st_mtime_ns]
        for folder in sorted(glob.glob(pattern))
        for path in sorted(Path(folder).glob("*"))
        if path.is_file()
    }


def iso_code(lang: str, model: str) -> str:
    """ISO 639-1 code of a FLORES-200 code.

    Raises:
        UserError: the language has none that M2M100 or Opus-MT use.
    """
    if lang not in ISO_CODES:
        raise UserError(f"{model} does not know the language {lang!r}.")
    return ISO_CODES[lang]


def _language_tokens(tokenizer: Any, source_lang: str, target_lang: str, model: str):
    """Tell the tokenizer the source language; prefix of the text and first token of the output."""
    if getattr(tokenizer, "supported_language_codes", None):  # Opus-MT with several targets
        language, _, script = target_lang.partition("_")
        names = (f">>{language}_{script}<<", f">>{language}<<", f">>{ISO_CODES.get(target_lang)}<<")
        if target_lang == "zho_Hans":
            names = (">>cmn_Hans<<", *names)
        for name in names:
            if name in tokenizer.supported_language_codes:
                return f"{name} ", None
        raise UserError(f"{model} does not know the language {target_lang!r}.")
    if hasattr(tokenizer, "get_lang_id"):  # M2M100
        source, target = iso_code(source_lang, model), iso_code(target_lang, model)
        tokenizer.src_lang = source
        return "", tokenizer.get_lang_id(target)
    if hasattr(tokenizer, "src_lang"):  # NLLB
        vocabulary = tokenizer.get_vocab()
        for lang in (source_lang, target_lang):
            if lang not in vocabulary:
                raise UserError(f"{model} does not know the language {lang!r}.")
        tokenizer.src_lang = source_lang
        return "", vocabulary[target_lang]
    return "", None  # Opus-MT for one pair
