"""Hits in forms that other programs read: a table, JSON, CSV, a playlist, Audacity's labels."""

import csv
import io
import json
import os
from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence

from espnet_mlclap.search.hits import Hit
from espnet_mlclap.utils.shown import shown


@dataclass(frozen=True)
class Answered:
    """A question in words, as the user put it, and its hits."""

    query: str
    lang: str
    hits: Sequence[Hit]


def table(answers: Sequence[Answered]) -> str:
    """For people: similarity, path, and from where to where if it is not the whole recording."""
    lines = []
    for answer in answers:
        lines.append(f"{answer.query} ({answer.lang})")
        for hit in answer.hits:
            whole = hit.start == 0 and hit.end >= hit.recording.duration
            span = "" if whole else f"  {clock(hit.start)}-{clock(hit.end)}"
            lines.append(f"{hit.similarity:7.3f}  {shown(from_here(hit.recording.path))}{span}")
    return "".join(f"{line}\n" for line in lines)


def as_json(answers: Sequence[Answered]) -> str:
    """A list with an object for each question, which has a list of hits."""
    content = [
        {"query": answer.query, "lang": answer.lang, "hits": [_fields(hit) for hit in answer.hits]}
        for answer in answers
    ]
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def as_csv(answers: Sequence[Answered]) -> str:
    """A row for each hit, with a header."""
    out = io.StringIO()
    names = ["query", "lang", "rank", "similarity", "path", "start", "end", "duration"]
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for answer in answers:
        for rank, hit in enumerate(answer.hits, 1):
            writer.writerow(
                {"query": answer.query, "lang": answer.lang, "rank": rank, **_fields(hit)}
            )
    return out.getvalue()


def m3u(answers: Sequence[Answered]) -> str:
    """An extended playlist; VLC plays only the spans."""
    lines = ["#EXTM3U"]
    for answer in answers:
        for hit in answer.hits:
            title = " ".join(f"{answer.query}: {_name(hit)}".split())
            lines.append(f"#EXTINF:{round(hit.end - hit.start)},{title}")
            lines.append(f"#EXTVLCOPT:start-time={hit.start:.3f}")
            lines.append(f"#EXTVLCOPT:stop-time={hit.end:.3f}")
            lines.append(shown(hit.recording.path))
    return "".join(f"{line}\n" for line in lines)


def audacity(answers: Sequence[Answered]) -> str:
    """Labels: start, end and text, one line for each hit. For the hits of one recording, in order of time."""
    rows = [(hit, answer.query) for answer in answers for hit in answer.hits]
    several = len({hit.recording.id for hit, _ in rows}) > 1
    lines: List[str] = []
    for hit, query in sorted(rows, key=lambda row: (row[0].recording.path, row[0].start)):
        name = f" {_name(hit)}" if several else ""
        label = " ".join(f"{query} {hit.similarity:.3f}{name}".split())
        lines.append(f"{hit.start:.6f}\t{hit.end:.6f}\t{label}")
    return "".join(f"{line}\n" for line in lines)


#: By name.
FORMATS: Dict[str, Callable[[Sequence[Answered]], str]] = {
    "table": table,
    "json": as_json,
    "csv": as_csv,
    "m3u": m3u,
    "audacity": audacity,
}


def clock(seconds: float) -> str:
    """1:02:03.5, 2:03.5 or 0:03.5."""
    minutes, rest = divmod(round(seconds * 10) / 10, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def from_here(path: str) -> str:
    """Relative to the current folder if it is in there."""
    here = os.getcwd() + os.sep
    return path[len(here) :] if path.startswith(here) else path


def _name(hit: Hit) -> str:
    return shown(os.path.basename(hit.recording.path))


def _fields(hit: Hit) -> Dict[str, object]:
    return {
        "similarity": round(hit.similarity, 6),
        "path": hit.recording.path,
        "start": round(hit.start, 3),
        "end": round(hit.end, 3),
        "duration": round(hit.recording.duration, 3),
        "window": hit.window,
        "recording": hit.recording.id,
        "tags": list(hit.recording.tags),
    }
