"""The published sizes of CED, and sizes of your own."""

from typing import Optional, Tuple

from espnet_mlclap.utils.errors import UserError

WHERE = "audio_encoder_conf"  # where a user gives the arguments of an audio encoder

#: width, depth and heads of the published models
SIZES = {
    "tiny": (192, 12, 3),
    "mini": (256, 12, 4),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
}


def ced_shape(
    size: Optional[str], embed_dim: Optional[int], depth: Optional[int], num_heads: Optional[int]
) -> Tuple[int, int, int]:
    """Width, depth and heads from either way of giving them.

    Args:
        size: a published size, or None.
        embed_dim, depth, num_heads: all given where `size` is None, else all None.

    Raises:
        UserError: they do not make an encoder.
    """
    explicit = (embed_dim, depth, num_heads)
    if size is not None:
        if size not in SIZES:
            raise UserError(f"{WHERE}: size must be one of {', '.join(SIZES)}, not {size!r}")
        if explicit != (None, None, None):
            raise UserError(
                f"{WHERE}: give either size or embed_dim, depth and num_heads, not both"
            )
        return SIZES[size]
    if embed_dim is None or depth is None or num_heads is None:
        raise UserError(f"{WHERE}: give size, or all of embed_dim, depth and num_heads")
    if min(embed_dim, depth, num_heads) < 1 or embed_dim % num_heads:
        raise UserError(
            f"{WHERE}: embed_dim ({embed_dim}) must be a positive multiple of num_heads ({num_heads}), "
            f"and depth ({depth}) positive"
        )
    return embed_dim, depth, num_heads
