#!/usr/bin/env python3
"""Do estimated correspondences help on scenes, and if not, is it the method, the scale or a fault?

    ./run_scenes.sh --stage 1 --stop_stage 4
    python3 local/study_correspondences.py --out STUDY_CORRESPONDENCES.md

With frozen encoders a training is a matter of seconds, and the recipe spends more on starting its commands.
Here many run in one process, by the same parts (configurations, epoch plan, losses, scoring), on English
alone. That also allows for what a recipe cannot do: targets that are right, since the grammar knows which
scenes a training caption fits, and the teachers' estimates held against them.
"""

import argparse
import copy
import statistics
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from esc10_corpus import SOURCE_LANG, read_sets  # noqa: E402
from scenes.corpus import draw_claims, draw_scenes, load_config  # noqa: E402

from espnet_mlclap.evaluation.embeddings import EmbeddingSet  # noqa: E402
from espnet_mlclap.evaluation.scores import mean_of_languages, score_set  # noqa: E402
from espnet_mlclap.fileio.caption_columns import CaptionColumns  # noqa: E402
from espnet_mlclap.fileio.data_dir import DataDir, read_table  # noqa: E402
from espnet_mlclap.iterators.epoch_plan import EpochPlan  # noqa: E402
from espnet_mlclap.iterators.plan_options import PlanOptions  # noqa: E402
from espnet_mlclap.models.registry import build_model  # noqa: E402
from espnet_mlclap.objectives.correspondences import join_teachers  # noqa: E402
from espnet_mlclap.objectives.registry import build_objective  # noqa: E402
from espnet_mlclap.utils.atomic import atomic_open  # noqa: E402
from espnet_mlclap.utils.config import merge, read_config  # noqa: E402
from espnet_mlclap.utils.tables import Table  # noqa: E402

FORMATTED, DATA = Path("dump/scenes/original"), Path("data/scenes")
CONF = Path("conf/scenes")
COLUMNS = ("fits R@1", "fits mAP@10", "t2a R@1", "t2a mAP@10", "a2t mAP@10")
_NO_DROPOUT = {f"{side}_projection_conf": {"dropout": 0.0} for side in ("audio", "text")}


class Vectors(NamedTuple):
    """A set as a pair of frozen encoders sees it: one token per clip and caption, in the order of the ids."""

    data: DataDir
    clips: List[str]
    captions: List[str]
    audio: torch.Tensor  # [clips, 1, width]
    text: torch.Tensor  # [captions, 1, width]


@dataclass
class Trained:
    """A model with the vectors that it takes, by set."""

    model: torch.nn.Module
    vectors: Mapping[str, Vectors]

    @torch.no_grad()
    def embed(self, name: str) -> List[np.ndarray]:
        """Clips and captions of a set, in the shared space."""
        one = self.vectors[name]
        self.model.eval()
        return [
            encode(rows, torch.ones(len(rows), dtype=torch.long)).numpy()
            for encode, rows in (
                (self.model.encode_audio, one.audio),
                (self.model.encode_text, one.text),
            )
        ]


def read_vectors(model: torch.nn.Module) -> Dict[str, Vectors]:
    """The sets through the frozen encoders of a model; kept in their store."""
    reader, tokenizer = model.audio_encoder.reader, model.text_encoder.tokenizer
    found = {}
    for name in ("train", "valid", "test"):
        data = DataDir.read(FORMATTED / name)
        clips = sorted(data.wav_scp)
        captions = sorted(key for key, one in data.captions.items() if one.lang == SOURCE_LANG)
        data.captions = {key: data.captions[key] for key in captions}
        reader.prepare([data.wav_scp[clip] for clip in clips])
        audio = np.stack([reader(data.wav_scp[clip]) for clip in clips])
        words = [(data.captions[key].text, data.captions[key].lang) for key in captions]
        text = np.stack(tokenizer.many(words))
        found[name] = Vectors(data, clips, captions, torch.tensor(audio), torch.tensor(text))
    return found


def train(
    config: Mapping[str, Any],
    fresh: Trained,
    seed: int,
    *,
    start: Optional[Trained] = None,
    targets: Optional[Sequence[np.ndarray]] = None,
) -> Trained:
    """One training, its best epoch by the validation set.

    Args:
        config: of the training.
        fresh: a model that was not trained, with its vectors.
        seed: of weights, dropout and batches.
        start: whose weights it starts from.
        targets: vectors of clips and captions whose products are the correspondences.
    """
    torch.manual_seed(seed)
    model = copy.deepcopy((start or fresh).model)
    if start is None:
        for part in model.modules():
            if isinstance(part, torch.nn.Linear):
                part.reset_parameters()
    loss = build_objective(config, model).loss
    one = fresh.vectors["train"]
    plan = EpochPlan(
        lengths=dict.fromkeys(one.clips, 1.0),
        originals=CaptionColumns.of(one.data.captions),
        translations=CaptionColumns(),
        options=PlanOptions(batch_size=config["batch_size"], le_ratio=0.0, seed=seed),
    )
    clip_row = {clip: row for row, clip in enumerate(one.clips)}
    caption_row = {key: row for row, key in enumerate(one.captions)}
    optimiser = torch.optim.Adam(model.parameters(), **config["optim_conf"])
    trained, best, states = Trained(model, fresh.vectors), -1.0, None
    for epoch in range(1, config["max_epoch"] + 1):
        model.train()
        for batch in plan.batches(epoch):
            clips = [clip_row[item.clip] for item in batch]
            captions = [caption_row[key] for item in batch for key in item.captions]
            owners = torch.tensor([n for n, item in enumerate(batch) for _ in item.captions])
            given = {}
            if targets is not None:
                given["teacher_audio"] = torch.tensor(targets[0][clips])
                given["teacher_text"] = torch.tensor(targets[1][captions])
            value, _ = loss(
                model.encode_audio(one.audio[clips], torch.ones(len(clips), dtype=torch.long)),
                model.encode_text(one.text[captions], torch.ones(len(captions), dtype=torch.long)),
                owners,
                **given,
            )
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        figure = mean_of_languages(score_set(embedding_set([trained], "valid"), replicates=0))
        if figure["mAP@10"] > best:
            best, states = figure["mAP@10"], copy.deepcopy(model.state_dict())
    model.load_state_dict(states)
    return trained


def embedding_set(models: Sequence[Trained], name: str) -> EmbeddingSet:
    """A set as one model sees it, or several together: their mean cosine."""
    one = models[0].vectors[name]
    audio, text = (join_teachers(side) for side in zip(*(model.embed(name) for model in models)))
    row = {clip: number for number, clip in enumerate(one.clips)}
    captions = [one.data.captions[key] for key in one.captions]
    return EmbeddingSet(
        path=FORMATTED / name,
        audio=audio,
        clips=one.clips,
        text=text,
        captions=one.captions,
        caption_to_clip=np.array([row[caption.clip] for caption in captions]),
        langs=[caption.lang for caption in captions],
    )


def score(*models: Trained) -> Dict[str, float]:
    """Figures of the English test captions by column."""
    embeddings = embedding_set(models, "test")
    listed = read_table(DATA / "relevant_test")  # of captions in all languages
    relevant = {key: listed[key].split() for key in embeddings.captions}
    entry = score_set(embeddings, replicates=0, relevant=relevant)["eng_Latn"]
    ways = {"fits": entry["multiple_positives"]["t2a"], "t2a": entry["t2a"], "a2t": entry["a2t"]}
    return {column: ways[column.split()[0]][column.split()[1]] for column in COLUMNS}


def truth(one: Vectors) -> List[np.ndarray]:
    """What the grammar knows of the training set: vectors whose product is 1 where a caption fits a scene."""
    config = load_config(Path("conf/scenes.yaml"))
    labels = sorted({clip.label for clips in read_sets(Path("corpus")).values() for clip in clips})
    scenes = draw_scenes(config, "train", config.sets["train"], labels)
    fits = np.zeros((len(one.captions), len(one.clips)), np.float32)
    for row, key in enumerate(one.captions):
        scene, number = one.data.captions[key].clip, int(key.rpartition("-")[2])
        rng = np.random.default_rng([config.seed, 2, zlib.crc32(scene.encode())])
        claim = draw_claims(rng, scenes[scene], config.sets["train"])[number - 1]
        fits[row] = [claim.fits(scenes[clip]) for clip in one.clips]
    return [np.eye(len(one.clips), dtype=np.float32), fits]


def quality(targets: Sequence[np.ndarray], right: np.ndarray, temperature: float) -> List[float]:
    """Per cent of the targets over all training scenes: on the own one, on others that fit, on the rest."""
    logits = targets[1] @ targets[0].T / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return [
        100 * float((shares * mask).sum(axis=1).mean())
        for mask in (right == 2, right == 1, right == 0)
    ]


def study(seeds: Sequence[int], dropout: bool) -> str:
    """All trainings of one setting, as Markdown."""
    more = {} if dropout else _NO_DROPOUT
    stage1, student, minilm = (
        merge(read_config(CONF / f"correspondences{name}.yaml"), more)
        for name in ("_stage1", "", "_minilm")
    )
    fresh, other = (
        Trained(model, read_vectors(model)) for model in map(build_model, (stage1, minilm))
    )
    one = fresh.vectors["train"]
    right = truth(one)
    first = [train(stage1, fresh, seed) for seed in seeds]
    others = [train(minilm, other, seed) for seed in seeds]
    taught = [[model.embed("train") for model in models] for models in (first, others)]

    def joined(*models: Sequence[np.ndarray]) -> List[np.ndarray]:
        return [join_teachers(side) for side in zip(*models)]

    figures: Dict[str, List[Dict[str, float]]] = {}
    shares: Dict[str, List[List[float]]] = {}
    own = np.array([one.data.captions[key].clip for key in one.captions])
    marked = right[1] + (
        own[:, None] == np.array(one.clips)
    )  # 2: its own, 1: it fits, 0: it does not
    for place, seed in enumerate(seeds):
        three = [(place + step) % len(seeds) for step in range(3)]
        targets = {
            "self-distilled": taught[0][place],
            "ensemble of three seeds": joined(*(taught[0][one] for one in three)),
            "ensemble with MiniLM": joined(taught[0][place], taught[1][place]),
            "targets that are right": right,
        }
        start, again = first[place], 100 + seed
        models = {
            "stage 1: one-hot targets": [start],
            "as many epochs again": [train(stage1, fresh, again, start=start)],
            **{
                name: [train(student, fresh, again, start=start, targets=given)]
                for name, given in targets.items()
            },
            "the three teachers together": [first[one] for one in three],
        }
        for name, chosen in models.items():
            figures.setdefault(name, []).append(score(*chosen))
        for name, given in targets.items():
            found = quality(given, marked, student["loss_conf"]["temperature"])
            shares.setdefault(name, []).append(found)
    rows = [
        [name, *(_cell([one[c] for one in found]) for c in COLUMNS)]
        for name, found in figures.items()
    ]
    lines = [Table(["learnt from", *COLUMNS], rows).markdown(), ""]
    heads = [
        "targets, per cent of them on",
        "the own scene",
        "others that fit",
        "scenes that do not fit",
    ]
    rows = [[name, *(_cell(column) for column in zip(*found))] for name, found in shares.items()]
    return "\n".join([*lines, Table(heads, rows).markdown(), ""])


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1 2 3 4 5", help="three or more")
    parser.add_argument("--out", default="STUDY_CORRESPONDENCES.md", help="Markdown file")
    options = parser.parse_args()
    seeds = [int(word) for word in options.seeds.split()]
    parts = ["# Estimated correspondences on scenes: method, scale or fault?", ""]
    for dropout, title in ((True, "half of the hidden values dropped"), (False, "no dropout")):
        parts += [f"## Projections with {title}", "", study(seeds, dropout)]
    with atomic_open(options.out) as file:
        file.write("\n".join(parts))
    print("\n".join(parts))


if __name__ == "__main__":
    main()
