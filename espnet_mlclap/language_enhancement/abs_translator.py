"""What every translator of captions can do."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Dict, List, Sequence


class AbsTranslator(ABC):
    """Turns sentences of one language into another; knows nothing of clips, files or journals.

    Attributes:
        settings_class: frozen dataclass of its settings, one field per key of its section in
            `translation.yaml` (`custom` for a translator from outside); `batch_size`, the most sentences of
            a call of `translate`, must be among them.
        on_device: it computes on `--device`, so that on GPUs more processes than GPUs do not help.
        rewrites: it also paraphrases: `translate` into the sentences' own language says the same in other
        words.
    """

    settings_class: ClassVar[type]
    on_device: ClassVar[bool] = True
    rewrites: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, settings: Any, device: str = "cpu"):
        """Get ready.

        Args:
            settings: of `settings_class`.
            device: "cpu", "cuda", "cuda:1" ...

        Raises:
            UserError: a model, package, key or device that is not there.
        """

    @classmethod
    def rewriting_identity(cls, settings: Any) -> Dict[str, object]:
        """The same for paraphrases, where `rewrites`."""
        return cls.identity(settings)

    @classmethod
    @abstractmethod
    def identity(cls, settings: Any) -> Dict[str, object]:
        """Everything that decides what comes out (model, beam size ...), not how fast it comes.

        Translations in a journal are used again only by a translator of the same identity. No model is
        loaded for it.
        """

    @abstractmethod
    def translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        """Translate each sentence by itself.

        Args:
            sentences: captions, without line breaks.
            source_lang: their language, a FLORES-200 code.
            target_lang: the language to translate into, a FLORES-200 code.

        Returns:
            One translation per sentence, in the same order; "" where the translator has none.

        Raises:
            UserError: a language that it does not know, or a model or server that cannot be used.
        """
