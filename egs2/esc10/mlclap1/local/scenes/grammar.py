"""Claims said in words: a YAML file for each language, written for itself.

    sounds:    {dog: {clause: a dog barks, noun: a barking dog}, ...}     the forms that this language needs
    captions:  {then: ["{a.clause}, then {b.clause}.", ...], ...}         ways of saying each kind of claim

`a`, `b` and `c` are the sounds that a claim names, in its order. The n-th way of a kind says the same in
every language, so that the captions of a claim are translations of each other.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Dict, List, Mapping, Sequence, Union

from espnet_mlclap.utils.config import check_keys, check_mapping, read_yaml
from espnet_mlclap.utils.errors import UserError
from scenes.scene import KINDS, Claim

_NAMES = "abc"


class Grammar:
    """How one language says a claim.

    Args:
        path: the YAML file.
        labels: the sounds that it must know; it may know others.

    Raises:
        UserError: the file cannot be read, lacks a sound or a kind of claim, or names a form that a sound
            does not have; names the key.
    """

    def __init__(self, path: Union[str, Path], labels: Sequence[str]):
        content = read_yaml(path)
        check_keys(content, ("sounds", "captions"), path, required=("sounds", "captions"))
        sounds = check_mapping(content["sounds"], f"{path}: sounds")
        check_keys(sounds, sounds, f"{path}: sounds", required=labels)
        ways = check_mapping(content["captions"], f"{path}: captions")
        check_keys(ways, KINDS, f"{path}: captions", required=KINDS)
        self._sounds = {
            label: SimpleNamespace(**check_mapping(forms, f"{path}: sounds: {label}"))
            for label, forms in sounds.items()
        }
        self.ways: Mapping[str, List[str]] = ways
        for kind, templates in ways.items():
            for way in range(len(templates)):
                for label in labels:
                    try:
                        self.say(Claim(kind, (label,) * KINDS[kind]), way)
                    except (AttributeError, KeyError) as error:
                        raise UserError(
                            f"{path}: captions: {kind}: {templates[way]!r} does not suit {label}: {error}"
                        ) from error

    def say(self, claim: Claim, way: int) -> str:
        """One caption, with a capital letter where the script has them."""
        forms = {name: self._sounds[label] for name, label in zip(_NAMES, claim.labels)}
        text = self.ways[claim.kind][way].format(**forms)
        return text[0].upper() + text[1:]


def read_grammars(folder: Path, labels: Sequence[str]) -> Dict[str, Grammar]:
    """The languages of `<folder>/<FLORES-200 code>.yaml`.

    Raises:
        UserError: there is none, one is broken, or they have different numbers of ways to say something.
    """
    grammars = {path.stem: Grammar(path, labels) for path in sorted(folder.glob("*.yaml"))}
    if not grammars:
        raise UserError(f"{folder}: no grammar (<language>.yaml) in it.")
    counts = {
        lang: {kind: len(ways) for kind, ways in one.ways.items()} for lang, one in grammars.items()
    }
    first = next(iter(counts))
    for lang, count in counts.items():
        for kind in KINDS:
            if count[kind] != counts[first][kind]:
                raise UserError(
                    f"{folder}: {lang}.yaml has {count[kind]} captions of the kind {kind!r}, {first}.yaml "
                    f"{counts[first][kind]}. The n-th must say the same in each language."
                )
    return grammars
