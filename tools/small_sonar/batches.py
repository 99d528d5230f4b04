"""Batches of parallel sentences, each row with languages of its own."""

from dataclasses import dataclass
from typing import Iterator

import numpy as np
import torch
from torch import Tensor

SORTED_BATCHES = 25  # so many batches are sorted by length together, to save padding


@dataclass(frozen=True)
class Padded:
    """tokens [rows, longest] int64, padded with 0; lengths of the rows."""

    tokens: Tensor
    lengths: list[int]


@dataclass(frozen=True)
class Batch:
    """The same sentences to encode and to decode; the first of them also in another language."""

    source: Padded
    parallel: Padded
    target: Padded  # starts with </s> and the language


class TokenTable:
    """Token ids of every sentence in every language, without special tokens."""

    def __init__(self, tokenizer, sentences: list[dict[str, str]]):
        self.langs = list(sentences[0])
        encode = tokenizer.create_raw_encoder()
        self.ids = [[encode(one[lang]) for lang in self.langs] for one in sentences]
        self.end = torch.tensor([tokenizer.vocab_info.eos_idx])
        self.tags = [tokenizer.create_encoder(lang=lang).prefix_indices[:1] for lang in self.langs]

    def source(self, sentence: int, lang: int) -> Tensor:
        """[language, tokens, </s>]"""
        return torch.cat([self.tags[lang], self.ids[sentence][lang], self.end])

    def target(self, sentence: int, lang: int) -> Tensor:
        """[</s>, language, tokens, </s>]"""
        return torch.cat([self.end, self.source(sentence, lang)])


def _pad(rows: list[Tensor]) -> Padded:
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
    return Padded(tokens, [len(row) for row in rows])


def batches(
    table: TokenTable,
    size: int,
    english_source: float,
    parallel_share: float,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """Draw batches for ever.

    A row's source is English (language 0) with probability `english_source`, else any other; its
    parallel sentence is in a language other than the source's; its target in any. The first
    `parallel_share` of the rows have a parallel sentence.
    """
    lengths = np.array([len(row[0]) for row in table.ids])
    others = np.arange(1, len(table.langs))
    aligned = round(size * parallel_share)
    while True:
        order = rng.permutation(len(table.ids))
        order = order[: len(order) // size * size]
        parts = np.array_split(order, max(1, len(order) // (size * SORTED_BATCHES)))
        order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
        for rows in rng.permutation(order.reshape(-1, size)):
            english = rng.random(size) < english_source
            source = np.where(english, 0, rng.choice(others, size))
            parallel = (source + rng.choice(others, size)) % len(table.langs)
            target = rng.integers(len(table.langs), size=size)
            yield Batch(
                _pad([table.source(row, lang) for row, lang in zip(rows, source)]),
                _pad([table.source(row, lang) for row, lang in zip(rows[:aligned], parallel)]),
                _pad([table.target(row, lang) for row, lang in zip(rows, target)]),
            )
