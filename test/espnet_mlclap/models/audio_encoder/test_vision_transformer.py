"""Blocks against attention written out."""

import torch

from espnet_mlclap.models.audio_encoder.vision_transformer import Attention, Block


def naive_attention(layer: Attention, x: torch.Tensor) -> torch.Tensor:
    """x: [tokens, width], one head after the other."""
    tokens, width = x.shape
    query, key, value = (x @ layer.qkv.weight.T + layer.qkv.bias).split(width, dim=1)
    size = width // layer.num_heads
    heads = []
    for head in range(layer.num_heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / size**0.5
        heads.append(scores.softmax(dim=1) @ value[:, part])
    return torch.cat(heads, dim=1) @ layer.proj.weight.T + layer.proj.bias


def test_attention_equals_the_formula_and_masked_tokens_do_not_count():
    torch.manual_seed(0)
    layer = Attention(dim=24, num_heads=3)
    x = torch.randn(2, 7, 24)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    output = layer(x, mask[:, None, None])
    torch.testing.assert_close(output[0], naive_attention(layer, x[0]), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        output[1, :4], naive_attention(layer, x[1, :4]), atol=1e-6, rtol=1e-5
    )
    torch.testing.assert_close(layer(x, None)[0], output[0], atol=1e-6, rtol=1e-5)


def test_block_is_pre_norm_with_residuals():
    torch.manual_seed(0)
    block = Block(dim=24, num_heads=3)
    x = torch.randn(1, 5, 24)
    y = x + naive_attention(block.attn, block.norm1(x)[0])
    expected = y + block.mlp.fc2(torch.nn.functional.gelu(block.mlp.fc1(block.norm2(y))))
    torch.testing.assert_close(block(x, None), expected, atol=1e-5, rtol=1e-5)
