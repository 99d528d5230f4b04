"""Transformer encoder blocks of a vision transformer (arXiv:2010.11929), pre-norm.

Shape letters: c chunks, n tokens, d width, h heads. The module names are those of the published CED
checkpoints, so that these load as they are.
"""

from typing import Optional

import torch
from torch.nn.functional import gelu, scaled_dot_product_attention

NORM_EPS = 1e-6


class Attention(torch.nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values.

    Args:
        dim: width d.
        num_heads: number of heads; divides `dim`.
    """

    def __init__(self, *, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = torch.nn.Linear(dim, 3 * dim)
        self.proj = torch.nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, mask: Optional[torch.Tensor]) -> torch.Tensor:
        """x: [c, n, d]; mask: [c, 1, 1, n], True where a token may be attended to, or None."""
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1))  # [c, n, 3, h, d / h]
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each [c, h, n, d / h]
        x = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.proj(x.transpose(1, 2).flatten(2))  # [c, n, d]


class Mlp(torch.nn.Module):
    """Linear, GELU, Linear; four times as wide in the middle."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(dim, 4 * dim)
        self.fc2 = torch.nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [c, n, d]."""
        return self.fc2(gelu(self.fc1(x)))


class Block(torch.nn.Module):
    """Attention and MLP, each after a LayerNorm and with a residual connection."""

    def __init__(self, *, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim=dim, num_heads=num_heads)
        self.norm2 = torch.nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim=dim)

    def forward(self, x: torch.Tensor, mask: Optional[torch.Tensor]) -> torch.Tensor:
        """x: [c, n, d]; mask as in `Attention`."""
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


def init_weights(module: torch.nn.Module) -> None:
    """Initialise the linear layers as the published models were: normal, 0.02, cut at 2; no bias."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.trunc_normal_(layer.weight, std=0.02)
            torch.nn.init.zeros_(layer.bias)
