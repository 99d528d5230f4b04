"""What gives clips and captions to a training, and keeps what frozen towers make of them."""

import argparse
import json
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch

from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.fileio.shard_places import read_shard_places
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.lanes import LanePlan
from espnet_mlclap.models.experiment import in_folder
from espnet_mlclap.models.exported import settings_of_export
from espnet_mlclap.models.frozen.towers import (
    Kept,
    StoredCaptions,
    StoredClips,
    fill_stores,
    open_stores,
)
from espnet_mlclap.models.registry import audio_encoders, build_part, text_encoders
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.train.training_sets import TrainingSets, read_training_sets
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.normalize import NORMALIZERS


def encode_once(objective: AbsObjective, args: argparse.Namespace) -> Dict[str, Kept]:
    """Let frozen towers encode the training set, if they have not yet (`--token_store`).

    Args:
        objective: whose towers they are.
        args: after `MLCLAPTask.build_model` has exported them to `args.output_dir`.

    Returns:
        What is kept of them.

    Raises:
        UserError: towers that are trained, or an objective that takes nothing kept.
    """
    kept = {
        side: of_tower.with_settings(_settings(args, side, pooled=not of_tower.tokens))
        for side, of_tower in objective.take_kept().items()
    }
    sets = read_training_sets(
        args.train_data_dir,
        translations=args.le_data_dir if args.le_ratio > 0 else [],
        paraphrases=args.paraphrase_data_dir if args.paraphrase_ratio > 0 else [],
    )
    normalize = NORMALIZERS[args.text_normalization]
    translations = sets.translations.only(langs=codes(args.le_langs, "le_langs"))
    groups = [sets.originals, sets.paraphrases, translations]
    fill_stores(
        objective.model,
        open_stores(args.token_store, kept),
        locations=list(sets.wav_scp.values()),
        captions=(
            (normalize(one.text, one.lang) if normalize else one.text, one.lang)
            for group in groups
            for one in group.values()
        ),
        number=sum(map(len, groups)),
        device="cuda" if args.ngpu > 0 else "cpu",
    )
    return kept


def _settings(args: argparse.Namespace, side: str, *, pooled: bool) -> str:
    """What the encoder of a side computes, with its pooling where that is `pooled`, beside their weights."""
    registry = {"audio": audio_encoders, "text": text_encoders}[side]
    name, conf = getattr(args, registry.kind), getattr(args, f"{registry.kind}_conf")
    settings = settings_of_export(registry, name, conf, Path(args.output_dir))
    if pooled:
        pooling = getattr(args, f"{side}_pooling_conf") or {}
        settings += f" {json.dumps(pooling, sort_keys=True, default=str)}"
    return settings


def inputs(args: argparse.Namespace) -> Tuple[ClipReader, Tokenizer]:
    """What gives clips and captions to a training: samples and words, or what is kept of them."""
    stores = open_stores(args.token_store, args.kept) if args.token_store else {}
    return (
        StoredClips(stores["audio"]) if "audio" in stores else load_reader(args),
        StoredCaptions(stores["text"]) if "text" in stores else load_tokenizer(args),
    )


def shard_lanes(
    args: argparse.Namespace, plan: EpochPlan, sets: TrainingSets, reader: ClipReader
) -> LanePlan:
    """How the epochs of a plan are read from shards, from front to back (`--reading sequential`).

    Raises:
        UserError: clips that are looked up, not heard; a set without shards; a buffer that is too small.
    """
    if not reader.by_waveform:
        raise UserError(
            "reading: sequential is for clips that are heard; those of a frozen encoder or a token_store are "
            "looked up. Set it to random (mlclap.sh --shard_reading random)."
        )
    places = read_shard_places(
        list(zip(args.train_data_dir, sets.wav_scp.of_sets())), plan.lengths.ids, args.shard_source
    )
    return LanePlan(plan, places, buffer=args.reading_buffer, workers=args.num_workers)


def load_tokenizer(args: argparse.Namespace) -> Tokenizer:
    """The tokenizer that an experiment exported, without the weights of its encoder.

    Args:
        args: after `MLCLAPTask.build_model`, which exports it to `args.output_dir`.
    """
    folder = Path(args.output_dir)
    conf = in_folder(text_encoders, args.text_encoder, args.text_encoder_conf, folder)
    with torch.device("meta"):
        return build_part(text_encoders, args.text_encoder, conf).tokenizer


def load_reader(args: argparse.Namespace) -> ClipReader:
    """What gives clips to the audio encoder of an experiment, without the encoder's weights; as above."""
    folder = Path(args.output_dir)
    conf = in_folder(audio_encoders, args.audio_encoder, args.audio_encoder_conf, folder)
    with torch.device("meta"):
        return build_part(audio_encoders, args.audio_encoder, conf).reader


def codes(value: Union[None, str, Sequence[str]], option: str) -> Optional[List[str]]:
    """Languages of an option: FLORES-200 codes in a string with spaces, or in a list of the configuration.

    Returns:
        None where none are given.

    Raises:
        UserError: neither a string nor a list of strings.
    """
    if not value:
        return None
    langs = value.split() if isinstance(value, str) else value
    if not isinstance(langs, (list, tuple)) or not all(isinstance(lang, str) for lang in langs):
        raise UserError(f"{option}: {value!r} are no languages. Write codes: eng_Latn fra_Latn")
    return list(langs)
