"""Batches of parallel sentences, each row with a language of its own."""

from dataclasses import dataclass
from typing import Iterator

import numpy as np
import torch
from torch import Tensor

from small_sonar.sentences import Sentence

SORTED_BATCHES = 25  # so many batches are sorted by length together, to save padding


@dataclass(frozen=True)
class Padded:
    """tokens [rows, longest] int64, padded with 0; lengths of the rows."""

    tokens: Tensor
    lengths: list[int]


class TokenTable:
    """Token ids of every sentence in every language, without special tokens."""

    def __init__(self, tokenizer, sentences: list[Sentence]):
        self.langs = list(sentences[0].captions)
        encode = tokenizer.create_raw_encoder()
        self.ids = [[encode(one.captions[lang]) for lang in self.langs] for one in sentences]
        self.meanings = torch.tensor([one.meaning for one in sentences])
        self.end = torch.tensor([tokenizer.vocab_info.eos_idx])
        self.tags = [tokenizer.create_encoder(lang=lang).prefix_indices[:1] for lang in self.langs]

    def source(self, sentence: int, lang: int) -> Tensor:
        """[language, tokens, </s>]"""
        return torch.cat([self.tags[lang], self.ids[sentence][lang], self.end])

    def target(self, sentence: int, lang: int) -> Tensor:
        """[</s>, language, tokens, </s>]"""
        return torch.cat([self.end, self.source(sentence, lang)])


def pad(rows: list[Tensor]) -> Padded:
    """Rows of different lengths as one table."""
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
    return Padded(tokens, [len(row) for row in rows])


def row_batches(table: TokenTable, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw the sentences of batches for ever: [size] numbers, of about the same length."""
    lengths = np.array([len(row[0]) for row in table.ids])
    while True:
        order = rng.permutation(len(table.ids))
        order = order[: len(order) // size * size]
        parts = np.array_split(order, max(1, len(order) // (size * SORTED_BATCHES)))
        order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
        yield from rng.permutation(order.reshape(-1, size))


@dataclass(frozen=True)
class Batch:
    """Sentences to encode, each in a language of its own, what they mean, and translations."""

    source: Padded
    meaning: Tensor  # [rows, len(MEANING_SIZES)] int64
    target: Padded  # rows start with </s> and the language
    english: Padded


def batches(
    table: TokenTable, size: int, english_source: float, rng: np.random.Generator
) -> Iterator[Batch]:
    """Draw batches for ever.

    A row's source is English (language 0) with probability `english_source`, else in any language;
    so is its target.
    """
    number = len(table.langs)
    for rows in row_batches(table, size, rng):
        english = rng.random(size) < english_source
        source = np.where(english, 0, rng.integers(number, size=size))
        target = rng.integers(number, size=size)
        yield Batch(
            source=pad([table.source(row, lang) for row, lang in zip(rows, source)]),
            meaning=table.meanings[torch.from_numpy(rows)],
            target=pad([table.target(row, lang) for row, lang in zip(rows, target)]),
            english=pad([table.source(row, 0) for row in rows]),
        )
