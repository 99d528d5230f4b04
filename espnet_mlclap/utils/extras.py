"""What `pip install espnet_mlclap` leaves to its extras: which extra brings which module.

setup.py says what the extras hold; a test holds the two together.
"""

from typing import Dict, Optional

# module that is imported -> the smallest extra that brings it
EXTRA_OF: Dict[str, str] = {
    "espnet2": "train",
    "matplotlib": "train",
    "fairseq2": "sonar",
    "sonar": "sonar",
    "sacrebleu": "sonar",
    "transformers": "huggingface",
    "sentence_transformers": "sentence_transformers",
    "openai": "chat",
    "fastapi": "search",
    "pydantic": "search",
    "pymilvus": "search",
    "uvicorn": "search",
    "py7zr": "corpora",
    "yt_dlp": "corpora",
}


def missing_module(error: ModuleNotFoundError) -> Optional[str]:
    """What a user does about a missing module; None if no extra brings it (a mistake of ours, then)."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF:
        return None
    extra = EXTRA_OF[module]
    return (
        f"this needs the Python package {module}, which is not installed. Install it: "
        f"pip install 'espnet_mlclap[{extra}]'."
    )
