"""What frozen encoders of both towers have in common: settings, tokens, export."""

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, Mapping, Optional, Sequence, Tuple

from torch import Tensor

from espnet_mlclap.models.frozen.encoder import CachedVectors, FrozenEncoder
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError


class FrozenPart:
    """A tower's encoder whose vectors are computed once; stands before `AbsAudioEncoder` or `AbsTextEncoder`.

    Args:
        encoder: `package.module:Class` or a short name; see `espnet_mlclap.models.frozen.encoder`.
        options: arguments of that class.
        store: folder in which vectors are kept; None: they are computed again by every process.
        store_dtype: "float32" or "float16".
        batch_size: clips or captions that the encoder gets at once.
        version: of the encoder that a model was trained with; another one that is installed is refused.
        tokens: take the encoder's tokens (`encode_tokens`) instead of its vectors, for co-attention.

    Attributes:
        where: what messages name.

    Raises:
        UserError: the encoder cannot be loaded, or is of another version.
    """

    where: ClassVar[str]
    cache_paths: ClassVar[Tuple[str, ...]] = ("store",)

    def __init__(
        self,
        *,
        encoder: str,
        options: Optional[Mapping[str, Any]] = None,
        store: Optional[str] = None,
        store_dtype: str = "float32",
        batch_size: int = 16,
        version: Optional[str] = None,
        tokens: bool = False,
    ):
        super().__init__()
        self.gives_tokens = tokens
        self.encoder = FrozenEncoder(encoder, options, self.where)
        if version not in (None, self.encoder.version):
            raise UserError(
                f"{self.where}: this model was trained with version {version or 'unknown'} of {encoder}; "
                f"{self.encoder.version or 'an unknown one'} is installed. Install the former, or train "
                "again."
            )
        self._conf: Dict[str, Any] = {
            "encoder": encoder,
            "options": dict(options or {}),
            "store": store,
            "store_dtype": store_dtype,
            "batch_size": batch_size,
            "tokens": tokens,
        }

    def _cached(self, probe: Sequence[Sequence[Any]], **description: Any) -> CachedVectors:
        """The encoder with its store.

        Args:
            probe: arguments of `encode` for one item, to find out how wide vectors are.
            description: what tells these vectors from others', beside the encoder itself.
        """
        call = self.encoder.encode_tokens if self.gives_tokens else self.encoder.encode
        self._size = call(*probe)[0].shape[-1]
        return CachedVectors(
            self.encoder,
            size=self._size,
            folder=self._conf["store"],
            dtype=self._conf["store_dtype"],
            batch_size=self._conf["batch_size"],
            description={**description, **self.encoder.describe()},
            tokens=self.gives_tokens,
        )

    def output_size(self) -> int:
        return self._size

    def forward(self, items: Tensor, lengths: Tensor) -> Tokens:
        # items: [n, tokens, D]: the vectors, or tokens, themselves
        if items.dim() != 3 or items.shape[2] != self._size:
            raise UserError(
                f"{self.where}: got {list(items.shape)} instead of [n, tokens, {self._size}]"
            )
        if not self.gives_tokens:
            return Tokens(items)
        return Tokens(items, length_mask(lengths.to(items.device), items.shape[1]))

    def export(self, folder: Path) -> Dict[str, Any]:
        store = self._conf["store"]
        if store is not None:  # relative to the experiment
            store = os.path.relpath(Path(store).resolve(), Path(folder).resolve())
        return {**self._conf, "store": store, "version": self.encoder.version}
