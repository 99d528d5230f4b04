"""Tables for a terminal and for Markdown files."""

from typing import NamedTuple, Sequence

from tabulate import tabulate


class Table(NamedTuple):
    """Cells under headers.

    Attributes:
        headers: one per column.
        rows: cells as they are printed.
        text_columns: this many of the first columns are text; the others are numbers, set to the right.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int = 1

    def text(self) -> str:
        """Aligned columns."""
        lines = self._laid_out("plain", self.rows).splitlines()
        return "\n".join(line.rstrip() for line in lines)

    def markdown(self) -> str:
        """A GitHub table."""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self.rows]
        return self._laid_out("pipe", rows)

    def _laid_out(self, form: str, rows: Sequence[Sequence[str]]) -> str:
        numbers = len(self.headers) - self.text_columns
        return tabulate(
            rows,
            self.headers,
            tablefmt=form,
            disable_numparse=True,  # the cells are printed as they are
            colalign=("left",) * self.text_columns + ("right",) * numbers if rows else None,
        )
