"""What gives clips and captions to a training, and keeps what frozen towers make of them."""

import argparse
from pathlib import Path
from typing import Any, Dict, Tuple

import torch

from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.fileio.shard_places import read_shard_places
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.lanes import LanePlan
from espnet_mlclap.models.experiment import in_folder
from espnet_mlclap.models.registry import audio_encoders, build_part, text_encoders
from espnet_mlclap.models.reranker.token_store import (
    StoredCaptions,
    StoredClips,
    TokenStores,
    describe_towers,
    fill_stores,
)
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.objectives.pair_scoring import PairScoringObjective
from espnet_mlclap.train.training_sets import TrainingSets, read_training_sets
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.normalize import NORMALIZERS


def keep_tokens(objective: AbsObjective, args: argparse.Namespace) -> Dict[str, Any]:
    """Let the towers encode the training set once, if they have not yet (`--token_store`).

    Returns:
        What tells these towers' stores from others'.

    Raises:
        UserError: another objective than pair scoring, or towers that are trained.
    """
    if not isinstance(objective, PairScoringObjective):
        raise UserError("token_store: is for objective: pair_scoring, whose towers may be frozen.")
    objective.take_tokens()
    sets = read_training_sets(
        args.train_data_dir,
        translations=args.le_data_dir if args.le_ratio > 0 else [],
        paraphrases=args.paraphrase_data_dir if args.paraphrase_ratio > 0 else [],
    )
    normalize = NORMALIZERS[args.text_normalization]
    wanted = args.le_langs.split() if args.le_langs else None
    captions = [*sets.originals.values(), *sets.paraphrases.values()]
    captions += [one for one in sets.translations.values() if wanted is None or one.lang in wanted]
    towers = describe_towers(objective.model)
    fill_stores(
        objective.model,
        TokenStores.open(args.token_store, towers),
        locations=list(sets.wav_scp.values()),
        captions=[
            (normalize(one.text, one.lang) if normalize else one.text, one.lang) for one in captions
        ],
        device="cuda" if args.ngpu > 0 else "cpu",
    )
    return {side: list(about) for side, about in towers.items()}


def inputs(args: argparse.Namespace) -> Tuple[ClipReader, Tokenizer]:
    """What gives clips and captions to a training: samples and words, or tokens that are kept."""
    if not args.token_store:
        return load_reader(args), load_tokenizer(args)
    stores = TokenStores.open(args.token_store, args.token_towers)
    return StoredClips(stores.audio), StoredCaptions(stores.text)


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
