#!/usr/bin/env python3
"""What a training of WavCaps' size costs before its first step: reading, planning, drawing, memory.

    python tools/bench/plan.py                     467,000 clips, 500,000 captions, 3.3 million translations
    python tools/bench/plan.py --scale 0.01        a hundredth of it
    python tools/bench/plan.py --other CHECKOUT    also with the package of another checkout

The set is made up, in a temporary folder (1 GB at full size). Each form of it is measured in a process of its
own: the text files alone, then the tables that stage 3 makes of them; and so is making these. Seconds are CPU
time. Memory is what the process has more than after its imports: `own` is anonymous memory, `all` adds the
pages of files that it has mapped, which processes share and the system takes back when it needs them.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIPS, CAPTIONS, LANGS = 467_000, 500_000, 7
WORDS = "a dog barks loudly in the distance while rain falls on an old tin roof".split()
LANG_CODES = ("fra_Latn", "deu_Latn", "spa_Latn", "nld_Latn", "cat_Latn", "jpn_Jpan", "zho_Hans")

MEASURE = """
import json, pickle, sys, time
from espnet_mlclap.iterators.epoch_plan import EpochPlan, PlanOptions
from espnet_mlclap.train.dataset import CaptionedClipDataset
from espnet_mlclap.train.training_sets import read_training_sets

def memory():
    with open("/proc/self/smaps_rollup") as file:
        lines = file.readlines()[1:]
    with open("/proc/self/status") as file:
        rows = dict(line.split(":", 1) for line in [*lines, *file])
    return {name: int(rows[name].split()[0]) / 1024 for name in ("Rss", "Anonymous", "VmHWM")}

def timed(name, function):
    start = time.process_time()
    result = function()
    found[name] = time.process_time() - start
    return result

def draw(epoch):
    return sum(len(batch) for batch in plan.batches(epoch))

folder, found = sys.argv[1], {}
before = memory()
sets = timed("open", lambda: read_training_sets([f"{folder}/train"], translations=[f"{folder}/train_le"]))
sources = {"sources": sets.sources} if hasattr(sets, "sources") else {}
plan = timed("plan", lambda: EpochPlan(
    lengths=sets.lengths, originals=sets.originals, translations=sets.translations,
    options=PlanOptions(batch_size=128, le_ratio=0.1), **sources))
dataset = timed("data set", lambda: CaptionedClipDataset(
    wav_scp=sets.wav_scp, captions=plan.captions, tokenizer=None,
    langs=sorted({"eng_Latn", *plan.le_langs}), **sources))
timed("epoch", lambda: draw(1))
timed("next epoch", lambda: draw(2))
after = memory()
found["own"] = after["Anonymous"] - before["Anonymous"]
found["all"] = after["Rss"] - before["Rss"]
found["peak"] = after["VmHWM"] - before["Rss"]
found["pickle"] = len(pickle.dumps(dataset)) / 2**20
print(json.dumps(found))
"""
SETS = ("train", "train_le")
MAKE = """
import json, sys, time
from espnet_mlclap.fileio.set_table import make_set_table

start = time.process_time()
for name in ("train", "train_le"):
    make_set_table(f"{sys.argv[1]}/{name}")
with open("/proc/self/status") as file:
    peak = next(line for line in file if line.startswith("VmHWM"))
print(json.dumps({"seconds": time.process_time() - start, "peak": int(peak.split()[1]) / 1024}))
"""
UNITS = {"own": "MiB", "all": "MiB", "peak": "MiB", "pickle": "MiB"}


def write_table(path: Path, rows) -> None:
    """`key value` lines, sorted by the bytes of the key."""
    lines = sorted(f"{key} {value}\n".encode() for key, value in rows)
    path.write_bytes(b"".join(lines))


def make_set(folder: Path, scale: float) -> None:
    """Write a formatted set without audio, and the translations of its captions."""
    clips = [f"wavcaps_freesound_{number:06d}" for number in range(round(CLIPS * scale))]
    owners = clips + clips[: round(CAPTIONS * scale) - len(clips)]
    keys = [f"{clip}-eng_Latn-{1 + (at >= len(clips))}" for at, clip in enumerate(owners)]
    texts = [f"{' '.join(WORDS[at % 5 :])} {at}" for at in range(len(keys))]
    train, translated = folder / "train", folder / "train_le"
    train.mkdir()
    translated.mkdir()
    write_table(train / "wav.scp", ((clip, f"/data/wavcaps/flac/{clip}.flac") for clip in clips))
    write_table(train / "clip2dur", ((clip, f"{1 + at % 30:.4f}") for at, clip in enumerate(clips)))
    samples = ((clip, 16000 * (1 + at % 30)) for at, clip in enumerate(clips))
    write_table(train / "utt2num_samples", samples)
    write_table(train / "text", zip(keys, texts))
    write_table(train / "utt2clip", zip(keys, owners))
    write_table(train / "utt2lang", ((key, "eng_Latn") for key in keys))
    pairs = [
        (key.replace("eng_Latn", lang), lang, at)
        for at, key in enumerate(keys)
        for lang in LANG_CODES[
            : LANGS if at % 10 < 9 else 3
        ]  # some are left out as bad translations
    ]
    write_table(translated / "text", ((key, f"{texts[at]} {lang}") for key, lang, at in pairs))
    write_table(translated / "utt2clip", ((key, owners[at]) for key, lang, at in pairs))
    write_table(translated / "utt2lang", ((key, lang) for key, lang, at in pairs))
    write_table(translated / "utt2source", ((key, keys[at]) for key, lang, at in pairs))


def run_program(program: str, folder: Path, checkout: Path) -> dict:
    """What a program finds in a process of its own, with the package of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(
        command, check=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def remove_tables(folder: Path) -> None:
    """Leave the files of text alone."""
    for name in SETS:
        shutil.rmtree(folder / name / "columns", ignore_errors=True)


def make_tables(folder: Path, checkout: Path) -> dict:
    """CPU seconds and MiB at the peak of making the tables from nothing, and checksums of their files."""
    remove_tables(folder)
    found = run_program(MAKE, folder, checkout)
    found["sums"] = {}
    for path in sorted(folder.glob("*/columns/*.npy")):
        with path.open("rb") as file:
            sums = hashlib.file_digest(file, "sha256").hexdigest()
        found["sums"][str(path.relative_to(folder))] = sums
    return found


def main() -> None:
    """Print what each form costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="part of WavCaps' size")
    parser.add_argument("--other", type=Path, help="checkout whose package is measured, too")
    options = parser.parse_args()
    columns, made = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_set(folder, options.scale)
        if options.other:
            columns["other"] = run_program(MEASURE, folder, options.other.resolve())
            made["other"] = make_tables(folder, options.other.resolve())
            remove_tables(folder)
        columns["text files"] = run_program(MEASURE, folder, ROOT)
        made["ours"] = make_tables(folder, ROOT)
        columns["tables"] = run_program(MEASURE, folder, ROOT)
    print(f"{'':12}" + "".join(f"{name:>16}" for name in columns))
    for step in next(iter(columns.values())):
        row = "".join(f"{found[step]:12.1f} {UNITS.get(step, 's'):3}" for found in columns.values())
        print(f"{step:12}{row}")
    for name, found in made.items():
        same = "" if found["sums"] == made["ours"]["sums"] else ", OTHER TABLES than ours"
        print(
            f"making the tables ({name}): {found['seconds']:.1f} s, {found['peak']:.0f} MiB at the peak{same}"
        )


if __name__ == "__main__":
    main()
