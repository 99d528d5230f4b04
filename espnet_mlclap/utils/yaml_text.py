"""YAML text from anybody as plain values: bounded in length, in depth and in what its aliases stand for.

Ten lines of aliases of aliases stand for billions of values, which whoever copies, merges or prints them then
makes; a megabyte of brackets nests deeper than a parser's stack. Both are seen in the parser's events, before
anything is built. So is a key that stands twice, of which a parser would keep the last without a word.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import yaml

from espnet_mlclap.utils.errors import UserError

MOST_BYTES = 1 << 20
_MOST_VALUES = 100_000  # aliases counted as what they stand for
_DEEPEST = 50
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C takes a tenth of the time


def parse_yaml(content: bytes, where: Union[str, Path]) -> Any:
    """What a YAML document holds.

    Args:
        content: UTF-8.
        where: comes first in errors.

    Raises:
        UserError: not YAML or not UTF-8; more than `MOST_BYTES`, values nested or multiplied without bounds;
            a key that stands twice in a mapping.
    """
    if len(content) > MOST_BYTES:
        raise UserError(f"{where}: larger than {MOST_BYTES:,} bytes, so not a configuration.")
    try:
        text = content.decode("utf-8")
        _check_size(text, where)
        _check_keys(text, where)
        return yaml.load(text, _Loader)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{where}:{line}: not UTF-8. Convert the file to UTF-8.") from error
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
    ) as error:  # a date that is none, a number too long
        raise UserError(f"{where}: not YAML ({error}).") from error


def _check_size(text: str, where: Union[str, Path]) -> None:
    sizes: Dict[str, int] = {}  # values that each anchor stands for
    counts: List[int] = [0]  # values in each mapping or list that is open, the innermost last
    anchors: List[Optional[str]] = [None]  # and their anchors
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            counts.append(0)
            anchors.append(event.anchor)
            if len(counts) > _DEEPEST:
                line = event.start_mark.line + 1
                raise UserError(f"{where}:{line}: values nested deeper than {_DEEPEST} levels.")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size, anchor = counts.pop() + 1, anchors.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in anchors:
                line = event.start_mark.line + 1
                raise UserError(f"{where}:{line}: *{event.anchor} stands for what it is itself in.")
            size, anchor = (
                sizes.get(event.anchor, 1),
                None,
            )  # unknown ones are the loader's to refuse
        elif isinstance(event, yaml.ScalarEvent):
            size, anchor = 1, event.anchor
        else:  # start and end of the document
            continue
        if anchor is not None:
            sizes[anchor] = size
        counts[-1] += size
        if counts[-1] > _MOST_VALUES:
            raise UserError(
                f"{where}: more than {_MOST_VALUES:,} values, aliases (*name) counted as what they stand for."
            )


def _check_keys(text: str, where: Union[str, Path]) -> None:
    opened: List[Optional[_Keys]] = []  # of each mapping that is open; None for a list
    for event in yaml.parse(text, _Loader):
        if isinstance(event, (yaml.CollectionEndEvent, yaml.ScalarEvent, yaml.AliasEvent)):
            if isinstance(event, yaml.CollectionEndEvent):
                opened.pop()
            keys = opened[-1] if opened else None
            if keys is None:
                continue
            if keys.next_is_key and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
                mark = event.start_mark
                first = keys.marks.setdefault((event.value, event.implicit[0]), mark)
                if first is not mark:
                    raise UserError(
                        f"{where}:{mark.line + 1}: {event.value!r} is given twice, first in line "
                        f"{first.line + 1}. Keep one of them."
                    )
            keys.next_is_key = not keys.next_is_key
        elif isinstance(event, yaml.MappingStartEvent):
            opened.append(_Keys())
        elif isinstance(event, yaml.SequenceStartEvent):
            opened.append(None)


@dataclass
class _Keys:
    """Where each key of a mapping stands, plain and quoted ones apart, and whether a key comes next."""

    marks: Dict[Tuple[str, bool], yaml.Mark] = field(default_factory=dict)
    next_is_key: bool = True
