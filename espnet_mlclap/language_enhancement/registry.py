"""Translators by name. A new one is a class, a line here and its settings in `translation.yaml`."""

from espnet_mlclap.utils.registry import Registry

_ROOM = "espnet_mlclap.language_enhancement"

translators = Registry(
    "translator",
    {
        "sonar": f"{_ROOM}.sonar:SonarTranslator",
        "huggingface": f"{_ROOM}.huggingface:HuggingfaceTranslator",
        "chat": f"{_ROOM}.chat:ChatTranslator",
    },
    base=f"{_ROOM}.abs_translator:AbsTranslator",
)
GIVEN = "file"  # no translator: takes translations that there are already
