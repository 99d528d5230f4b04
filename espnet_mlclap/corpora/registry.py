"""Public corpora by name. A new one is one file with a subclass of `AbsCorpus`, and one line here."""

from typing import Sequence, Tuple

from espnet_mlclap.utils.registry import Registry

_CORPORA = "espnet_mlclap.corpora"

corpora = Registry(
    "corpus",
    {
        "audiocaps": f"{_CORPORA}.audiocaps:AudioCaps",
        "castella": f"{_CORPORA}.castella:Castella",
        "clotho": f"{_CORPORA}.clotho:Clotho",
        "clotho_moment": f"{_CORPORA}.clotho_moment:ClothoMoment",
        "esc10": f"{_CORPORA}.esc:Esc10",
        "esc50": f"{_CORPORA}.esc:Esc50",
        "wavcaps": f"{_CORPORA}.wavcaps:WavCaps",
        "webdataset": f"{_CORPORA}.webdataset:WebDataset",
    },
    base=f"{_CORPORA}.abs_corpus:AbsCorpus",
)


def named_in(words: Sequence[str]) -> Tuple[str, ...]:
    """The corpora that a command line may mean: all of ours, or the one that its first word names.

    A class from outside (`package.module:Class`) is known when it is named; no corpus but the named one has
    to be imported.
    """
    first = words[0] if words else ""
    return (first,) if first in corpora.names or corpora.is_custom(first) else corpora.names
