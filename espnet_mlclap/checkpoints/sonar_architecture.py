"""What describes a SONAR text encoder, without sonar-space: the fields of its `SonarTextEncoderConfig`.

Names, defaults and meaning are sonar-space's, so that what an experiment's config.yaml says of its encoder
can be read by either.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Mapping, Optional, Type

from espnet_mlclap.utils.errors import UserError

_WHERE = "text_encoder_conf: architecture"
_ACTIVATIONS = ("ReLU", "GELU", "SiLU", "Tanh")


@dataclass(frozen=True)
class Vocabulary:
    """Size of the vocabulary and the ids of its special tokens.

    Attributes:
        size: number of tokens, those of languages included.
        pad_idx: the token whose embedding gets no gradient, and after which positions are counted. In the
            published encoder it is 1, which its tokenizer calls `<unk>`.
        unk_idx, bos_idx, eos_idx, boh_idx, eoh_idx: of no effect on the encoder.
    """

    size: int
    unk_idx: Optional[int]
    bos_idx: Optional[int]
    eos_idx: Optional[int]
    pad_idx: Optional[int]
    boh_idx: Optional[int] = None
    eoh_idx: Optional[int] = None


@dataclass(frozen=True)
class SonarArchitecture:
    """Sizes and switches of the encoder.

    Attributes:
        model_dim: width D.
        max_seq_len: longest caption in tokens; see `positions`.
        vocab_info: the vocabulary.
        num_encoder_layers, num_encoder_attn_heads: transformer blocks, and attention heads of each.
        ffn_inner_dim: width between the two linear layers of a block.
        pooling: "mean". How tokens become a vector is the model's `text_pooling`.
        activation_fn: between these linear layers; a name in torch.nn: ReLU, GELU, SiLU or Tanh.
        no_scale_embedding: leave out the factor sqrt(D) of the embeddings.
        no_token_positional_embeddings: tokens have no position.
        learned_pos: positions have embeddings of their own instead of sinusoids.
        emb_dropout_p, attention_dropout_p, activation_dropout_p: dropout of embeddings; of attention weights
            and of what attention and feed-forward add; between the linear layers.
        num_decoder_layers, num_decoder_attn_heads, embedding_dim, decoder_ffn_inner_dim, normalize_before: of
            attention pooling, which no published text encoder has; without effect here. Blocks are always
            pre-norm.
    """

    model_dim: int
    max_seq_len: int
    vocab_info: Vocabulary
    num_encoder_layers: int
    num_decoder_layers: int
    num_encoder_attn_heads: int
    num_decoder_attn_heads: int
    ffn_inner_dim: int
    pooling: str
    embedding_dim: Optional[int] = None
    decoder_ffn_inner_dim: Optional[int] = None
    activation_fn: str = "ReLU"
    no_scale_embedding: bool = False
    no_token_positional_embeddings: bool = False
    learned_pos: bool = False
    emb_dropout_p: float = 0.1
    attention_dropout_p: float = 0.1
    activation_dropout_p: float = 0.1
    normalize_before: bool = False
    _from_fairseq: bool = False

    @property
    def positions(self) -> int:
        """Tokens of the longest caption; fairseq counted without the positions up to the padding's id."""
        return self.max_seq_len + (self.vocab_info.pad_idx + 1 if self._from_fairseq else 0)

    def with_dropout(self, probability: float) -> "SonarArchitecture":
        """The same with one probability for every dropout."""
        _check_value("dropout", probability, float)
        return replace(
            self,
            emb_dropout_p=probability,
            attention_dropout_p=probability,
            activation_dropout_p=probability,
        )


#: The encoder of Duquenne et al. (2023), `text_sonar_basic_encoder`.
PUBLISHED_SONAR = SonarArchitecture(
    model_dim=1024,
    max_seq_len=512,
    vocab_info=Vocabulary(size=256206, unk_idx=1, bos_idx=2, eos_idx=3, pad_idx=1),
    num_encoder_layers=24,
    num_decoder_layers=24,
    num_encoder_attn_heads=16,
    num_decoder_attn_heads=16,
    ffn_inner_dim=8192,
    pooling="mean",
    _from_fairseq=True,
)


def read_architecture(conf: Mapping[str, Any]) -> SonarArchitecture:
    """Check what a configuration file says of an architecture.

    Args:
        conf: fields of `SonarArchitecture`, `vocab_info` a mapping of those of `Vocabulary`. Not changed.

    Raises:
        UserError: a key that is unknown, missing, of another type or out of its range; names it.
    """
    given = _checked(conf, SonarArchitecture, "")
    vocabulary = Vocabulary(**_checked(given["vocab_info"], Vocabulary, "vocab_info."))
    architecture = SonarArchitecture(**{**given, "vocab_info": vocabulary})
    width, heads = architecture.model_dim, architecture.num_encoder_attn_heads
    sinusoids = not (architecture.no_token_positional_embeddings or architecture.learned_pos)
    pad = vocabulary.pad_idx
    if width % heads:
        raise _error("num_encoder_attn_heads", f"{heads} heads do not divide model_dim {width}")
    if sinusoids and width % 2:
        raise _error(
            "model_dim", f"must be even for a sine and a cosine per frequency, not {width}"
        )
    if pad is None and architecture._from_fairseq:
        raise _error("vocab_info.pad_idx", "is needed where _from_fairseq is true")
    if pad is not None and pad >= vocabulary.size:
        raise _error("vocab_info.pad_idx", f"must be below vocab_info.size {vocabulary.size}")
    if architecture.activation_fn not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise _error("activation_fn", f"there is no {architecture.activation_fn!r}; known: {known}")
    if architecture.pooling != "mean":
        raise _error(
            "pooling",
            f"must be mean, not {architecture.pooling!r}; `text_pooling` chooses another one",
        )
    return architecture


def _checked(conf: Any, cls: Type[Any], prefix: str) -> Mapping[str, Any]:
    """`conf` itself, if it has the fields of a dataclass with values of their types."""
    if not isinstance(conf, Mapping):
        where = prefix.rstrip(".")
        raise UserError(f"{_WHERE}{where and f': {where}'} must be a mapping, not {conf!r}")
    known = {field.name: field for field in fields(cls)}
    needed = [name for name, field in known.items() if name not in cls.__dict__]
    for key in conf:
        if key not in known:
            raise _error(f"{prefix}{key}", f"unknown key; known: {', '.join(known)}")
    for key in needed:
        if key not in conf:
            raise _error(f"{prefix}{key}", "is missing")
    for key, value in conf.items():
        _check_value(prefix + key, value, known[key].type)
    return conf


def _check_value(key: str, value: Any, kind: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    whole = number and isinstance(value, int)
    rules = {
        int: (whole and value >= 1, "a whole number of 1 or more"),
        Optional[int]: (value is None or (whole and value >= 0), "null or a whole number from 0"),
        float: (number and 0.0 <= value <= 1.0, "a probability between 0 and 1"),
        bool: (isinstance(value, bool), "true or false"),
        str: (isinstance(value, str), "a word"),
    }
    fits, wanted = rules.get(kind, (True, ""))
    if not fits:
        raise _error(key, f"must be {wanted}, not {value!r}")


def _error(key: str, problem: str) -> UserError:
    return UserError(f"{_WHERE}: {key}: {problem}")
