#!/usr/bin/env python3
"""Print which room of the package uses which, and fail where one uses a room above it.

    python tools/rooms.py              the table, then imports upwards as file:line; status 1 if there are any
    python tools/rooms.py --root DIR   of another checkout

A room is a folder (or a module) directly in `espnet_mlclap/`. It may use the rooms before it in `ORDER`, and
those of its own line. An import inside a function or for type checking counts like any other, and so does the
name of a module in a string ("espnet_mlclap.models.projection:Projection"), which a registry imports later.

Validation computes the figures of scoring, so `evaluation` stands below `train`.
"""

import argparse
import ast
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

PACKAGE = "espnet_mlclap"
ORDER = (
    ("utils",),
    ("fileio",),
    ("corpora",),
    ("checkpoints",),
    ("models",),
    ("objectives",),
    ("language_enhancement",),
    ("evaluation",),
    ("iterators", "train"),
    ("reports",),
    ("search",),
    ("experiments",),
    ("tasks", "inference"),
    ("bin",),
    ("__init__", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
_MODULE_IN_STRING = re.compile(rf"{PACKAGE}\.(\w+)[\w.:]*")


@dataclass(frozen=True)
class Use:
    """A line in which a file of `room` names something in `used`."""

    room: str
    used: str
    file: Path
    line: int

    @property
    def upwards(self) -> bool:
        """Is the room that is used above the one that uses it?"""
        return LEVEL[self.used] > LEVEL[self.room]


def find_uses(package: Path) -> List[Use]:
    """Every use of one room by another.

    Args:
        package: folder `espnet_mlclap`.

    Raises:
        ValueError: a room that `ORDER` does not know, or a file that is not Python, by name.
    """
    uses = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        room = parts[0].removesuffix(".py")
        if room not in LEVEL:
            raise ValueError(f"{path}: the room {room!r} has no place in ORDER of tools/rooms.py")
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise ValueError(f"{path}:{error.lineno}: {error.msg}") from None
        for used, line in _rooms_named(tree, (PACKAGE, *parts[:-1])):
            if used != room and used in LEVEL:
                uses.append(Use(room, used, path, line))
    return uses


def _rooms_named(tree: ast.AST, inside: Tuple[str, ...]) -> Iterator[Tuple[str, int]]:
    """Rooms named in a file, with the line.

    Args:
        tree: the parsed file.
        inside: dotted name of the package that the file is in, in parts.
    """
    for node in ast.walk(tree):
        names: List[Optional[str]] = []
        if isinstance(node, ast.Import):
            names = [_room(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(inside[: len(inside) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names = [_room(f"{module}.{alias.name}") for alias in node.names]
            if module != PACKAGE:
                names = names[:1]  # one line that takes several names from a module is one use
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = _MODULE_IN_STRING.fullmatch(node.value)
            names = [found[1] if found else None]
        for name in names:
            if name is not None:
                yield name, node.lineno


def _room(module: str) -> Optional[str]:
    parts = module.split(".")
    if parts[0] != PACKAGE or len(parts) < 2:
        return None
    # the public names of the package itself come from inference.py
    return "inference" if parts[1] == "MLCLAP" else parts[1]


def table(uses: List[Use]) -> str:
    """A row for each room, and in columns (numbered like the rows) how often it uses each of the others."""
    counts = Counter((use.room, use.used) for use in uses)
    rooms = list(LEVEL)
    width = max(len(room) for room in rooms)
    lines = [" " * (3 + width) + "".join(f"{number:4}" for number in range(1, len(rooms) + 1))]
    for number, room in enumerate(rooms, 1):
        cells = (counts.get((room, used), "-" if used == room else ".") for used in rooms)
        lines.append(f"{number:2} {room:{width}}" + "".join(f"{cell:>4}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table and exit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    root = parser.parse_args().root
    try:
        uses = find_uses(root / PACKAGE)
    except ValueError as error:
        sys.exit(f"rooms.py: error: {error}")
    if not uses:
        sys.exit(f"rooms.py: error: {root / PACKAGE}: no room uses another; is this the package?")
    print(table(uses))
    upwards = [use for use in uses if use.upwards]
    for use in upwards:
        print(
            f"{use.file.relative_to(root)}:{use.line}: {use.room} uses {use.used}, a room above it",
            file=sys.stderr,
        )
    sys.exit(1 if upwards else 0)


if __name__ == "__main__":
    main()
