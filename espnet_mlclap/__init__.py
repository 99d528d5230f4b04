"""MLCLAP: finding sounds with words, in any language, as a plugin of ESPnet2."""

from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from espnet_mlclap.inference import MLCLAP

__version__ = "0.2.0"
__all__ = ["MLCLAP", "__version__"]


def __getattr__(name: str) -> Any:
    """`MLCLAP`, imported when it is asked for: it brings torch, for which most commands need not wait."""
    if name == "MLCLAP":
        from espnet_mlclap.inference import MLCLAP

        return MLCLAP
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
