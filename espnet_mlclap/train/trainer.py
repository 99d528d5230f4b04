"""ESPnet's trainer with whole-set validation, checkpoints that survive a kill, and time left."""

import argparse
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence

import torch
from espnet2.torch_utils.device_funcs import to_device
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import SubReporter
from espnet2.train.trainer import Trainer, TrainerOptions

from espnet_mlclap.evaluation.metrics import retrieval_scores
from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory
from espnet_mlclap.train.checkpoint import atomic_checkpoints, repair, write_history
from espnet_mlclap.train.warmup_cosine import WarmupCosineLR
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress

# What training and validation report; a criterion for the best checkpoint must be one of these.
REPORTED = {
    "train": ("loss", "loss_t2a", "loss_a2t"),
    "valid": ("mAP@10", "t2a_mAP@10", "a2t_mAP@10", "t2a_R@1", "a2t_R@1", "t2a_R@10", "a2t_R@10"),
}
MODES = ("max", "min")


class MLCLAPTrainer(Trainer):
    """Trains as ESPnet does; differs in how it validates and saves.

    Validation embeds the whole validation set and reports retrieval metrics in per cent, per language and
    as the mean over its languages: `t2a_*` text to audio, `a2t_*` audio to text, and `mAP@10`, the mean
    of both directions' mAP@10, by which the best checkpoint is chosen.
    """

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> TrainerOptions:
        """Options of a run.

        Raises:
            UserError: a criterion that is never reported (ESPnet would silently ignore it).
        """
        check_criteria("best_model_criterion", args.best_model_criterion)
        if args.patience is not None:
            check_criteria("early_stopping_criterion", [args.early_stopping_criterion])
        return super().build_options(args)

    @classmethod
    def run(
        cls,
        *,
        schedulers: Sequence[Any],
        train_iter_factory: EpochPlanIterFactory,
        trainer_options: Any,
        distributed_option: DistributedOption,
        **parts: Any,
    ) -> None:
        """Train until `max_epoch`, going on from `checkpoint.pth` if there is one."""
        for scheduler in schedulers:
            if isinstance(scheduler, WarmupCosineLR):
                batches = train_iter_factory.count_batches(trainer_options.max_epoch)
                scheduler.total_steps = batches // trainer_options.accum_grad
        output_dir = Path(trainer_options.output_dir)
        first = not distributed_option.distributed or distributed_option.dist_rank == 0
        if first and trainer_options.resume:
            repair(output_dir, trainer_options.best_model_criterion)
        if distributed_option.distributed:
            torch.distributed.barrier()
        with atomic_checkpoints():
            super().run(
                schedulers=schedulers,
                train_iter_factory=train_iter_factory,
                trainer_options=trainer_options,
                distributed_option=distributed_option,
                **parts,
            )
        if first:
            write_history(output_dir)

    @classmethod
    def train_one_epoch(
        cls, *, iterator: Any, reporter: SubReporter, options: Any, **rest: Any
    ) -> bool:
        """Train on one epoch's batches, showing how long the epoch will take."""
        name = f"epoch {reporter.get_epoch()}/{options.max_epoch}"
        shown = _SizedProgress(iterator, name)
        return super().train_one_epoch(iterator=shown, reporter=reporter, options=options, **rest)

    @classmethod
    @torch.no_grad()
    def validate_one_epoch(
        cls,
        *,
        model: torch.nn.Module,
        iterator: Iterable,
        reporter: SubReporter,
        options: Any,
        distributed_option: DistributedOption,
    ) -> None:
        """Embed the whole validation set and report retrieval metrics.

        Every rank does the whole set, so that all of them know the same numbers.
        """
        model = getattr(model, "module", model).eval().model
        audio: List[torch.Tensor] = []
        text: List[torch.Tensor] = []
        owners: List[torch.Tensor] = []
        keys: List[str] = []
        clips = 0
        for batch_keys, batch in progress(iterator, "validation", unit="batches"):
            batch = to_device(batch, "cuda" if options.ngpu > 0 else "cpu")
            audio.append(model.encode_audio(batch["audio"], batch["audio_lengths"]).cpu())
            text.append(model.encode_text(batch["text"], batch["text_lengths"]).cpu())
            owners.append(batch["clip_index"].cpu() + clips)
            clips += batch["audio"].shape[0]
            keys.extend(batch_keys)
        langs = [key.rsplit("-", 2)[1] for key in keys]
        stats = validation_stats(torch.cat(audio), torch.cat(text), torch.cat(owners), langs)
        reporter.register(stats)
        reporter.next()


def validation_stats(
    audio: torch.Tensor, text: torch.Tensor, clip_index: torch.Tensor, langs: Sequence[str]
) -> Dict[str, float]:
    """Retrieval metrics in per cent, per language and over the languages.

    Args:
        audio: [N, E] embeddings of clips.
        text: [M, E] embeddings of captions.
        clip_index: [M] the row of `audio` that a caption belongs to.
        langs: language of each caption.
    """
    per_language = []
    stats: Dict[str, float] = {}
    for lang in sorted(set(langs)):
        rows = torch.tensor([index for index, name in enumerate(langs) if name == lang])
        clips, owners = clip_index[rows].unique(return_inverse=True)
        scores = retrieval_scores(audio[clips].numpy(), text[rows].numpy(), owners.numpy())
        flat = {
            f"{way}_{key}": scores[way][key] for way in scores for key in ("R@1", "R@10", "mAP@10")
        }
        per_language.append(flat)
        stats[f"t2a_mAP@10_{lang}"] = flat["t2a_mAP@10"]
    for key in per_language[0]:
        stats[key] = sum(flat[key] for flat in per_language) / len(per_language)
    stats["mAP@10"] = (stats["t2a_mAP@10"] + stats["a2t_mAP@10"]) / 2
    return stats


def check_criteria(option: str, criteria: Sequence[Sequence[str]]) -> None:
    """Make sure that each (phase, key, mode) is one that training reports.

    Raises:
        UserError: otherwise; names the option and what there is.
    """
    for criterion in criteria:
        phase, key, mode = criterion
        known = REPORTED.get(phase, ())
        per_language = phase == "valid" and key.startswith("t2a_mAP@10_")
        if (key not in known and not per_language) or mode not in MODES:
            choices = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in REPORTED.items())
            raise UserError(
                f"{option}: {phase},{key},{mode} is never reported. Choose phase and key from {choices}, "
                f"and max or min."
            )


class _SizedProgress:
    """An iterable with a length (the trainer asks for it) that shows its progress."""

    def __init__(self, loader: Any, desc: str):
        self.loader = loader
        self.desc = desc

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        return iter(progress(self.loader, self.desc, unit="batches"))
