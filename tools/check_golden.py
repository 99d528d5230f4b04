#!/usr/bin/env python3
"""Compare this package with golden numbers of the published code.

    python tools/check_golden.py ../shared/golden

The folder has the parts ced, mlclap, metrics, text, le and correspondences (all of them, unless --parts
names some), each as its module in tools/golden describes. Items, batches, sets and languages are those of
the files; other weights, lengths and seeds work as well. For each file and quantity the largest difference
is printed next to its tolerance; the exit status is 1 if one is beyond, if something that should be there
is missing, or if nothing compares something that is there.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from golden.compare import Report  # noqa: E402

PARTS = ("ced", "mlclap", "metrics", "text", "le", "correspondences")


def main() -> None:
    """Print the table and exit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of golden numbers")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="compare these only"
    )
    options = parser.parse_args()
    report = Report()
    for part in options.parts:
        start = time.monotonic()
        print(f"{part} ...", end="", file=sys.stderr, flush=True)
        check_part(options.folder, part, report)
        print(f" {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(report.table())
    print("All within tolerance." if report.passed else "NOT all within tolerance.")
    sys.exit(0 if report.passed else 1)


def check_part(folder: Path, part: str, report: Report) -> None:
    """Compare one part; what cannot be read is a problem of the report, not the end of it."""
    if not (folder / part).is_dir():
        report.problems.append(f"{part}: {folder / part} is missing")
        return
    check = importlib.import_module(f"golden.{part}").check
    try:
        check(folder / part, report)
    except Exception as error:  # noqa: BLE001 - any: golden files may be damaged in any way
        report.problems.append(f"{part}: stopped by {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
