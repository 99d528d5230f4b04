"""Collecting differences: one row for each file and quantity, and what is missing or unknown."""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Set, Tuple

import numpy as np


@dataclass
class Row:
    """The largest difference of one quantity of one file."""

    file: str
    quantity: str
    tolerance: float
    difference: float = 0.0
    where: str = ""  #: the key with the largest difference
    compared: int = 0

    @property
    def passed(self) -> bool:
        """Whether something was compared and all of it was within the tolerance (NaN is not)."""
        return self.compared > 0 and self.difference <= self.tolerance


class Report:
    """Rows by file and quantity, and problems that are no differences."""

    def __init__(self) -> None:
        self._rows: Dict[Tuple[str, str], Row] = {}
        self.problems: List[str] = []

    @property
    def rows(self) -> List[Row]:
        """All rows in the order in which their quantities came up."""
        return list(self._rows.values())

    @property
    def passed(self) -> bool:
        """Whether all is as it should be."""
        return bool(self._rows) and not self.problems and all(row.passed for row in self.rows)

    def expect(self, file: str, quantity: str, tolerance: float) -> Row:
        """The row of a quantity; a row for which nothing is compared counts as failed."""
        return self._rows.setdefault((file, quantity), Row(file, quantity, tolerance))

    def add(self, file: str, quantity: str, tolerance: float, key: str, difference: float) -> None:
        """Note a difference (absolute, or in whatever unit the quantity's name says)."""
        row = self.expect(file, quantity, tolerance)
        row.compared += 1
        if not difference <= row.difference:  # NaN too
            row.difference, row.where = difference, key

    def compare(
        self,
        file: str,
        quantity: str,
        tolerance: float,
        key: str,
        value: Any,
        golden: Any,
        rounding: Any = 0.0,
    ) -> None:
        """Note the largest absolute difference of two arrays of one shape, beyond `rounding`."""
        value, golden = np.asarray(value, np.float64), np.asarray(golden, np.float64)
        if value.shape != golden.shape:
            self.problems.append(f"{file}: {key}: shape {value.shape}, golden {golden.shape}")
            return
        beyond = np.abs(value - golden) - rounding
        self.add(file, quantity, tolerance, key, float(np.max(beyond, initial=0.0)))

    def check_keys(
        self, file: str, found: Iterable[str], handled: Set[str], stated: Mapping[str, Any]
    ) -> None:
        """Note keys that meta.json states and the file lacks, and keys that nothing compares."""
        found = set(found)
        for key in sorted(set(stated) - found):
            self.problems.append(f"{file}: {key} is missing, though meta.json states it")
        for key in sorted(found - handled):
            self.problems.append(f"{file}: nothing compares {key}")

    def table(self) -> str:
        """All rows as text, problems after them."""
        head = ("file", "quantity", "compared", "largest difference", "tolerance", "", "at")
        lines = [head]
        for row in self.rows:
            verdict = "ok" if row.passed else "FAILED" if row.compared else "MISSING"
            numbers = (str(row.compared), f"{row.difference:.2g}", f"{row.tolerance:g}")
            lines.append((row.file, row.quantity, *numbers, verdict, row.where))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        rows = [
            "  ".join(
                cell.rjust(width) if 2 <= i <= 4 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths))
            ).rstrip()
            for line in lines
        ]
        rows.insert(1, "-" * max(len(row) for row in rows))
        return "\n".join(rows + [f"PROBLEM {problem}" for problem in self.problems])
