"""The blocks of co-attention: self-attention, guided attention, attention pooling.

As in the modular co-attention networks (Z. Yu et al., CVPR 2019): each attention and each feed-forward layer
has a residual connection and a layer normalisation after it.

Legend: n items or pairs, t tokens of the one that looks, s tokens of the one that is looked at, d width.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.errors import UserError


class AttentionBlock(nn.Module):
    """Tokens look at tokens, then a feed-forward layer.

    Looking at themselves this is self-attention, looking at those of the other side guided attention.

    Args:
        width: d.
        heads: of the attention; a divisor of `width`.
        feed_forward: width between the two linear layers.
        dropout: after each layer and of the attention weights.

    Raises:
        UserError: `heads` does not divide `width`, or a number is out of range.
    """

    def __init__(self, *, width: int, heads: int, feed_forward: int, dropout: float):
        super().__init__()
        if heads < 1 or width < 1 or width % heads:
            raise UserError(f"co_attention_conf: width {width} is not a multiple of heads {heads}")
        if feed_forward < 1 or not 0.0 <= dropout < 1.0:
            raise UserError(
                "co_attention_conf: feed_forward must be 1 or more and dropout in [0, 1), not "
                f"{feed_forward} and {dropout}"
            )
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, feed_forward),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(feed_forward, width),
        )
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tokens, other: Tokens, with_map: bool = False
    ) -> Tuple[Tokens, Optional[Tensor]]:
        """Let `tokens` look at `other`.

        Args:
            tokens: [n, t, d].
            other: [n, s, d].
            with_map: give the attention weights as well.

        Returns:
            Tokens [n, t, d], and the weights [n, heads, t, s] (rows sum to 1 over the real tokens of
            `other`).
        """
        seen, weights = self.attention(
            tokens.values,
            other.values,
            other.values,
            key_padding_mask=None if other.mask is None else ~other.mask,
            need_weights=with_map,
            average_attn_weights=False,
        )
        values = self.attention_norm(tokens.values + self.dropout(seen))
        values = self.feed_forward_norm(values + self.dropout(self.feed_forward(values)))
        return tokens._replace(values=values), weights


class AttentionPooling(nn.Module):
    """Tokens to one vector: their mean with weights that a small network gives each of them.

    Args:
        width: d.
        dropout: in that network.
    """

    def __init__(self, *, width: int, dropout: float):
        super().__init__()
        self.weight = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tokens) -> Tensor:
        """[n, t, d] -> [n, d]."""
        weight = self.weight(tokens.values).float()  # [n, t, 1]
        if tokens.mask is not None:
            weight = weight.masked_fill(~tokens.mask.unsqueeze(2), -torch.inf)
        weight = weight.softmax(dim=1).to(tokens.values.dtype)
        return self.output((weight * tokens.values).sum(dim=1))
