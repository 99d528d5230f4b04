"""The loop over epochs: train, validate by scoring the whole set, write files that survive a kill."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, Protocol, Sequence

import torch
from espnet2.schedulers.abs_scheduler import AbsEpochStepScheduler, AbsValEpochStepScheduler
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter, SubReporter
from espnet2.train.trainer import Trainer, TrainerOptions

from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.train.checkpoint import TrainingFiles
from espnet_mlclap.train.options import check_criteria
from espnet_mlclap.train.warmup_cosine import WarmupCosineLR
from espnet_mlclap.utils.progress import progress


class Validation(Protocol):
    """Turns a model into figures; handed in by the task, so that the loop knows nothing of what is scored.

    Attributes:
        reported: names of the figures.
    """

    reported: Sequence[str]

    def __call__(self, model: TwoTowerModel, device: str) -> Dict[str, float]:
        """Figures of `model`, which is on `device`."""


class MLCLAPTrainer(Trainer):
    """ESPnet's training of an epoch in a loop of our own.

    ESPnet's loop writes checkpoints in place, saves what it trains as a whole (here an objective, of which
    only the model is to be saved) and validates batch by batch. This one does what this project needs of
    it; `options.py` refuses what it leaves out.
    """

    @classmethod
    def run(
        cls,
        *,
        model: AbsObjective,
        optimizers: Sequence[torch.optim.Optimizer],
        schedulers: Sequence[Any],
        train_iter_factory: EpochPlanIterFactory,
        valid_iter_factory: Validation,
        trainer_options: TrainerOptions,
        distributed_option: DistributedOption,
        plot_attention_iter_factory: None = None,
    ) -> None:
        """Train until `max_epoch`, continuing from `checkpoint.pth` if there is one.

        The names of the arguments are those by which ESPnet's task hands them over.

        Raises:
            UserError: a criterion that is never reported; a `checkpoint.pth` from elsewhere.
        """
        options = trainer_options
        _check_criteria(options, schedulers, model, valid_iter_factory)
        for scheduler in schedulers:
            if isinstance(scheduler, WarmupCosineLR):
                scheduler.set_steps(
                    partial(train_iter_factory.count_steps, accum_grad=options.accum_grad),
                    options.max_epoch,
                )
        reporter = Reporter()
        files = TrainingFiles(
            options.output_dir,
            reporter,
            criteria=options.best_model_criterion,
            best_counts=options.keep_nbest_models,
        )
        writes = _is_first(distributed_option)
        if options.resume and files.checkpoint.exists():
            files.resume(model, optimizers, schedulers)
            if writes:
                files.complete(model)
        parallel = _data_parallel(model, options, distributed_option)
        writers = _summary_writers(options, distributed_option)
        for epoch in range(reporter.get_epoch() + 1, options.max_epoch + 1):
            if _stops_early(reporter, options):
                break
            logging.info(f"epoch {epoch}/{options.max_epoch} starts")
            set_all_random_seed(options.seed + epoch)
            reporter.set_epoch(epoch)
            with reporter.observe("train") as phase:
                all_steps_failed = cls.train_one_epoch(
                    model=parallel,
                    optimizers=optimizers,
                    schedulers=schedulers,
                    iterator=_Shown(
                        train_iter_factory.build_iter(epoch), f"epoch {epoch}/{options.max_epoch}"
                    ),
                    reporter=phase,
                    scaler=None,
                    summary_writer=writers.get("train"),
                    options=options,
                    distributed_option=distributed_option,
                )
            with reporter.observe("valid") as phase:
                _validate(valid_iter_factory, model, phase, options, distributed_option)
            _step_by_epoch(schedulers, reporter, options)
            _report(reporter, writers, options, distributed_option)
            if writes:
                files.write(model, optimizers, schedulers)
            if all_steps_failed:
                logging.warning(
                    f"no step of epoch {epoch} had finite gradients; the training ends here. Try a lower "
                    "learning rate."
                )
                break
        if writes:
            files.write_averages()


def _is_first(distributed_option: DistributedOption) -> bool:
    """Whether this process writes the files."""
    return not distributed_option.distributed or distributed_option.dist_rank == 0


def _check_criteria(
    options: TrainerOptions,
    schedulers: Sequence[Any],
    objective: AbsObjective,
    validation: Validation,
) -> None:
    reported = {"train": objective.reported, "valid": validation.reported}
    check_criteria("best_model_criterion", options.best_model_criterion, reported)
    if any(isinstance(scheduler, AbsValEpochStepScheduler) for scheduler in schedulers):
        check_criteria("val_scheduler_criterion", [options.val_scheduler_criterion], reported)
    if options.patience is not None:
        check_criteria("early_stopping_criterion", [options.early_stopping_criterion], reported)


def _data_parallel(
    objective: AbsObjective, options: TrainerOptions, distributed_option: DistributedOption
) -> torch.nn.Module:
    """The objective as one of several ranks, if there are several."""
    if not distributed_option.distributed:
        return objective
    device = torch.cuda.current_device() if distributed_option.ngpu == 1 else None
    return torch.nn.parallel.DistributedDataParallel(
        objective,
        device_ids=None if device is None else [device],
        output_device=device,
        find_unused_parameters=options.unused_parameters,
        gradient_as_bucket_view=options.gradient_as_bucket_view,
    )


def _stops_early(reporter: Reporter, options: TrainerOptions) -> bool:
    """Whether the epochs so far are enough; asked before each, so that resuming does not add one."""
    return (
        options.patience is not None
        and reporter.get_epoch() > 0
        and reporter.check_early_stopping(options.patience, *options.early_stopping_criterion)
    )


@torch.no_grad()
def _validate(
    validation: Validation,
    objective: AbsObjective,
    reporter: SubReporter,
    options: TrainerOptions,
    distributed_option: DistributedOption,
) -> None:
    """Report the figures of the model.

    The ranks share the embedding, and each computes the figures; those of the first rank count for all. The
    averages of batch normalisation, which differ from rank to rank, are those of the first rank, which are
    saved, too (as they are at the beginning of each step).
    """
    if distributed_option.distributed:
        for buffer in objective.model.buffers():
            torch.distributed.broadcast(buffer, src=0)
    stats = [validation(objective.model, "cuda" if options.ngpu > 0 else "cpu")]
    if distributed_option.distributed:
        torch.distributed.broadcast_object_list(stats, src=0)
    reporter.register(stats[0])
    reporter.next()


def _step_by_epoch(schedulers: Sequence[Any], reporter: Reporter, options: TrainerOptions) -> None:
    """Move the schedules that change with epochs; the others move with each step."""
    for scheduler in schedulers:
        if isinstance(scheduler, AbsValEpochStepScheduler):
            scheduler.step(reporter.get_value(*options.val_scheduler_criterion))
        elif isinstance(scheduler, AbsEpochStepScheduler):
            scheduler.step()


def _summary_writers(
    options: TrainerOptions, distributed_option: DistributedOption
) -> Dict[str, Any]:
    """Tensorboard's writers by phase, if they are asked for."""
    if not options.use_tensorboard or not _is_first(distributed_option):
        return {}
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(options.output_dir) / "tensorboard"
    return {phase: SummaryWriter(str(folder / phase)) for phase in ("train", "valid")}


def _report(
    reporter: Reporter,
    writers: Dict[str, Any],
    options: TrainerOptions,
    distributed_option: DistributedOption,
) -> None:
    """Show what was reported in an epoch in all places that were asked for."""
    if not _is_first(distributed_option):
        return
    logging.info(reporter.log_message())
    if options.use_matplotlib:
        reporter.matplotlib_plot(Path(options.output_dir) / "images")
    for phase, writer in writers.items():
        reporter.tensorboard_add_scalar(writer, key1=phase)
    if options.use_wandb:
        reporter.wandb_log()


class _Shown:
    """An iterable with a length (the trainer asks for it) that shows its progress."""

    def __init__(self, loader: Any, desc: str):
        self.loader = loader
        self.desc = desc

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        return iter(progress(self.loader, self.desc, unit="batches"))
