"""Functions of other people's checkouts, which are named by their folder.

A function is taken out of its file and compiled by itself, so that the packages which the file imports for
other things need not be installed. What the function itself uses is handed to it.
"""

import ast
from pathlib import Path
from typing import Any, Dict, Sequence


def functions_of(path: Path, names: Sequence[str], uses: Dict[str, Any]) -> Dict[str, Any]:
    """Functions and classes of a file by name.

    Args:
        path: the file.
        names: which of those at its top level.
        uses: the names that they use, such as `np`; they see each other as well.

    Raises:
        SystemExit: the file does not have one.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    tree.body = [part for part in tree.body if getattr(part, "name", None) in names]
    missing = set(names) - {part.name for part in tree.body}
    if missing:
        raise SystemExit(f"{path}: has no {', '.join(sorted(missing))}; another version?")
    space = dict(uses)
    exec(compile(tree, str(path), "exec"), space)
    return {name: space[name] for name in names}
