"""What every translator of captions can do."""

from abc import ABC, abstractmethod
from typing import Dict, List, Sequence


class AbsTranslator(ABC):
    """Turns sentences of one language into another; knows nothing of clips, files or journals."""

    @abstractmethod
    def translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        """Translate each sentence by itself.

        Args:
            sentences: captions, without line breaks.
            source_lang: their language, a FLORES-200 code.
            target_lang: the language wanted, a FLORES-200 code.

        Returns:
            One translation a sentence, in the same order; "" where the translator has none.

        Raises:
            UserError: a language that it does not know, or a model or server that cannot be used.
        """

    @abstractmethod
    def identity(self) -> Dict[str, object]:
        """Everything that decides what comes out (model, beam size ...), not how fast it comes.

        Translations in a journal are used again only by a translator of the same identity.
        """
