"""A faiss index of vectors that are kept elsewhere: quick to ask, and always possible to derive again."""

from typing import List, Optional, Tuple, Union

import faiss
import numpy as np

from espnet_mlclap.search.stores.half_scan import scan

#: A dot product of unit vectors computed from float16 differs by less than this from the exact one.
HALF_PRECISION_ERROR = 2.0**-10
#: Vectors that inverted lists are learnt from, for each list.
TRAINING_VECTORS_PER_LIST = 40
_PROBED = 32  # inverted lists that a question looks into
_ROUNDS = 8  # of k-means
_MANY = 8  # questions, from which on one pass for all is quicker than one for each
_TOGETHER = (
    16  # questions for lists; from 20 on faiss rounds otherwise, and might look into another list
)
_Nearest = Tuple[np.ndarray, np.ndarray]  # ids and approximate dot products, the best first


class DerivedIndex:
    """Ids of the vectors nearest to a question, approximately; the caller scores them exactly.

    There are two kinds. `scan` goes through all vectors in half precision: what is left out is known to be
    no better than the worst that is given, but for `HALF_PRECISION_ERROR`. `lists` (inverted lists with 8
    bits for a number) looks only where vectors like the question are, and may miss some. Both take in and
    drop vectors at any time. Not for several threads at once.

    Args:
        index: the faiss index.
        mapped: its vectors are still in the file that it was read from: it cannot take in or drop any.
    """

    def __init__(self, index: "faiss.Index", mapped: bool = False):
        self._index, self.mapped = index, mapped
        # the inverted file inside, if it is one
        self._lists: Optional[faiss.IndexIVF] = index if isinstance(index, faiss.IndexIVF) else None

    @classmethod
    def scan(cls, size: int) -> "DerivedIndex":
        """An empty index that goes through all vectors, of width `size`."""
        half = faiss.IndexScalarQuantizer(
            size, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        return cls(faiss.IndexIDMap2(half))

    @classmethod
    def lists(cls, examples: np.ndarray, number: int) -> "DerivedIndex":
        """An empty index of `number` inverted lists, learnt from vectors [n, size] like those to come."""
        size = examples.shape[1]
        quantizer = faiss.IndexFlatIP(size)
        index = faiss.IndexIVFScalarQuantizer(
            quantizer, size, number, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.own_fields = True
        quantizer.this.disown()
        index.cp.niter = _ROUNDS
        index.cp.spherical = True
        index.cp.min_points_per_centroid = 1
        index.train(np.ascontiguousarray(examples, dtype=np.float32))
        return cls(index)

    @classmethod
    def read(cls, path: str, *, mapped: bool = False) -> "DerivedIndex":
        """Read what `write` wrote.

        Args:
            path: the file, which may be removed afterwards, but not overwritten.
            mapped: look into the file when something is asked, in place of reading it whole; see `mapped`.

        Raises:
            RuntimeError: it cannot be read.
        """
        flags = faiss.IO_FLAG_MMAP_IFC if mapped else 0
        return cls(faiss.read_index(path, flags), mapped)

    def write(self, path: str) -> None:
        """Write to a file."""
        faiss.write_index(self._index, path)

    @property
    def exact(self) -> bool:
        """Does a search miss nothing (but for the error of half precision)?"""
        return self._lists is None

    @property
    def number_of_lists(self) -> int:
        """Inverted lists; 0: there are none."""
        return self._lists.nlist if self._lists is not None else 0

    def __len__(self) -> int:
        return self._index.ntotal

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Take in vectors [n, size] with their ids [n] int64."""
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), ids)

    def remove(self, ids: np.ndarray) -> None:
        """Drop the vectors with these ids [n] int64; those that are not there do not matter."""
        if len(ids):
            self._index.remove_ids(faiss.IDSelectorBatch(ids))

    def search(
        self, questions: np.ndarray, top: int, only: Optional[np.ndarray] = None
    ) -> List[_Nearest]:
        """The nearest vectors of each question.

        Args:
            questions: [q, size].
            top: how many.
            only: ids [n] int64 among which to look; None: all.

        Returns:
            For each question ids [found] and approximate dot products [found], the best first.
        """
        top = min(top, len(self) if only is None else len(only))
        if top == 0:
            return [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(questions)
        questions = np.ascontiguousarray(questions, dtype=np.float32)
        if self._lists is None and only is None and len(questions) >= _MANY:
            return [(self._ids[rows], scores) for rows, scores in scan(self._half, questions, top)]
        found: List[_Nearest] = []
        parameters = self._parameters(top, only)
        for start in range(0, len(questions), _TOGETHER):
            some = questions[start : start + _TOGETHER]
            for scores, ids in zip(*self._index.search(some, top, params=parameters)):
                found.append((ids[ids >= 0], scores[ids >= 0]))
        return found

    @property
    def _half(self) -> np.ndarray:
        """The vectors [n, size] float16 of a scan, where faiss has them."""
        half = faiss.downcast_index(self._index.index)
        codes = faiss.rev_swig_ptr(half.codes.data(), half.ntotal * half.code_size)
        return codes.view("<f2").reshape(half.ntotal, half.d)

    @property
    def _ids(self) -> np.ndarray:
        """Their ids [n] int64."""
        return faiss.rev_swig_ptr(self._index.id_map.data(), self._index.ntotal)

    def _parameters(
        self, top: int, only: Optional[np.ndarray]
    ) -> Union["faiss.SearchParameters", None]:
        selector = None if only is None else faiss.IDSelectorBatch(only)
        if self._lists is None:
            return None if selector is None else faiss.SearchParameters(sel=selector)
        probed = float(_PROBED)
        if only is not None:  # few are left in each list: look into more
            probed *= len(self) / len(only)
        # as many as hold several times what is asked for
        probed = max(probed, 4 * top * self._lists.nlist / max(len(self), 1))
        probed = min(round(probed), self._lists.nlist)
        if selector is None:
            return faiss.SearchParametersIVF(nprobe=probed)
        return faiss.SearchParametersIVF(nprobe=probed, sel=selector)
