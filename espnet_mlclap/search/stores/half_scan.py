"""Many questions against all vectors kept in half precision, in one pass over the memory."""

from functools import lru_cache
from typing import TYPE_CHECKING, List, Tuple

import numpy as np

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_BLOCK = 512  # vectors; made wider they stay in a core's cache, for all questions


def scan(
    vectors: np.ndarray, questions: np.ndarray, top: int
) -> List[Tuple[np.ndarray, np.ndarray]]:
    """The largest dot products of each question.

    Reading vectors from memory takes longer than computing with them: a block that has been read is
    compared with all questions. One core does that: where several share each block, they wait for each other
    at its end, for milliseconds if one of them has other work.

    Args:
        vectors: [n, size] float16.
        questions: [q, size] float32.
        top: at most n.

    Returns:
        For each question rows of `vectors` [top] and dot products [top] float32, the best first.
    """
    import torch  # when it is needed: commands that only look at a library start without

    table, asked = torch.from_numpy(vectors), torch.from_numpy(questions)
    products = torch.empty(len(asked), len(table))
    wide = torch.empty(_BLOCK, table.shape[1])  # one for all blocks: making room takes its time too
    with _threads().limit(limits=1, user_api="openmp"):  # of this thread alone
        for start in range(0, len(table), _BLOCK):
            part = table[start : start + _BLOCK]
            products[:, start : start + len(part)] = asked @ wide[: len(part)].copy_(part).T
        values, rows = products.topk(top)
    return list(zip(rows.numpy(), values.numpy()))


@lru_cache
def _threads() -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
