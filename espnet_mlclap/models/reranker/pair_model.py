"""The model of pairs: two towers, and co-attention between their tokens that scores a pair.

A two-tower model finds, the co-attention reads again what was found. The model holds both: its towers embed
as those of any other model here, so that it can be searched with, packed and loaded alone.

Legend: U clips, B captions, P pairs, t and s tokens of clip and caption, d width of the co-attention.
"""

from contextlib import nullcontext
from typing import Any, ClassVar, List, Tuple

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch.utils.checkpoint import checkpoint

from espnet_mlclap.models.reranker.co_attention import AbsCoAttention, AttentionMaps
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.errors import UserError

_CO_ATTENTION = "co_attention"


class CoAttentionModel(TwoTowerModel):
    """Two towers with co-attention between their tokens.

    Args:
        co_attention: scores a pair from the tokens of both sides.
        freeze_towers: keep encoders, poolings and projections as they are: no gradient, no dropout.
        one_token: go on with an encoder that gives one vector per clip or caption, as its only token.
        pairs_per_chunk: pairs that are computed at a time. In training the pairs of a chunk are computed
            again for the gradients, so that memory holds the activations of one chunk, whatever the batch.
        towers: the arguments of `TwoTowerModel`.

    Raises:
        UserError: an encoder without tokens, unless `one_token`; `pairs_per_chunk` below 1.
    """

    new_parts: ClassVar[Tuple[str, ...]] = (_CO_ATTENTION,)

    def __init__(
        self,
        *,
        co_attention: AbsCoAttention,
        freeze_towers: bool = True,
        one_token: bool = False,
        pairs_per_chunk: int = 64,
        **towers: Any,
    ):
        super().__init__(**towers)
        for kind, encoder in (("audio", self.audio_encoder), ("text", self.text_encoder)):
            if not (one_token or encoder.gives_tokens):
                raise UserError(
                    f"{kind}_encoder: {type(encoder).__name__} gives one vector per "
                    f"{'clip' if kind == 'audio' else 'caption'}, and co-attention looks at tokens. Take an "
                    "encoder that gives tokens (a frozen one: `tokens: true`, if its class has "
                    "encode_tokens), or let the vector be the only token: model_conf: {one_token: true}."
                )
        if pairs_per_chunk < 1:
            raise UserError(f"model_conf: pairs_per_chunk must be 1 or more, not {pairs_per_chunk}")
        self.co_attention = co_attention
        self.pairs_per_chunk = pairs_per_chunk
        self.freeze_towers = freeze_towers
        if freeze_towers:
            for tower in self._towers():
                tower.requires_grad_(False)

    def _towers(self) -> List[torch.nn.Module]:
        return [part for name, part in self.named_children() if name != _CO_ATTENTION]

    def train(self, mode: bool = True) -> "CoAttentionModel":
        super().train(mode)
        if self.freeze_towers:
            for tower in self._towers():
                tower.eval()
        return self

    def _of_towers(self):
        return torch.no_grad() if self.freeze_towers else nullcontext()

    def audio_tokens(self, audio: Tensor, audio_lengths: Tensor) -> Tokens:
        with self._of_towers():
            return super().audio_tokens(audio, audio_lengths)

    def text_tokens(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        with self._of_towers():
            return super().text_tokens(text, text_lengths)

    def prepare_audio(self, tokens: Tokens) -> Tokens:
        """Tokens of clips -> what `score_pairs` takes, [U, t, d]."""
        with self._autocast(tokens.values.device):
            return self.co_attention.prepare_audio(tokens)

    def prepare_text(self, tokens: Tokens) -> Tokens:
        """Tokens of captions -> what `score_pairs` takes, [B, s, d]."""
        with self._autocast(tokens.values.device):
            return self.co_attention.prepare_text(tokens)

    def score_pairs(self, audio: Tokens, text: Tokens, clip: Tensor, caption: Tensor) -> Tensor:
        """Score pairs of clips and captions, in chunks.

        Args:
            audio: [U, t, d] of `prepare_audio`.
            text: [B, s, d] of `prepare_text`.
            clip: [P] int64, rows of `audio`.
            caption: [P] int64, rows of `text`.

        Returns:
            [P] float32 in [-1, 1]: the cosine of both sides, each as seen from the other.
        """
        again = torch.is_grad_enabled()
        parts = []
        for start in range(0, len(clip), self.pairs_per_chunk):
            rows = [part[start : start + self.pairs_per_chunk] for part in (clip, caption)]
            if again:
                parts.append(checkpoint(self._score, audio, text, *rows, use_reentrant=False))
            else:
                parts.append(self._score(audio, text, *rows))
        return torch.cat(parts) if parts else audio.values.new_zeros(0, dtype=torch.float32)

    def _score(self, audio: Tokens, text: Tokens, clip: Tensor, caption: Tensor) -> Tensor:
        with self._autocast(audio.values.device):
            of_audio, of_text = self.co_attention(_rows(audio, clip), _rows(text, caption))
        return cosine_similarity(of_audio.float(), of_text.float(), dim=-1)

    def attention_maps(
        self, audio: Tokens, text: Tokens, clip: Tensor, caption: Tensor
    ) -> List[AttentionMaps]:
        """Where the tokens of pairs look, one entry for each guided attention; arguments as `score_pairs`.

        In evaluation mode: dropout would remove weights.
        """
        maps: List[AttentionMaps] = []
        with self._autocast(audio.values.device):
            self.co_attention(_rows(audio, clip), _rows(text, caption), maps)
        return maps


def _rows(tokens: Tokens, rows: Tensor) -> Tokens:
    """Some rows of tokens, without the padding that none of them needs."""
    if tokens.mask is None:
        return Tokens(tokens.values[rows])
    mask = tokens.mask[rows]
    longest = int(mask.any(dim=0).nonzero().max()) + 1
    return Tokens(tokens.values[rows, :longest], mask[:, :longest])
