#!/usr/bin/env python3
"""CPU milliseconds a clip of the training batches: planned, read, tokenised, put together, without workers.

    python tools/bench/loader.py [--clips 256] [--seconds 10]
    python tools/bench/loader.py --peer WavCaps/retrieval     also the loader of XinhaoMei/WavCaps

The clips are noise in FLAC files of a temporary folder, with a caption in English and one in French each, and
the same in shards. Next to ours stands what reading alone takes: libsndfile, file by file. Then the seconds
that the bytes take from the disk, of which nothing is in memory: files in a drawn order, shards from front
to back (`--folder`: on the disk that is meant). WavCaps reads a clip for each of its captions, and leaves the
words to its model; its batches are as large as ours, at the same sampling rate.
"""

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
import soundfile
import torch
from peer_functions import functions_of
from timing import show, take_turns
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from espnet_mlclap.fileio.data_dir import Caption, DataDir  # noqa: E402
from espnet_mlclap.fileio.format_audio import format_audio  # noqa: E402
from espnet_mlclap.fileio.set_table import make_set_table  # noqa: E402
from espnet_mlclap.fileio.shard_places import read_shard_places  # noqa: E402
from espnet_mlclap.iterators.epoch_plan import EpochPlan  # noqa: E402
from espnet_mlclap.iterators.lanes import LanePlan  # noqa: E402
from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory  # noqa: E402
from espnet_mlclap.iterators.plan_options import PlanOptions  # noqa: E402
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer  # noqa: E402
from espnet_mlclap.train.collate_fn import MLCLAPCollateFn  # noqa: E402
from espnet_mlclap.train.dataset import CaptionedClipDataset  # noqa: E402
from espnet_mlclap.train.training_sets import read_training_sets  # noqa: E402

SPM = ROOT / "egs2/mini/mlclap1/sonar_assets/sonar_mini_sentencepiece.model"
LANGS = ["eng_Latn", "fra_Latn"]
CAPTIONS = {LANGS[0]: "rain falls on a tin roof", LANGS[1]: "la pluie tombe sur un toit"}
RATE = 16000
BATCH = 64


def make_set(folder: Path, clips: int, seconds: float, clips_per_shard: int) -> None:
    """Write clips with captions and translations, as files and in shards, and their tables."""
    data, translated = DataDir(extra={"utt2num_samples": {}}), DataDir()
    draws = np.random.default_rng(0)
    for number in range(clips):
        clip = f"clip{number:04d}"
        path = folder / f"{clip}.flac"
        samples = 0.1 * draws.standard_normal(round(RATE * seconds), dtype=np.float32)
        soundfile.write(path, samples, RATE)
        data.wav_scp[clip] = str(path)
        data.extra["utt2num_samples"][clip] = str(len(samples))
        data.captions[f"{clip}-en"] = Caption(CAPTIONS[LANGS[0]], clip, LANGS[0])
        translated.captions[f"{clip}-fr"] = Caption(CAPTIONS[LANGS[1]], clip, LANGS[1])
    data.write(folder / "train")
    translated.write(folder / "train_le")
    shards = {"audio_format": "shards", "clips_per_shard": clips_per_shard}
    format_audio(data, folder / "shards", wav_scp=folder / "train/wav.scp", **shards)
    for name in ("train", "train_le", "shards"):
        make_set_table(folder / name)


def make_factory(folder: Path, name: str) -> EpochPlanIterFactory:
    """Batches of the set `train`, or of `shards` from front to back."""
    sets = read_training_sets([folder / name], translations=[folder / "train_le"])
    plan = EpochPlan(
        lengths=sets.lengths,
        originals=sets.originals,
        translations=sets.translations,
        options=PlanOptions(batch_size=BATCH, le_ratio=1.0),
    )
    tokenizer = SonarTokenizer(model=str(SPM), langs=LANGS, max_tokens=512)
    dataset = CaptionedClipDataset(
        wav_scp=sets.wav_scp, captions=plan.captions, tokenizer=tokenizer, langs=LANGS
    )
    lanes = None
    if name == "shards":
        sets_with_clips = list(zip([folder / name], sets.wav_scp.of_sets()))
        lanes = LanePlan(plan, read_shard_places(sets_with_clips, plan.lengths.ids), buffer=256)
    collate = MLCLAPCollateFn(pad_id=tokenizer.pad_id)
    return EpochPlanIterFactory(plan=plan, dataset=dataset, collate_fn=collate, lanes=lanes)


def wavcaps_loader(checkout: Path, folder: Path, paths: List[str]) -> DataLoader:
    """Batches of the same clips and captions by the loader of WavCaps."""
    import librosa

    files = checkout / "data_handling"
    text = functions_of(files / "text_transform.py", ["text_preprocess"], {"sub": re.sub})
    uses = {"json": json, "torch": torch, "random": random, "librosa": librosa, "Dataset": Dataset}
    uses.update(text, F=torch.nn.functional)
    names = ["_load_json_file", "AudioLanguagePretrainDataset", "collate_fn"]
    theirs = functions_of(files / "pretrain_dataset.py", names, uses)
    items = [
        {"id": path, "audio": path, "caption": caption, "duration": 0.0}
        for path in paths
        for caption in CAPTIONS.values()
    ]
    listed = folder / "wavcaps.json"
    listed.write_text(json.dumps({"num_captions_per_audio": 1, "data": items}), encoding="utf-8")
    dataset = theirs[names[1]]([str(listed)], {"sr": RATE, "max_length": 0})
    return DataLoader(dataset, batch_size=BATCH, shuffle=True, collate_fn=theirs["collate_fn"])


def seconds_from_disk(paths: List[Path]) -> float:
    """Wall-clock seconds to read files of which nothing is in memory."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
    return time.perf_counter() - start


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=256, help="of the set")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a clip")
    parser.add_argument("--runs", type=int, default=5, help="epochs of each")
    parser.add_argument("--clips_per_shard", type=int, default=256, help="on average at most")
    parser.add_argument("--folder", help="where the temporary folder is made")
    parser.add_argument("--peer", type=Path, help="folder `retrieval` of WavCaps")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make_set(folder, options.clips, options.seconds, options.clips_per_shard)
        by_clip, by_shard = make_factory(folder, "train"), make_factory(folder, "shards")
        paths = [str(folder / f"clip{number:04d}.flac") for number in range(options.clips)]
        things: Dict[str, Callable[[], object]] = {
            "libsndfile alone": lambda: [soundfile.read(path, dtype="float32") for path in paths],
            "batches": lambda: sum(1 for _ in by_clip.build_iter(1)),
            "batches from shards": lambda: sum(1 for _ in by_shard.build_iter(1)),
        }
        if options.peer:
            theirs = wavcaps_loader(options.peer, folder, paths)
            things["WavCaps' batches"] = lambda: sum(1 for _ in theirs)
        show(take_turns(things, options.runs), "clip", options.clips)
        per_epoch = sum(len(batch) for batch in by_clip.plan.batches(1)) / options.clips
        print(
            f"(a clip is read {per_epoch:.2f} times an epoch: once in each batch with a caption of it; from "
            "shards it is read once, and decoded as often)"
        )
        draws = np.random.default_rng(0)
        drawn = [Path(paths[place]) for place in draws.permutation(len(paths))]
        shards = sorted((folder / "shards/shards").glob("*.tar"))
        total = sum(path.stat().st_size for path in drawn) / 1e6
        for what, files in (("files, in a drawn order", drawn), ("shards, one by one", shards)):
            seconds = statistics.median(seconds_from_disk(files) for _ in range(options.runs))
            print(f"{what:28} {seconds:10.2f} s from the disk, {total / seconds:.0f} MB a second")


if __name__ == "__main__":
    main()
