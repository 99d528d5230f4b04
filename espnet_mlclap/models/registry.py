"""The building blocks of a model by name, and the model that a configuration names.

A new encoder, pooling or projection is one class and one line here; a class of your own outside of this
package is named as `package.module:Class`.
"""

from typing import Any, Dict, Mapping, Optional, Sequence

from espnet_mlclap.models.two_tower import TwoTowerModel
from espnet_mlclap.utils.config import check_keys
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.registry import Registry
from espnet_mlclap.utils.resources import is_shortage
from espnet_mlclap.utils.settings import (
    check_types,
    constructor_parameters,
    constructor_types,
)

_MODELS = "espnet_mlclap.models"

audio_encoders = Registry(
    "audio_encoder",
    {
        "ced": f"{_MODELS}.audio_encoder.ced:CEDAudioEncoder",
        "sonar_speech": f"{_MODELS}.audio_encoder.sonar_speech:SonarSpeechEncoder",
        "huggingface": f"{_MODELS}.audio_encoder.huggingface:HuggingfaceAudioEncoder",
        "frozen": f"{_MODELS}.frozen.audio:FrozenAudioEncoder",
        "fusion": f"{_MODELS}.audio_encoder.fusion:FusionAudioEncoder",
    },
    base=f"{_MODELS}.audio_encoder.abs_audio_encoder:AbsAudioEncoder",
)
text_encoders = Registry(
    "text_encoder",
    {
        "sonar": f"{_MODELS}.text_encoder.sonar:SonarTextEncoder",
        "huggingface": f"{_MODELS}.text_encoder.huggingface:HuggingfaceTextEncoder",
        "sentence_transformers": (
            f"{_MODELS}.text_encoder.sentence_transformers:SentenceTransformersTextEncoder"
        ),
        "frozen": f"{_MODELS}.frozen.text:FrozenTextEncoder",
    },
    base=f"{_MODELS}.text_encoder.abs_text_encoder:AbsTextEncoder",
)
_POOLINGS = {
    "mean": f"{_MODELS}.pooling:MeanPooling",
    "first": f"{_MODELS}.pooling:FirstPooling",
    "first_dense": f"{_MODELS}.pooling:FirstDensePooling",
    "max_of_segments": f"{_MODELS}.pooling:MaxOfSegmentsPooling",
}
_PROJECTIONS = {
    "mlp": f"{_MODELS}.projection:MLPProjection",
    "linear": f"{_MODELS}.projection:LinearProjection",
}
audio_poolings = Registry("audio_pooling", _POOLINGS, base=f"{_MODELS}.pooling:AbsPooling")
text_poolings = Registry("text_pooling", _POOLINGS, base=f"{_MODELS}.pooling:AbsPooling")
audio_projections = Registry(
    "audio_projection", _PROJECTIONS, base=f"{_MODELS}.projection:AbsProjection"
)
text_projections = Registry(
    "text_projection", _PROJECTIONS, base=f"{_MODELS}.projection:AbsProjection"
)
co_attentions = Registry(
    "co_attention",
    {
        "single": f"{_MODELS}.reranker.co_attention:SingleCoAttention",
        "stacking": f"{_MODELS}.reranker.co_attention:StackingCoAttention",
        "iterating": f"{_MODELS}.reranker.co_attention:IteratingCoAttention",
    },
    base=f"{_MODELS}.reranker.co_attention:AbsCoAttention",
)
models = Registry(
    "model",
    {
        "two_tower": f"{_MODELS}.two_tower:TwoTowerModel",
        "co_attention": f"{_MODELS}.reranker.pair_model:CoAttentionModel",
    },
    base=f"{_MODELS}.two_tower:TwoTowerModel",
)

#: Every registry of this package with the name that is taken where a configuration names none.
MODEL_REGISTRIES = {
    audio_encoders: "ced",
    text_encoders: "sonar",
    audio_poolings: "mean",
    text_poolings: "mean",
    audio_projections: "mlp",
    text_projections: "mlp",
    co_attentions: "iterating",
    models: "two_tower",
}


def check_model_config(config: Mapping[str, Any], where: str) -> None:
    """Check the names and settings of building blocks in a configuration, as far as they are given.

    Raises:
        UserError: a name that is no text, settings that are not given by name, or languages that are no list.
    """
    types: Dict[str, Any] = {"train_langs": Optional[Sequence[str]], "text_normalization": str}
    for registry in MODEL_REGISTRIES:
        types[registry.kind] = Optional[str]
        types[f"{registry.kind}_conf"] = Optional[Mapping[str, Any]]
    check_types(config, types, where)


def build_model(config: Mapping[str, Any]) -> TwoTowerModel:
    """Build the model that a configuration names, with random weights or those that its encoders load.

    Args:
        config: names by registry (`audio_encoder: ced`) and settings (`audio_encoder_conf: {...}`), as in
            config.yaml of an experiment; other keys are ignored here. Unchanged afterwards.

    Raises:
        UserError: a name or a configuration key that does not exist; names the ones that do.
    """
    check_model_config(config, "configuration")
    parts = {
        "audio_encoder": _build(audio_encoders, config),
        "text_encoder": _build(text_encoders, config),
    }
    embed_size = _embed_size(config)
    for side, pooling, projection in (
        ("audio", audio_poolings, audio_projections),
        ("text", text_poolings, text_projections),
    ):
        pooled = _build(pooling, config, input_size=parts[f"{side}_encoder"].output_size())
        parts[f"{side}_pooling"] = pooled
        parts[f"{side}_projection"] = _build(
            projection, config, input_size=pooled.output_size(), output_size=embed_size
        )
    wanted = constructor_parameters(_model_class(config))
    if co_attentions.kind in wanted:
        sizes = {
            f"{side}_size": parts[f"{side}_encoder"].output_size() for side in ("audio", "text")
        }
        parts[co_attentions.kind] = _build(co_attentions, config, **sizes)
    return _build(models, config, **parts)


def build_part(registry: Registry, name: str, conf: Mapping[str, Any], **given: Any) -> Any:
    """Construct a class of a registry from its settings.

    Args:
        registry: where its name is looked up.
        name: the class.
        conf: its settings, from a configuration file.
        given: arguments of the constructor that are not for a configuration file.

    Raises:
        UserError: a key that the class does not have, or a value out of its range.
    """
    cls = registry.get(name)
    where = f"{registry.kind}_conf of {name}"
    check_keys(conf, [key for key in constructor_parameters(cls) if key not in given], where)
    check_types(conf, constructor_types(cls), where)
    try:
        return cls(**conf, **given)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # an argument that is missing or out of its range
        if is_shortage(error):
            raise
        raise UserError(f"{where}: {error}") from error


def _build(registry: Registry, config: Mapping[str, Any], **given: Any) -> Any:
    name = config.get(registry.kind) or MODEL_REGISTRIES[registry]
    return build_part(registry, name, config.get(f"{registry.kind}_conf") or {}, **given)


def _embed_size(config: Mapping[str, Any]) -> int:
    """The shared width: of model_conf, or else the model's own default."""
    conf = config.get("model_conf") or {}
    check_types(conf, {"embed_size": int}, "model_conf")
    if conf.get("embed_size", 1) < 1:
        raise UserError(f"model_conf: embed_size must be 1 or more, not {conf['embed_size']}")
    default = constructor_parameters(_model_class(config))["embed_size"].default
    return conf.get("embed_size", default)


def _model_class(config: Mapping[str, Any]) -> type:
    return models.get(config.get("model") or MODEL_REGISTRIES[models])
