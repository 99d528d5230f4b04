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
    """A plugin of pytest that notes what came of each case: a line [case, kind, outcome], at once.

    Args:
        out: the file of lines. Cases that it has already are left out; one that was begun and has no outcome
            has ended its process.
    """

    def __init__(self, out: Path):
        self.out = out
        self._kinds: Dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: List[pytest.Item]) -> None:
        """Learn which kind each case is of, and leave out what was tried."""
        tried = {case for case, _, _ in read_outcomes(self.out)}
        items[:] = [item for item in items if item.nodeid not in tried]
        for item in items:
            kind = _first_line(item.function.__doc__ or item.originalname)
            part = _first_line(item.module.__doc__ or item.module.__name__)
            self._kinds[item.nodeid] = f"{part} | {kind}"

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a case begins."""
        self._note(nodeid, "begun")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a case's outcome: of its set-up if that fails or skips it, else of its call."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self._note(report.nodeid, report.outcome)

    def _note(self, case: str, outcome: str) -> None:
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps([case, self._kinds[case], outcome]) + "\n")


def read_outcomes(out: Path) -> List[List[str]]:
    """The lines of a `Collector`."""
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def count(outcomes: List[List[str]]) -> Counts:
    """Cases of each kind: tried, right and skipped; what has begun and not ended is not right."""
    counts: Counts = defaultdict(lambda: {"tried": 0, "right": 0, "skipped": 0})
    last = {case: (kind, outcome) for case, kind, outcome in outcomes}
    for kind, outcome in last.values():
        counts[kind]["skipped" if outcome == "skipped" else "tried"] += 1
        counts[kind]["right"] += outcome == "passed"
    return counts


def _first_line(text: str) -> str:
    return inspect.cleandoc(text).splitlines()[0].rstrip(".")


def run_cases(package: Path, out: Path) -> int:
    """Run the cases that `out` does not have yet against the package in a folder; pytest's status."""
    paths = f"pythonpath={package} {package / 'egs2/mini/mlclap1/local'}"
    options = ["-q", "-o", paths, "-p", "no:cacheprovider", "--tb=line"]
    return pytest.main([str(KINDS), *options], plugins=[Collector(out)])


def counted(package: Path) -> Counts:
    """The counts of a package, computed in a process that imports this one and no other."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcomes"
        out.touch()
        environment = {**os.environ, "PYTHONPATH": str(package)}
        command = [sys.executable, __file__, "--package", str(package), "--outcomes", str(out)]
        while subprocess.run(command, env=environment, stdout=sys.stderr).returncode < 0:
            print("a case ended the process; the others go on", file=sys.stderr)
        return count(read_outcomes(out))


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
    parser.add_argument("--outcomes", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.outcomes is not None:
        return run_cases(options.package, options.outcomes)
    before = None
    if options.before:
        with work_tree(options.before) as tree:
            before = counted(tree)
    now = counted(ROOT)
    print("\n".join(table(now, before)))
    return int(any(counts["right"] < counts["tried"] for counts in now.values()))


if __name__ == "__main__":
    sys.exit(main())
