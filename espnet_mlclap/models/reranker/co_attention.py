"""Co-attention between the tokens of a clip and those of a caption: `single`, `stacking`, `iterating`.

H. Sun et al., "Language-based Audio Retrieval with Co-Attention Networks" (2024). Of the paper we had the
abstract and the captions of its figures; what these do not say is our choice: the sizes and blocks are those
of the modular co-attention networks that it builds on, both sides look at each other at the same time (each
at what the other was before), and the score of a pair is the cosine of the two vectors that attention pooling
makes.

What depends on a clip or a caption alone (`prepare_audio`, `prepare_text`: the projection to `width` and the
first self-attention) is computed once for each; `forward` does what depends on the pair.

Legend: n items or pairs, t and s tokens of clip and caption, d width.
"""

from abc import ABC, abstractmethod
from typing import Any, List, NamedTuple, Optional, Tuple

from torch import Tensor, nn

from espnet_mlclap.models.reranker.attention import AttentionBlock, AttentionPooling
from espnet_mlclap.models.reranker.segments import mean_of_neighbours
from espnet_mlclap.models.tokens import Tokens
from espnet_mlclap.utils.errors import UserError


class AttentionMaps(NamedTuple):
    """Weights of one guided attention, each row over the real tokens of the other side.

    Attributes:
        audio: [n, heads, t, s], what each token of the clip takes from the caption.
        text: [n, heads, s, t], what each token of the caption takes from the clip.
    """

    audio: Tensor
    text: Tensor


class BothSides(nn.Module):
    """An attention block for each side."""

    def __init__(self, **sizes: float):
        super().__init__()
        self.audio = AttentionBlock(**sizes)
        self.text = AttentionBlock(**sizes)

    def alone(self, audio: Tokens, text: Tokens) -> Tuple[Tokens, Tokens]:
        """Self-attention of both sides."""
        return self.audio(audio, audio)[0], self.text(text, text)[0]

    def guided(
        self, audio: Tokens, text: Tokens, maps: Optional[List[AttentionMaps]]
    ) -> Tuple[Tokens, Tokens]:
        """Each side looks at the other; the weights are added to `maps` where it is a list."""
        wanted = maps is not None
        new_audio, audio_map = self.audio(audio, text, wanted)
        new_text, text_map = self.text(text, audio, wanted)
        if maps is not None:
            maps.append(AttentionMaps(audio_map, text_map))
        return new_audio, new_text


class AbsCoAttention(nn.Module, ABC):
    """Tokens of both sides to two vectors per pair.

    Args:
        audio_size, text_size: widths of the encoders' tokens.
        width: d, of all attention.
        heads, feed_forward, dropout: of the blocks; see `AttentionBlock`.
        audio_neighbours: this many tokens of a clip that follow each other become one, their mean: the cost
            of a pair is about linear in the tokens of its clip, of which CED gives 25 a second.

    Raises:
        UserError: a number that is out of range.
    """

    def __init__(
        self,
        *,
        audio_size: int,
        text_size: int,
        width: int = 512,
        heads: int = 8,
        feed_forward: int = 2048,
        dropout: float = 0.1,
        audio_neighbours: int = 1,
    ):
        super().__init__()
        if audio_neighbours < 1:
            raise UserError(
                f"co_attention_conf: audio_neighbours must be 1 or more, not {audio_neighbours}"
            )
        self.audio_neighbours = audio_neighbours
        self._sizes = {
            "width": width,
            "heads": heads,
            "feed_forward": feed_forward,
            "dropout": dropout,
        }
        # an encoder's tokens may be of any size: they are normalised first
        self.audio_input = nn.Sequential(nn.LayerNorm(audio_size), nn.Linear(audio_size, width))
        self.text_input = nn.Sequential(nn.LayerNorm(text_size), nn.Linear(text_size, width))
        self.first = BothSides(**self._sizes)
        self.audio_pooling = AttentionPooling(width=width, dropout=dropout)
        self.text_pooling = AttentionPooling(width=width, dropout=dropout)

    def prepare_audio(self, tokens: Tokens) -> Tokens:
        """Tokens of clips [n, t, audio_size] -> [n, t / audio_neighbours, d], each clip by itself."""
        tokens = mean_of_neighbours(tokens, self.audio_neighbours)
        own = Tokens(self.audio_input(tokens.values), tokens.mask)
        return self.first.audio(own, own)[0]

    def prepare_text(self, tokens: Tokens) -> Tokens:
        """Tokens of captions [n, s, text_size] -> [n, s, d], each caption by itself."""
        own = Tokens(self.text_input(tokens.values), tokens.mask)
        return self.first.text(own, own)[0]

    def forward(
        self, audio: Tokens, text: Tokens, maps: Optional[List[AttentionMaps]] = None
    ) -> Tuple[Tensor, Tensor]:
        """Vectors of pairs.

        Args:
            audio: [n, t, d] of `prepare_audio`, row by row the clip of each pair.
            text: [n, s, d] of `prepare_text`, the caption of each pair.
            maps: a list to which the weights of each guided attention are added.

        Returns:
            [n, d] of the clips and [n, d] of the captions, each as seen from the other.
        """
        audio, text = self.attend(audio, text, maps)
        return self.audio_pooling(audio), self.text_pooling(text)

    @abstractmethod
    def attend(
        self, audio: Tokens, text: Tokens, maps: Optional[List[AttentionMaps]]
    ) -> Tuple[Tokens, Tokens]:
        """Tokens of pairs after the first self-attention -> the same after all attention."""


class SingleCoAttention(AbsCoAttention):
    """One module: self-attention of each side, then each looks at the other.

    Args: those of `AbsCoAttention`.
    """

    def __init__(self, **sizes: Any):
        super().__init__(**sizes)
        self.guided = BothSides(**self._sizes)

    def attend(
        self, audio: Tokens, text: Tokens, maps: Optional[List[AttentionMaps]]
    ) -> Tuple[Tokens, Tokens]:
        return self.guided.guided(audio, text, maps)


class StackingCoAttention(AbsCoAttention):
    """Modules one after the other, each with self-attention, guided attention and weights of its own.

    Args:
        modules: how many; the others are those of `AbsCoAttention`.

    Raises:
        UserError: fewer than one module.
    """

    def __init__(self, *, modules: int = 3, **sizes: Any):
        super().__init__(**sizes)
        if modules < 1:
            raise UserError(f"co_attention_conf: modules must be 1 or more, not {modules}")
        # the first module's self-attention is `first`, which depends on no pair
        self.alone = nn.ModuleList(BothSides(**self._sizes) for _ in range(modules - 1))
        self.guided = nn.ModuleList(BothSides(**self._sizes) for _ in range(modules))

    def attend(
        self, audio: Tokens, text: Tokens, maps: Optional[List[AttentionMaps]]
    ) -> Tuple[Tokens, Tokens]:
        audio, text = self.guided[0].guided(audio, text, maps)
        for alone, guided in zip(self.alone, list(self.guided)[1:]):
            audio, text = guided.guided(*alone.alone(audio, text), maps)
        return audio, text


class IteratingCoAttention(AbsCoAttention):
    """Self-attention once, then the same guided attention again and again on what it gave before.

    Args:
        iterations: how often; the others are those of `AbsCoAttention`.

    Raises:
        UserError: fewer than one iteration.
    """

    def __init__(self, *, iterations: int = 3, **sizes: Any):
        super().__init__(**sizes)
        if iterations < 1:
            raise UserError(f"co_attention_conf: iterations must be 1 or more, not {iterations}")
        self.iterations = iterations
        self.guided = BothSides(**self._sizes)

    def attend(
        self, audio: Tokens, text: Tokens, maps: Optional[List[AttentionMaps]]
    ) -> Tuple[Tokens, Tokens]:
        for _ in range(self.iterations):
            audio, text = self.guided.guided(audio, text, maps)
        return audio, text
