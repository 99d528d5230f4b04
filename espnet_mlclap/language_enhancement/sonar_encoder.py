"""SONAR's text encoder by fairseq2 asset name, for translation and for the cosine of the quality checks."""

from typing import Any, Callable, List, Sequence

import numpy as np

from espnet_mlclap.checkpoints.sonar_assets import (
    load_sonar_model,
    load_sonar_tokenizer,
    read_asset,
)
from espnet_mlclap.utils.device import check_device
from espnet_mlclap.utils.errors import UserError


class SonarEncoder:
    """Sentences of one language to SONAR's sentence embeddings.

    Args:
        name: fairseq2 asset name of a text encoder.
        device: "cpu", "cuda", "cuda:1" ...
        dtype: "float32", "float16", "bfloat16" or "float64".
        batch_size: most sentences in a batch.
        batch_tokens: most tokens in a batch, padding counted.

    Raises:
        UserError: an unknown asset, or a device that is not there.
    """

    def __init__(self, name: str, *, device: str, dtype: str, batch_size: int, batch_tokens: int):
        self.name = name
        self.device = check_device(device)
        self.model, self.tokenizer = load_asset(name, device, dtype)
        self._batch_size = batch_size
        self._batch_tokens = batch_tokens

    def embed(self, sentences: Sequence[str], lang: str) -> np.ndarray:
        """Sentence embeddings.

        Args:
            sentences: text in one language.
            lang: FLORES-200 code.

        Returns:
            [sentences, width] float32.

        Raises:
            UserError: a language that the encoder does not know.
        """
        import torch

        tokens = self.tokenize(sentences, lang)
        rows: List[np.ndarray] = [np.empty(0)] * len(tokens)
        with torch.inference_mode():
            for batch in self.batches(tokens):
                embeddings = self.encode([tokens[i] for i in batch])
                for i, row in zip(batch, embeddings.float().cpu().numpy()):
                    rows[i] = row
        return np.stack(rows)

    def tokenize(self, sentences: Sequence[str], lang: str) -> List[Any]:
        """Token ids of each sentence, as int64 tensors, cut to what the encoder can take."""
        encode = token_encoder(self.tokenizer, lang, "source", self.name)
        tokens = [encode(sentence) for sentence in sentences]
        positions = getattr(self.model.encoder_frontend.pos_encoder, "max_seq_len", None)
        if positions is None:
            return tokens
        # A sentence that is cut off keeps its end-of-sentence token.
        keep = [*range(positions - 1), -1]
        return [row[keep] if len(row) > positions else row for row in tokens]

    def batches(self, tokens: Sequence[Sequence[int]]) -> List[List[int]]:
        """Numbers of sentences in batches, similar lengths together, the longest first."""
        order = sorted(range(len(tokens)), key=lambda i: (-len(tokens[i]), i))
        batches: List[List[int]] = []
        for i in order:
            if batches:
                rows = len(batches[-1]) + 1
                longest = len(tokens[batches[-1][0]])
                if rows <= self._batch_size and rows * longest <= self._batch_tokens:
                    batches[-1].append(i)
                    continue
            batches.append([i])
        return batches

    def encode(self, rows: Sequence[Any]):
        """Embeddings [sentences, width] of token ids."""
        import torch
        from fairseq2.nn import BatchLayout

        padded = torch.nn.utils.rnn.pad_sequence(
            rows, batch_first=True, padding_value=self.tokenizer.vocab_info.pad_idx
        ).to(self.device)
        layout = BatchLayout.of(padded, [len(row) for row in rows])
        return self.model(padded, layout).sentence_embeddings


def load_asset(name: str, device: str, dtype: str):
    """Model and tokenizer of a SONAR asset, from files on this machine.

    Raises:
        UserError: no card has this name, or its weights are not here.
    """
    asset = read_asset(name)
    return load_sonar_model(asset, device=device, dtype=dtype), load_sonar_tokenizer(asset)


def token_encoder(tokenizer: Any, lang: str, mode: str, name: str) -> Callable:
    """The tokenizer's encoder of one language; mode is "source" or "target".

    Raises:
        UserError: the model `name` does not know the language.
    """
    from fairseq2.error import NotSupportedError

    try:
        return tokenizer.create_encoder(task="translation", lang=lang, mode=mode)
    except NotSupportedError as error:
        raise UserError(f"{name} does not know the language {lang!r}.") from error
