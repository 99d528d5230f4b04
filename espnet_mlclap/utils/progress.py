"""Progress with the time remaining, on a terminal (a bar) and in logs (a line every ten seconds).

A line in a log begins with `TAG`. By it the recipes' job runner (egs2/TEMPLATE/mlclap1/scripts/jobs.sh) knows
the lines that it shows on its terminal, whatever they say.
"""

import sys
from typing import Iterable, Iterator, Optional, TextIO, TypeVar

from tqdm import tqdm

from espnet_mlclap.utils.shown import shown

T = TypeVar("T")
TAG = "[progress] "
_LOG_INTERVAL = 10.0  # seconds between two lines where the output is a file


class _Lines:
    """A stream for a log: one line per report, instead of a line that is drawn over."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._last = ""

    def write(self, text: str) -> None:
        text = text.strip()
        count = text.partition(", ")[0]  # a bar reports its end twice, perhaps a second later
        if text and count != self._last:
            self._stream.write(f"{TAG}{text}\n")
            self._last = count

    def flush(self) -> None:
        self._stream.flush()


def progress_bar(
    desc: str, total: Optional[int] = None, unit: str = "", *, show: bool = True
) -> tqdm:
    """A tqdm bar to be moved by hand with `update(n)` and closed by `with`.

    Nothing is printed for work that ends within two seconds, nor without `show`.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=shown(desc),
        unit=f" {unit}" if unit else "",
        delay=2.0,
        disable=not show,
        mininterval=0.2 if terminal else _LOG_INTERVAL,
        maxinterval=10.0 if terminal else _LOG_INTERVAL,
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        bar_format=None
        if terminal
        else "{desc}: {n_fmt}/{total_fmt}{unit}, {elapsed} elapsed, {remaining} remaining",
    )


def progress(
    items: Iterable[T], desc: str, total: Optional[int] = None, unit: str = ""
) -> Iterator[T]:
    """Go through `items`, showing how many are done and how long the rest will take.

    Args:
        items: what to go through.
        desc: what is being done, in two or three words.
        total: how many there are; `len(items)` where that is known.
        unit: what is counted ("clips").
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with progress_bar(desc, total, unit) as bar:
        for item in items:
            yield item
            bar.update()
