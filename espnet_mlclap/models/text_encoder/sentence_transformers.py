"""Text encoders of sentence-transformers: multilingual-e5, LaBSE, bge-m3, MiniLM and similar models.

Such a model brings its own pooling, and often a further layer, which were trained with it. Here it gives what
it was trained to give: one vector per caption, frozen (`model_conf: {freeze_text_encoder: true}`) or trained.
"""

from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
from torch import Tensor

from espnet_mlclap.checkpoints.state_dict import check_state_dict
from espnet_mlclap.models.hub_model import loading, write_into
from espnet_mlclap.models.text_encoder.abs_text_encoder import AbsTextEncoder
from espnet_mlclap.models.text_encoder.huggingface_tokenizer import HuggingfaceTokenizer
from espnet_mlclap.models.tokens import Tokens, length_mask
from espnet_mlclap.utils.errors import UserError

_WHERE = "text_encoder_conf of sentence_transformers"
_FOLDER = "text_encoder"


class PromptedTokenizer(HuggingfaceTokenizer):
    """Puts the same words in front of every caption, as some models were trained with (`query: `)."""

    def __init__(self, tokenizer: Any, *, max_tokens: int, prompt: str):
        super().__init__(tokenizer, max_tokens=max_tokens)
        self.prompt = prompt

    def __call__(self, caption: str, lang: str) -> np.ndarray:
        return super().__call__(f"{self.prompt}{caption}", lang)


class SentenceTransformersTextEncoder(AbsTextEncoder):
    """Captions to sentence vectors. It gives one token per caption.

    Nothing is fetched from the network unless it is asked for, and no code of a model's own is run.

    Args:
        model: a folder in the form of sentence-transformers, or a name on the Hugging Face hub.
        prompt: words in front of every caption; multilingual-e5 was trained with "query: ".
        max_tokens: longest caption; by default as the model says.
        download: whether the model may be fetched from the hub.

    Raises:
        UserError: sentence-transformers or the model is missing, or an argument is out of its range.
    """

    exported_paths = ("model",)
    gives_tokens = False

    def __init__(
        self,
        *,
        model: str,
        prompt: str = "",
        max_tokens: Optional[int] = None,
        download: bool = False,
    ):
        super().__init__()
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise UserError(
                "text_encoder sentence_transformers needs the package of this name: "
                "pip install 'espnet_mlclap[sentence_transformers]'"
            ) from error
        with loading(model, _WHERE, download):
            self.model = SentenceTransformer(
                model, device="cpu", local_files_only=not download, trust_remote_code=False
            )
        check_state_dict(self.model.state_dict(), f"{_WHERE}: model {model}")
        limit = self.model.max_seq_length or self.model.tokenizer.model_max_length
        if max_tokens is not None and not 3 <= max_tokens <= limit:
            raise UserError(f"{_WHERE}: max_tokens must be 3 to {limit}, not {max_tokens}")
        self.tokenizer = PromptedTokenizer(
            self.model.tokenizer, max_tokens=max_tokens or limit, prompt=prompt
        )

    def output_size(self) -> int:
        return self.model.get_embedding_dimension()

    def forward(self, text: Tensor, text_lengths: Tensor) -> Tokens:
        # text: [captions, tokens] -> [captions, 1, D]
        mask = length_mask(text_lengths.to(text.device), text.shape[1])
        features = self.model({"input_ids": text, "attention_mask": mask.long()})
        return Tokens(features["sentence_embedding"].unsqueeze(1))

    def export(self, folder: Path) -> Dict[str, Any]:
        write_into(
            Path(folder, _FOLDER),
            lambda path: self.model.save_pretrained(path, create_model_card=False),
        )
        return {
            "model": _FOLDER,
            "prompt": self.tokenizer.prompt,
            "max_tokens": self.tokenizer.max_tokens,
        }
