"""Tokenizers of transformers for the data workers, with each caption's own language token."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import numpy as np

from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import ISO_CODES


class HuggingfaceTokenizer(Tokenizer):
    """Caption and language to token ids.

    NLLB's tokenizer marks a caption's language by its FLORES-200 code, M2M100's by an ISO 639-1 code. Others
    (BERT, XLM-R) know no languages and take a caption in any.

    Args:
        tokenizer: a tokenizer of transformers.
        max_tokens: longest sequence; a longer caption loses its last pieces, never the tokens that are
            for its language, beginning and end.

    Raises:
        UserError: a tokenizer without padding.
    """

    def __init__(self, tokenizer: Any, *, max_tokens: int):
        if tokenizer.pad_token_id is None:
            raise UserError("text_encoder_conf: the model's tokenizer has no padding token")
        self.pad_id: int = tokenizer.pad_token_id
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._codes = _language_codes(tokenizer)

    @property
    def langs(self) -> List[str]:
        """FLORES-200 codes of the languages it marks; empty if it marks none."""
        return list(self._codes or ())

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        """Token ids of one caption.

        Args:
            caption: any text.
            lang: FLORES-200 code.

        Returns:
            [tokens] int64, at most `max_tokens`.

        Raises:
            UserError: a language that this tokenizer would have to mark and does not know.
        """
        if self._codes is not None:
            if lang not in self._codes:
                shown = " ".join(self.langs[:12]) + (" ..." if len(self._codes) > 12 else "")
                raise UserError(
                    f"the text encoder does not know the language {lang!r}; it has {shown}"
                )
            if self._tokenizer.src_lang != self._codes[lang]:
                self._tokenizer.src_lang = self._codes[lang]
        tokens = self._tokenizer(caption, truncation=True, max_length=self.max_tokens)
        return np.array(tokens["input_ids"], dtype=np.int64)

    def save(self, folder: Union[str, Path]) -> None:
        """Write the files from which transformers makes the tokenizer again."""
        self._tokenizer.save_pretrained(folder)


def _language_codes(tokenizer: Any) -> Optional[Dict[str, str]]:
    """What the tokenizer calls each language (by FLORES-200 code); None if it marks no languages."""
    if hasattr(tokenizer, "get_lang_id"):  # M2M100
        known = tokenizer.lang_code_to_id
        return {lang: code for lang, code in ISO_CODES.items() if code in known}
    if hasattr(tokenizer, "src_lang"):  # NLLB
        return {token: token for token in tokenizer.additional_special_tokens}
    return None
