"""Caption normalisation and caption lengths, row by row."""

import json
from pathlib import Path

from espnet_mlclap.utils.normalize import caption_length, normalize_caption
from golden.compare import Report

_FILE = "text/text_preprocess.json"


def check(folder: Path, report: Report) -> None:
    """Compare everything in the folder `text`."""
    rows = json.loads((folder / "text_preprocess.json").read_text(encoding="utf-8"))
    report.expect(_FILE, "output (rows that differ)", 0)
    for row in rows:
        key = f"{row['lang']}: {row['input']!r}"
        differs = normalize_caption(row["input"]) != row["output"]
        report.add(_FILE, "output (rows that differ)", 0, key, differs)
        if "length_for_max_token_size" in row:
            length = caption_length(row["input"], row["lang"])
            quantity, expected = "length_for_max_token_size", row["length_for_max_token_size"]
            report.compare(_FILE, quantity, 0, key, length, expected)
