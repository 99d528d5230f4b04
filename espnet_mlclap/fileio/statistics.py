"""Counts of data sets, repetitions in them, and what training and test sets share (leakage)."""

import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Union

from espnet_mlclap.fileio.data_dir import Caption, DataDir, read_captions, read_table
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.tables import Table


def normal_caption(caption: Caption) -> str:
    """Language and letters and digits of a caption: what equal captions have in common."""
    kept = (c if unicodedata.category(c)[0] in "LNM" else " " for c in caption.text.casefold())
    return f"{caption.lang} {' '.join(''.join(kept).split())}"


class SetFacts:
    """What is counted and compared of one set.

    Attributes:
        clips: ids; md5: MD5 of the samples by clip id; sources: recordings by clip id; captions:
            normalised texts.
    """

    def __init__(self, path: Union[str, Path], translations: bool = False):
        """Read the formatted set, or with `translations` a directory of captions only.

        Raises:
            UserError: it is broken (see `DataDir.read`).
        """
        self.path = Path(path)
        data = DataDir(captions=read_captions(path)) if translations else DataDir.read(path)
        md5_file = self.path / "clip2md5"
        self.clips = set(data.wav_scp) or {caption.clip for caption in data.captions.values()}
        self.md5 = read_table(md5_file) if md5_file.exists() else {}
        self.sources = data.sources
        self.captions = Counter(normal_caption(caption) for caption in data.captions.values())
        self.counts = self._count(data)

    def _count(self, data: DataDir) -> Dict[str, Any]:
        seconds = list(data.durations.values())
        of_clip = Counter(caption.clip for caption in data.captions.values())
        within = Counter(
            (caption.clip, normal_caption(caption)) for caption in data.captions.values()
        )
        counts: Dict[str, Any] = {
            "clips": len(self.clips),
            "captions": len(data.captions),
            "captions_per_clip": [min(of_clip.values()), max(of_clip.values())],
            "captions_by_language": dict(
                sorted(Counter(caption.lang for caption in data.captions.values()).items())
            ),
            "repeated_captions": {
                "of_one_clip": sum(count - 1 for count in within.values()),
                "of_all_clips": sum(count - 1 for count in self.captions.values()),
            },
        }
        if seconds:
            counts["hours"] = round(sum(seconds) / 3600, 3)
            counts["seconds"] = {
                "shortest": min(seconds),
                "mean": round(sum(seconds) / len(seconds), 2),
                "longest": max(seconds),
            }
        if self.md5:
            counts["repeated_recordings"] = len(self.md5) - len(set(self.md5.values()))
        if data.labels:
            counts["clips_by_label"] = dict(sorted(Counter(data.labels.values()).items()))
        return counts


def leakage(train: SetFacts, test: SetFacts) -> Dict[str, Any]:
    """What `test` shares with `train`.

    Returns:
        `clip_ids`: ids in both; `sources`: clips of `test` cut from a recording (a video, a sound of
        Freesound) that a clip of `train` is from; `recordings`: clips of `test` whose samples are
        those of a clip of `train`; `captions`: share of the captions of `test` that `train` has too,
        ignoring letter case and punctuation, in per cent.
    """
    heard = set(train.md5.values())
    origins = set(train.sources.values())
    shared = sum(count for text, count in test.captions.items() if text in train.captions)
    return {
        "clip_ids": sorted(train.clips & test.clips),
        "sources": sorted(clip for clip, source in test.sources.items() if source in origins),
        "recordings": sorted(clip for clip, md5 in test.md5.items() if md5 in heard),
        "captions": round(100 * shared / max(1, sum(test.captions.values())), 2),
    }


def statistics(
    train: Sequence[SetFacts], translations: Sequence[SetFacts], test: Sequence[SetFacts]
) -> Dict[str, Any]:
    """All counts and comparisons, ready for JSON.

    Returns:
        `sets`: counts by path; `leakage`: for each pair of a training and a test set (validation
        counts as test).
    """
    return {
        "sets": {str(facts.path): facts.counts for facts in (*train, *translations, *test)},
        "leakage": [
            {"train": str(one.path), "test": str(other.path), **leakage(one, other)}
            for one in train
            for other in test
        ],
    }


def format_statistics(facts: Mapping[str, Any]) -> str:
    """A table of the sets, then what needs attention, as plain text."""
    headers = ["set", "clips", "hours", "seconds", "captions", "per clip", "languages"]
    rows = []
    for path, counts in facts["sets"].items():
        seconds = counts.get("seconds")
        span = f"{seconds['shortest']:.1f}-{seconds['longest']:.1f}" if seconds else "-"
        low, high = counts["captions_per_clip"]
        rows.append(
            [
                path,
                str(counts["clips"]),
                f"{counts['hours']:.2f}" if seconds else "-",
                span,
                str(counts["captions"]),
                str(low) if low == high else f"{low}-{high}",
                _languages(counts["captions_by_language"]),
            ]
        )
    table = Table(headers, rows, text_columns=len(headers))
    return "\n".join([table.text(), *_remarks(facts)]) + "\n"


def _languages(counts: Mapping[str, int]) -> str:
    if len(counts) > 2 and len(set(counts.values())) == 1:
        return f"{len(counts)} languages, {next(iter(counts.values()))} each"
    return " ".join(f"{lang} {count}" for lang, count in counts.items())


def _remarks(facts: Mapping[str, Any]) -> List[str]:
    remarks = []
    for path, counts in facts["sets"].items():
        repeated = counts["repeated_captions"]
        if repeated["of_one_clip"]:
            remarks.append(
                f"{path}: {repeated['of_one_clip']} captions repeat one of the same clip"
            )
        if repeated["of_all_clips"] > repeated["of_one_clip"]:
            several = repeated["of_all_clips"] - repeated["of_one_clip"]
            remarks.append(f"{path}: {several} captions repeat one of another clip")
        if counts.get("repeated_recordings"):
            remarks.append(f"{path}: {counts['repeated_recordings']} recordings appear twice")
    for pair in facts["leakage"]:
        where = f"{pair['test']} and {pair['train']}"
        for key, what in (
            ("clip_ids", "clip ids"),
            ("sources", "clips cut from one recording"),
            ("recordings", "recordings"),
        ):
            if pair[key]:
                some = ", ".join(pair[key][:3])
                remarks.append(f"LEAKAGE: {where} share {len(pair[key])} {what} ({some} ...)")
        if pair["captions"]:
            remarks.append(
                f"{where}: {pair['captions']} % of the captions of the first are in both"
            )
    return remarks


def write_statistics(facts: Mapping[str, Any], out_dir: Union[str, Path]) -> None:
    """Write `statistics.json` and, last, `statistics.txt` into `out_dir`."""
    with atomic_open(Path(out_dir) / "statistics.json") as file:
        json.dump(facts, file, ensure_ascii=False, indent=1)
        file.write("\n")
    with atomic_open(Path(out_dir) / "statistics.txt") as file:
        file.write(format_statistics(facts))
