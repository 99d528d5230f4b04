"""SONAR's text encoder (Duquenne et al., 2023) in plain PyTorch.

A transformer encoder with pre-norm blocks and a last layer norm. The names of its parameters are those of
sonar-space and fairseq2, whose files of weights therefore load by key; so do its initial values.

Nothing is computed for padding: the tokens of a batch are one after the other, captions of one length next
to each other, so that linear layers see only real tokens, and each length is one call of attention without
a mask. 64 captions of 8 to 34 tokens (19 on average, 22 lengths) were encoded 1.6 to 2.1 times as fast as by
sonar-space's module, and trained on 1.7 to 1.9 times as fast (one CPU core; widths 160, 512 and 1024).
Padding for attention alone gave 1.5 to 2.0; captions of one length take as long as there (0.97 to 1.01).

Shape letters: n captions, t tokens of the longest, s tokens of all captions together, d width, h heads.
"""

import math
from typing import List, NamedTuple, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from espnet_mlclap.checkpoints.sonar_architecture import SonarArchitecture
from espnet_mlclap.models.tokens import Tokens, length_mask

# The slowest sinusoid is 2 pi times as many positions long (Vaswani et al., 2017, section 3.5).
_SLOWEST_WAVE = 10000.0


class SonarTransformer(nn.Module):
    """Token ids to token features.

    Args:
        architecture: sizes and switches.
    """

    def __init__(self, architecture: SonarArchitecture):
        super().__init__()
        self.encoder_frontend = _Frontend(architecture)
        self.encoder = _Blocks(architecture)
        self.layer_norm = nn.LayerNorm(architecture.model_dim)
        self.positions = architecture.positions

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        """Encode a batch.

        Args:
            text: [n, t] int64 token ids.
            text_lengths: [n] tokens of each caption; what comes after them is never looked at.

        Returns:
            [n, t, d] features, 0 where there is padding; no mask where there is none.

        Raises:
            ValueError: a caption longer than the encoder has positions.
        """
        place = _places(text_lengths.tolist(), text.device)
        if len(place.column) and (longest := place.groups[-1].tokens) > self.positions:
            raise ValueError(f"a caption of {longest} tokens; the encoder has {self.positions}")
        states = self.encoder_frontend(text[place.row, place.column], place.column)
        states = self.layer_norm(self.encoder(states, place.groups))
        features = states.new_zeros(*text.shape, states.shape[1])
        features[place.row, place.column] = states
        if len(states) == text.numel():
            return Tokens(features)
        return Tokens(features, length_mask(text_lengths.to(text.device), text.shape[1]))


class _Group(NamedTuple):
    """Captions of one length."""

    captions: int
    tokens: int  # of each


class _Places(NamedTuple):
    """Where the s real tokens of a batch are in it: [s] int64 row and column, and the groups they make."""

    row: Tensor
    column: Tensor
    groups: List[_Group]


def _places(lengths: Sequence[int], device: torch.device) -> _Places:
    """The real tokens of captions with these lengths, shorter captions first."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    ordered = torch.tensor([lengths[caption] for caption in order])
    sizes, counts = ordered.unique_consecutive(return_counts=True)
    row = torch.tensor(order).repeat_interleave(ordered)
    start = (ordered.cumsum(0) - ordered).repeat_interleave(ordered)
    column = torch.arange(len(row)) - start
    groups = [_Group(*sizes) for sizes in zip(counts.tolist(), sizes.tolist())]
    return _Places(row.to(device), column.to(device), groups)


class _Frontend(nn.Module):
    """Embeddings of tokens with their positions: [s] ids and [s] positions from 0 -> [s, d]."""

    def __init__(self, architecture: SonarArchitecture):
        super().__init__()
        vocabulary, width = architecture.vocab_info, architecture.model_dim
        self.scale = 1.0 if architecture.no_scale_embedding else math.sqrt(width)
        self.embed = _TokenEmbedding(vocabulary.size, width, padding_idx=vocabulary.pad_idx)
        self.pos_encoder: nn.Module
        if architecture.no_token_positional_embeddings:
            self.pos_encoder = _NoPositions()
        elif architecture.learned_pos:
            self.pos_encoder = _LearnedPositions(architecture.positions + 1, width, padding_idx=0)
        else:
            first = 0 if vocabulary.pad_idx is None else vocabulary.pad_idx + 1
            self.pos_encoder = _Sinusoids(architecture.positions, width, first)
        self.dropout = nn.Dropout(architecture.emb_dropout_p)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.dropout(self.embed(ids) * self.scale + self.pos_encoder(positions))


class _TokenEmbedding(nn.Embedding):
    """Embeddings that have length 1 on average; the padding's is 0 at first and gets no gradient."""

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.embedding_dim**-0.5)
        self._fill_padding_idx_with_zero()


class _Sinusoids(nn.Module):
    """Sines, then cosines, of waves from 2 pi positions up.

    Args:
        positions: as many as there are.
        width: d, even.
        first: the number of the first position. fairseq counted on from the padding's id.
    """

    def __init__(self, positions: int, width: int, first: int):
        super().__init__()
        half = width // 2
        speeds = torch.exp(torch.arange(half) * (-math.log(_SLOWEST_WAVE) / (half - 1)))
        angles = torch.outer(torch.arange(first, first + positions, dtype=torch.float32), speeds)
        self.table: Tensor
        self.register_buffer("table", torch.cat([angles.sin(), angles.cos()], 1), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        return self.table[positions]


class _LearnedPositions(nn.Embedding):
    """Embeddings of positions; row 0 is of no position."""

    def forward(self, positions: Tensor) -> Tensor:
        return super().forward(positions + 1)


class _NoPositions(nn.Module):
    def forward(self, positions: Tensor) -> float:
        return 0.0


class _Blocks(nn.Module):
    """The transformer blocks one after the other: [s, d] -> [s, d]."""

    def __init__(self, architecture: SonarArchitecture):
        super().__init__()
        self.layers = nn.ModuleList(
            _Block(architecture) for _ in range(architecture.num_encoder_layers)
        )

    def forward(self, states: Tensor, groups: Sequence[_Group]) -> Tensor:
        for layer in self.layers:
            states = layer(states, groups)
        return states


class _Block(nn.Module):
    """Attention and feed-forward, each after a layer norm and added to what came in."""

    def __init__(self, architecture: SonarArchitecture):
        super().__init__()
        self.self_attn = _Attention(architecture)
        self.self_attn_layer_norm = nn.LayerNorm(architecture.model_dim)
        self.ffn = _FeedForward(architecture)
        self.ffn_layer_norm = nn.LayerNorm(architecture.model_dim)
        self.dropout = nn.Dropout(architecture.attention_dropout_p)

    def forward(self, states: Tensor, groups: Sequence[_Group]) -> Tensor:
        attended = self.self_attn(self.self_attn_layer_norm(states), groups)
        states = states + self.dropout(attended)
        return states + self.dropout(self.ffn(self.ffn_layer_norm(states)))


class _Attention(nn.Module):
    """Every token of a caption looks at every token of the same caption."""

    def __init__(self, architecture: SonarArchitecture):
        super().__init__()
        width = architecture.model_dim
        self.heads = architecture.num_encoder_attn_heads
        self.dropout_p = architecture.attention_dropout_p
        self.q_proj = _InputProjection(width, width)
        self.k_proj = _InputProjection(width, width)
        self.v_proj = _InputProjection(width, width)
        self.output_proj = _OutputProjection(width, width)

    def forward(self, states: Tensor, groups: Sequence[_Group]) -> Tensor:
        sizes = [group.captions * group.tokens for group in groups]
        projections = (self.q_proj, self.k_proj, self.v_proj)
        dropout = self.dropout_p if self.training else 0.0
        attended = []
        for group, *parts in zip(groups, *(proj(states).split(sizes) for proj in projections)):
            # [captions * tokens, d] -> [captions, h, tokens, d / h] and back
            shape = (group.captions, group.tokens, self.heads, -1)
            query, key, value = (part.view(shape).transpose(1, 2) for part in parts)
            heads = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
            attended.append(heads.transpose(1, 2).flatten(2).flatten(0, 1))
        return self.output_proj(torch.cat(attended))


class _OutputProjection(nn.Linear):
    """Linear layer of attention with Glorot's initial weights."""

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)


class _InputProjection(nn.Linear):
    """Linear layer to queries, keys or values, whose initial weights are smaller by sqrt(2)."""

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight, gain=2**-0.5)
        nn.init.zeros_(self.bias)


class _FeedForward(nn.Module):
    """Linear, activation, linear, for each token by itself."""

    def __init__(self, architecture: SonarArchitecture):
        super().__init__()
        self.inner_proj = nn.Linear(architecture.model_dim, architecture.ffn_inner_dim)
        self.activation = getattr(nn, architecture.activation_fn)()
        self.dropout = nn.Dropout(architecture.activation_dropout_p)
        self.output_proj = nn.Linear(architecture.ffn_inner_dim, architecture.model_dim)

    def forward(self, states: Tensor) -> Tensor:
        return self.output_proj(self.dropout(self.activation(self.inner_proj(states))))
