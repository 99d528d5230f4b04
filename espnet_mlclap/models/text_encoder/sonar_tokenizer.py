"""SONAR's tokenizer for the data workers: sentencepiece alone, without fairseq2.

Numbering as in fairseq2's NLLB tokenizer: a pad token is put in front of the sentencepiece model (so
that every piece moves up by one: pad 0, unk 1, bos 2, eos 3) and the language tokens follow the last
piece in the order of the asset card's `langs`. A caption is `<language> pieces </s>`.
"""

from pathlib import Path
from typing import Any, Dict, Sequence, Union

import numpy as np
import sentencepiece

from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_bytes

_SHIFT = 1  # the pad token that is put in front


class SonarTokenizer(Tokenizer):
    """Caption and language to token ids.

    Args:
        model: a sentencepiece model (BPE; unk 0, bos 1, eos 2, no pad).
        langs: FLORES-200 codes in the order of the asset card.
        max_tokens: longest sequence; a longer caption loses its last pieces, never its end of sentence.

    Raises:
        UserError: the model cannot be read.
    """

    pad_id = 0

    def __init__(self, *, model: Union[str, Path], langs: Sequence[str], max_tokens: int):
        self.model_bytes = read_bytes(model)
        if not self.model_bytes:  # sentencepiece takes it for a model, and crashes later
            raise UserError(f"{model}: the file is empty (0 bytes).")
        self.langs = list(langs)
        self.max_tokens = max_tokens
        try:
            self._load()
        except RuntimeError as error:
            raise UserError(f"{model}: not a sentencepiece model ({error}).") from error

    def _load(self) -> None:
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=self.model_bytes)
        first = self._pieces.get_piece_size() + _SHIFT
        self._lang_ids = {lang: first + number for number, lang in enumerate(self.langs)}
        self._eos = self._pieces.eos_id() + _SHIFT

    def __getstate__(self) -> Dict[str, Any]:
        state = self.__dict__.copy()
        del state["_pieces"]  # C++; made again from model_bytes
        return state

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._load()

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        """Token ids of one caption.

        Args:
            caption: any text; an empty one gives the language token and the end of sentence.
            lang: FLORES-200 code, one of `langs`.

        Returns:
            [tokens] int64, at most `max_tokens`.

        Raises:
            UserError: a language that this tokenizer does not have.
        """
        if lang not in self._lang_ids:
            shown = " ".join(self.langs[:12]) + (" ..." if len(self.langs) > 12 else "")
            raise UserError(f"the text encoder does not know the language {lang!r}; it has {shown}")
        pieces = [piece + _SHIFT for piece in self._pieces.encode(caption)]
        pieces = pieces[: self.max_tokens - 2]
        return np.array([self._lang_ids[lang], *pieces, self._eos], dtype=np.int64)
