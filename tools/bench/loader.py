#!/usr/bin/env python3
"""CPU milliseconds a clip of the training batches: planned, read, tokenised, put together, without workers.

    python tools/bench/loader.py [--clips 256] [--seconds 10]

The clips are noise in FLAC files of a temporary folder, with a caption in English and one in French each.
Next to ours stands what reading alone takes: libsndfile, file by file.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from timing import show, take_turns

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from espnet_mlclap.fileio.data_dir import Caption, DataDir  # noqa: E402
from espnet_mlclap.fileio.set_table import make_set_table  # noqa: E402
from espnet_mlclap.iterators.epoch_plan import EpochPlan  # noqa: E402
from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory  # noqa: E402
from espnet_mlclap.iterators.plan_options import PlanOptions  # noqa: E402
from espnet_mlclap.models.text_encoder.sonar_tokenizer import SonarTokenizer  # noqa: E402
from espnet_mlclap.train.collate_fn import MLCLAPCollateFn  # noqa: E402
from espnet_mlclap.train.dataset import CaptionedClipDataset  # noqa: E402
from espnet_mlclap.train.training_sets import read_training_sets  # noqa: E402

SPM = ROOT / "egs2/mini/mlclap1/sonar_assets/sonar_mini_sentencepiece.model"
LANGS = ["eng_Latn", "fra_Latn"]
RATE = 16000


def make_set(folder: Path, clips: int, seconds: float) -> None:
    """Write clips with captions and translations, and their tables."""
    data, translated = DataDir(extra={"utt2num_samples": {}}), DataDir()
    draws = np.random.default_rng(0)
    for number in range(clips):
        clip = f"clip{number:04d}"
        path = folder / f"{clip}.flac"
        samples = 0.1 * draws.standard_normal(round(RATE * seconds), dtype=np.float32)
        soundfile.write(path, samples, RATE)
        data.wav_scp[clip] = str(path)
        data.extra["utt2num_samples"][clip] = str(len(samples))
        data.captions[f"{clip}-en"] = Caption("rain falls on a tin roof", clip, LANGS[0])
        translated.captions[f"{clip}-fr"] = Caption("la pluie tombe sur un toit", clip, LANGS[1])
    data.write(folder / "train")
    translated.write(folder / "train_le")
    for name in ("train", "train_le"):
        make_set_table(folder / name)


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=256, help="of the set")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a clip")
    parser.add_argument("--runs", type=int, default=5, help="epochs of each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_set(folder, options.clips, options.seconds)
        sets = read_training_sets([folder / "train"], translations=[folder / "train_le"])
        plan = EpochPlan(
            lengths=sets.lengths,
            originals=sets.originals,
            translations=sets.translations,
            options=PlanOptions(batch_size=64, le_ratio=1.0),
        )
        tokenizer = SonarTokenizer(model=str(SPM), langs=LANGS, max_tokens=512)
        dataset = CaptionedClipDataset(
            wav_scp=sets.wav_scp, captions=plan.captions, tokenizer=tokenizer, langs=LANGS
        )
        factory = EpochPlanIterFactory(
            plan=plan, dataset=dataset, collate_fn=MLCLAPCollateFn(pad_id=tokenizer.pad_id)
        )
        paths = [str(folder / f"clip{number:04d}.flac") for number in range(options.clips)]
        things = {
            "libsndfile alone": lambda: [soundfile.read(path, dtype="float32") for path in paths],
            "batches": lambda: sum(1 for _ in factory.build_iter(1)),
        }
        show(take_turns(things, options.runs), "clip", options.clips)
        per_epoch = sum(len(batch) for batch in plan.batches(1)) / options.clips
        print(
            f"(a clip is read {per_epoch:.2f} times an epoch: once in each batch with a caption of it)"
        )


if __name__ == "__main__":
    main()
