"""Objectives and losses by name. A new one is one class and one line here."""

from typing import Any, Mapping

from espnet_mlclap.models.registry import build_part
from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.utils.registry import Registry

_OBJECTIVES = "espnet_mlclap.objectives"

losses = Registry(
    "loss",
    {
        "infonce": f"{_OBJECTIVES}.infonce:InfoNCELoss",
        "correspondences": f"{_OBJECTIVES}.correspondences:CorrespondenceLoss",
        "sigmoid": f"{_OBJECTIVES}.sigmoid:SigmoidLoss",
        "infonce_same_words": f"{_OBJECTIVES}.infonce_same_words:SameWordsInfoNCELoss",
    },
    base=f"{_OBJECTIVES}.abs_loss:AbsLoss",
)
objectives = Registry(
    "objective",
    {
        "contrastive": f"{_OBJECTIVES}.contrastive:ContrastiveObjective",
        "one_to_k": f"{_OBJECTIVES}.one_to_k:OneToKObjective",
        "co_anchor": f"{_OBJECTIVES}.co_anchor:CoAnchorObjective",
        "pair_scoring": f"{_OBJECTIVES}.pair_scoring:PairScoringObjective",
    },
    base=f"{_OBJECTIVES}.abs_objective:AbsObjective",
)

#: Every registry of this package with the name that is taken where a configuration names none.
OBJECTIVE_REGISTRIES = {losses: "infonce", objectives: "contrastive"}


def build_objective(config: Mapping[str, Any], model: TwoTowerModel) -> AbsObjective:
    """Build the objective that a configuration names, around a model.

    Args:
        config: `loss`, `objective` and the same with `_conf`; other keys are ignored here.
        model: what it trains.

    Raises:
        UserError: a name or a configuration key that does not exist; names the ones that do.
    """
    loss = _build(losses, config)
    return _build(objectives, config, model=model, loss=loss)


def _build(registry: Registry, config: Mapping[str, Any], **given: Any) -> Any:
    name = config.get(registry.kind) or OBJECTIVE_REGISTRIES[registry]
    return build_part(registry, name, config.get(f"{registry.kind}_conf") or {}, **given)
