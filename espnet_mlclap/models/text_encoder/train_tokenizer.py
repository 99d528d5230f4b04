"""A sentencepiece model from the captions of your own corpus, for text encoders that start from scratch.

Numbered as SONAR's (unk 0, bos 1, eos 2, no pad), so that `SonarTokenizer` takes it. Characters that the
captions do not have are spelled as bytes: no caption in any script is lost in unknown tokens.
"""

import io
from pathlib import Path
from typing import Sequence, Union

from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError

_BYTES = 256  # pieces that spell any character
_SPECIAL = 3  # unk, bos, eos


def train_tokenizer(captions: Sequence[str], path: Union[str, Path], vocab_size: int) -> int:
    """Train on `captions` and write the model to `path`; the same captions give the same bytes.

    Args:
        captions: texts in all languages.
        path: file to write.
        vocab_size: most pieces that it may have; small corpora give fewer.

    Returns:
        How many pieces it has.

    Raises:
        UserError: `vocab_size` leaves no room for the characters of the captions.
    """
    import sentencepiece

    characters = len(set("".join(captions))) + 1  # and the mark of a word's beginning
    needed = _BYTES + _SPECIAL + characters
    if vocab_size < needed:
        raise UserError(
            f"--vocab_size {vocab_size} is too small: these captions need {needed} or more."
        )
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sorted(set(captions))),
        model_writer=model,
        model_type="unigram",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        byte_fallback=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    with atomic_open(path, "wb") as file:
        file.write(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).get_piece_size()
