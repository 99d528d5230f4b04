"""Validation while training: the validation set embedded and scored as stages 6 and 7 do it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

from espnet_mlclap.evaluation.embed_set import embed_set
from espnet_mlclap.evaluation.embeddings import EmbeddingSet
from espnet_mlclap.evaluation.rerank_set import rerank_set
from espnet_mlclap.evaluation.reranked_scores import reranked_scores
from espnet_mlclap.evaluation.scores import (
    CRITERION,
    DIRECTIONS,
    MEAN_NAMES,
    mean_of_languages,
    score_set,
)
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.errors import UserError

_TOWERS = f"towers_{CRITERION}"


class ValidationSet:
    """A formatted set that turns a model into figures (a `train.trainer.Validation`).

    The figures are in per cent: those of `mean_of_languages`, with `mAP@10`, by which the best checkpoint is
    chosen, and for each language `t2a_mAP@10_<lang>` and `a2t_mAP@10_<lang>`.

    Args:
        data_dir: the formatted set.
        normalize: what is applied to captions while training.
        num_workers: processes that read clips.
        langs: languages of the captions that are looked at; none for all.

    Raises:
        UserError: the set is not there or broken, or has no captions in one of `langs`.
    """

    def __init__(
        self,
        data_dir: Union[str, Path],
        *,
        normalize: Optional[Callable[[str, str], str]] = None,
        num_workers: int = 0,
        langs: Sequence[str] = (),
    ):
        self.path = Path(data_dir)
        self.data = DataDir.read(self.path)
        if langs:
            self.data = self._in(langs)
        self.normalize = normalize
        self.num_workers = num_workers

    def _in(self, langs: Sequence[str]) -> DataDir:
        """All clips, with the captions in `langs`: figures are those that these have among all languages."""
        known = self.data.languages
        for lang in langs:
            if lang not in known:
                raise UserError(
                    f"valid_langs: {self.path} has no captions in {lang!r}. It has {', '.join(known)}."
                )
        captions = {key: value for key, value in self.data.captions.items() if value.lang in langs}
        return replace(self.data, captions=captions)

    @property
    def reported(self) -> Tuple[str, ...]:
        """Names of the figures."""
        return (
            *MEAN_NAMES,
            *(_name(way, lang) for lang in self.data.languages for way in DIRECTIONS),
        )

    def __call__(self, model: TwoTowerModel, device: str) -> Dict[str, float]:
        """Figures of a model that is on `device`."""
        return _figures(score_set(self.embed(model, device), replicates=0))

    def embed(self, model: TwoTowerModel, device: str) -> EmbeddingSet:
        """The set in the space of the model's towers."""
        return embed_set(
            model,
            self.data,
            path=self.path,
            normalize=self.normalize,
            device=device,
            num_workers=self.num_workers,
            over_ranks=True,
        )


class RerankedValidationSet(ValidationSet):
    """The same for a model of pairs: the figures are those of what its towers found, reranked.

    `towers_mAP@10` is what the towers give by themselves.

    Args:
        top: items of each query that are scored; 0 for all.
        data_dir, settings: as in `ValidationSet`.
    """

    def __init__(self, data_dir: Union[str, Path], *, top: int = 50, **settings: Any):
        super().__init__(data_dir, **settings)
        if top < 0:
            raise UserError(f"valid_rerank_top: {top}. Give a number of items, or 0 for all.")
        self.top = top

    @property
    def reported(self) -> Tuple[str, ...]:
        return (*super().reported, _TOWERS)

    def __call__(self, model: TwoTowerModel, device: str) -> Dict[str, float]:
        if not isinstance(model, CoAttentionModel):
            raise TypeError(f"{type(model).__name__} scores no pairs")
        embeddings = self.embed(model, device)
        pair_scores = rerank_set(
            model,
            self.data,
            embeddings,
            top=self.top or None,
            normalize=self.normalize,
            device=device,
            num_workers=self.num_workers,
            over_ranks=True,
        )
        towers = mean_of_languages(score_set(embeddings, replicates=0))
        return {
            **_figures(reranked_scores(embeddings, pair_scores)),
            _TOWERS: towers[CRITERION],
        }


def _figures(scores: Mapping[str, dict]) -> Dict[str, float]:
    figures = mean_of_languages(scores)
    for lang, entry in scores.items():
        figures.update((_name(way, lang), entry[way][CRITERION]) for way in DIRECTIONS)
    return figures


def _name(way: str, lang: str) -> str:
    return f"{way}_{CRITERION}_{lang}"
