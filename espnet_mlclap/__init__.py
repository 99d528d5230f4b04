"""MLCLAP: finding sounds with words, in any language, as a plugin of ESPnet2."""

__version__ = "0.2.0"
