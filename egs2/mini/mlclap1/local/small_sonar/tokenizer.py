"""Train the sentencepiece model, in the form that SONAR's has."""

import itertools
from pathlib import Path

import sentencepiece

from small_sonar.sentences import Sentence

UNKNOWN, BEGIN, END = 0, 1, 2  # fairseq2 puts <pad> before these


def train_tokenizer(path: Path, sentences: list[Sentence], vocab_size: int) -> None:
    """Write a BPE model that covers every character of `sentences` to `path`."""
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=itertools.chain.from_iterable(
                one.captions.values() for one in sentences
            ),
            model_writer=file,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=1.0,
            normalization_rule_name="identity",  # NFKC would change Chinese punctuation
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            pad_id=-1,
            num_threads=1,
            minloglevel=1,
        )


def load_tokenizer(path: Path, langs: list[str]):
    """The tokenizer that fairseq2 makes of the file; the first language is the default."""
    from fairseq2.models.nllb import NllbTokenizerConfig
    from fairseq2.models.nllb.tokenizer import load_nllb_tokenizer

    return load_nllb_tokenizer(path, NllbTokenizerConfig(langs=langs, default_lang=langs[0]))
