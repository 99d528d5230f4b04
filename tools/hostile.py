#!/usr/bin/env python3
"""Print what hostile and broken inputs are tried on the code, and how many of them it deals with.

    python tools/hostile.py                    the table of kinds: cases tried, right now
    python tools/hostile.py --before COMMIT    also how many of the same cases were right at an earlier commit

A kind is a test in `test/hostile`: the first line of its docstring names it, its parameters are the cases.
The tests of today are run against the earlier commit's package, in a work tree of its own that is removed
afterwards; a case that hangs, or crashes, or needs what was not there yet, counts as not right.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional

import pytest

ROOT = Path(__file__).resolve().parents[1]
KINDS = ROOT / "test" / "hostile"
Counts = Dict[str, Dict[str, int]]  # by "part | kind": cases tried, right and skipped


class Collector:
    """A plugin of pytest that counts the cases of each kind."""

    def __init__(self) -> None:
        self.counts: Counts = defaultdict(lambda: {"tried": 0, "right": 0, "skipped": 0})
        self._kinds: Dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn which kind each case is of."""
        for item in session.items:
            kind = _first_line(item.function.__doc__ or item.originalname)
            part = _first_line(item.module.__doc__ or item.module.__name__)
            self._kinds[item.nodeid] = f"{part} | {kind}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case once: by its set-up if that fails or skips it, else by its call."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            counts = self.counts[self._kinds[report.nodeid]]
            if report.skipped:
                counts["skipped"] += 1
            else:
                counts["tried"] += 1
                counts["right"] += report.passed


def _first_line(text: str) -> str:
    return inspect.cleandoc(text).splitlines()[0].rstrip(".")


def count(package: Path, out: Path) -> int:
    """Run the cases against the package in the folder `package` and write their counts; pytest's status."""
    collector = Collector()
    paths = f"pythonpath={package} {package / 'egs2/mini/mlclap1/local'}"
    status = pytest.main(
        [str(KINDS), "-q", "-o", paths, "-p", "no:cacheprovider", "--tb=line"], plugins=[collector]
    )
    out.write_text(json.dumps(collector.counts), encoding="utf-8")
    return status


def counted(package: Path) -> Counts:
    """The counts of a package, computed in a process that imports this one and no other."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts.json"
        environment = {**os.environ, "PYTHONPATH": str(package)}
        subprocess.run(
            [sys.executable, __file__, "--package", str(package), "--counts", str(out)],
            env=environment,
            stdout=sys.stderr,
            check=False,
        )
        return json.loads(out.read_text(encoding="utf-8"))


@contextmanager
def work_tree(commit: str) -> Iterator[Path]:
    """A work tree of `commit`, removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def table(now: Counts, before: Optional[Counts]) -> List[str]:
    """Lines of Markdown: a row for each kind, in the order of the files and tests, and one for all."""
    header = [
        "Part",
        "Kind",
        "tried",
        *(["right before"] if before is not None else []),
        "right now",
    ]
    lines = [f"| {' | '.join(header)} |", f"| --- | --- |{' ---: |' * (len(header) - 2)}"]
    total = [0] * (len(header) - 2)
    for name, counts in now.items():
        if not counts["tried"]:
            continue
        figures = [counts["tried"], counts["right"]]
        if before is not None:
            figures.insert(1, before.get(name, {}).get("right", 0))
        total = [sum(pair) for pair in zip(total, figures)]
        lines.append(f"| {name} | {' | '.join(map(str, figures))} |")
    lines.append(f"| all | {len(now)} kinds | {' | '.join(map(str, total))} |")
    skipped = sum(counts["skipped"] for counts in now.values())
    return [*lines, "", f"Cases that were skipped: {skipped}."] if skipped else lines


def main() -> int:
    """Entry point; `--help` lists the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="COMMIT", help="also try the cases on this commit")
    parser.add_argument("--package", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--counts", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.counts is not None:
        return count(options.package, options.counts)
    before = None
    if options.before:
        with work_tree(options.before) as tree:
            before = counted(tree)
    now = counted(ROOT)
    print("\n".join(table(now, before)))
    return int(any(counts["right"] < counts["tried"] for counts in now.values()))


if __name__ == "__main__":
    sys.exit(main())
