"""German."""

from dataclasses import dataclass
from typing import Optional

from mini_corpus.languages.style import Style, capital, words
from mini_corpus.languages.verb_second import clause
from mini_corpus.scenes import Event

# Endings of an adjective without an article: masculine, neuter, plural; by case.
ENDINGS = {
    "nominative": {"m": "er", "n": "es", "pl": "e"},
    "accusative": {"m": "en", "n": "es", "pl": "e"},
}


@dataclass(frozen=True)
class Words:
    """How German speaks of one source; `heard` and `infinitive` follow "man hört"."""

    subject: str
    verb: str
    heard: str
    infinitive: str
    noun: str
    of: str = ""
    gender: str = "n"
    counted: Optional[str] = None  # a plural that takes a numeral; else "zweimaliges" + noun
    place: str = ""
    adverbs: tuple[str, str] = ("leise", "laut")
    adjectives: tuple[str, str] = ("leis", "laut")


WORDS = {
    "rain": Words("es", "regnet", "Regen", "fallen", "Regen", gender="m",
                  adverbs=("leicht", "stark"), adjectives=("leicht", "stark")),
    "wind": Words("der Wind", "weht", "den Wind", "wehen", "Wind", gender="m",
                  adverbs=("sanft", "kräftig"), adjectives=("sanft", "kräftig")),
    "thunder": Words("es", "donnert", "Donner", "grollen", "Donnergrollen"),
    "siren": Words("eine Sirene", "heult", "eine Sirene", "heulen", "Heulen", "einer Sirene"),
    "applause": Words("Leute", "klatschen", "Leute", "klatschen", "Applaus", gender="m"),
    "bird": Words("ein Vogel", "zwitschert", "einen Vogel", "zwitschern", "Zwitschern",
                  "eines Vogels"),
    "cricket": Words("Grillen", "zirpen", "Grillen", "zirpen", "Zirpen", "von Grillen"),
    "engine": Words("ein Motor", "läuft", "einen Motor", "laufen", "Brummen", "eines Motors"),
    "clock": Words("eine Uhr", "tickt", "eine Uhr", "ticken", "Ticken", "einer Uhr"),
    "footsteps": Words("jemand", "geht", "jemanden", "gehen", "Schritte", gender="pl"),
    "drops": Words("Wasser", "tropft", "Wasser", "tropfen", "Tropfen", "von Wasser"),
    "bell": Words("eine Glocke", "läutet", "eine Glocke", "läuten", "Läuten", "einer Glocke",
                  counted="Schläge"),
    "dog": Words("ein Hund", "bellt", "einen Hund", "bellen", "Bellen", "eines Hundes"),
    "beep": Words("ein Gerät", "piept", "ein Gerät", "piepen", "Piepen", "eines Geräts",
                  counted="Pieptöne"),
    "knock": Words("jemand", "klopft", "jemanden", "klopfen", "Klopfen", "an einer Tür",
                   place="an eine Tür"),
    "horn": Words("ein Auto", "hupt", "ein Auto", "hupen", "Hupen", "eines Autos"),
}  # fmt: skip
LEVELS = ("quiet", "loud")
PACES = {"slow": "langsam", "fast": "schnell"}
TIMES = {2: "zweimal", 3: "dreimal"}
REPEATED = {2: "zweimaliges", 3: "dreimaliges"}
NUMERALS = {2: "zwei", 3: "drei"}

STYLES = (
    Style("", ", während ", ", dann ", " und schließlich ",
          {"start>": "main", "together>": "subordinate", "then>": "inverted"}),
    Style("man hört ", " und gleichzeitig ", ", anschließend ", " und zuletzt ", {"": "heard"}),
    Style("", ", dazu ", ", dann ", ", schließlich ", {"": "nominative"}),
    Style("zuerst ", ", wobei ", "; danach ", "; am Ende ",
          {"start>": "inverted", "together>": "subordinate", "then>": "inverted"},
          alone="in dieser Aufnahme "),
    Style("die Aufnahme enthält ", " sowie ", ", später ", " und am Schluss ",
          {"": "accusative"}),
)  # fmt: skip


def phrase(event: Event, form: str) -> str:
    """The words for one event.

    `form` is "main", "inverted", "subordinate" (see `verb_second.clause`), "heard" (accusative with
    infinitive), or the case of a noun: "nominative", "accusative".
    """
    entry = WORDS[event.source]
    level = None if event.loudness is None else LEVELS.index(event.loudness)
    if form in ENDINGS:
        return _noun(event, entry, level, ENDINGS[form])
    adverbs = [] if level is None else [entry.adverbs[level]]
    if event.pace:
        adverbs.append(PACES[event.pace])
    manner = words(TIMES.get(event.count), " und ".join(adverbs))
    if form == "heard":
        return words(entry.heard, manner, entry.place, entry.infinitive)
    return clause(form, entry.subject, entry.verb, manner, entry.place)


def _noun(event: Event, entry: Words, level: Optional[int], endings: dict[str, str]) -> str:
    start, noun, gender = "", entry.noun, entry.gender
    if event.count and entry.counted:
        start, noun, gender = NUMERALS[event.count], entry.counted, "pl"
    elif event.count:
        start = REPEATED[event.count]
    stems = [] if level is None else [entry.adjectives[level]]
    if event.pace:
        stems.append(PACES[event.pace])
    adjectives = " und ".join(stem + endings[gender] for stem in stems)
    return words(start, adjectives, noun, entry.of)


def finish(text: str) -> str:
    """A sentence begins with a capital letter."""
    return capital(text)
