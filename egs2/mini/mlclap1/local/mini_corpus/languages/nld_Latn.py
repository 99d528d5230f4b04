"""Dutch."""

from dataclasses import dataclass

from mini_corpus.languages.style import Style, capital, words
from mini_corpus.languages.verb_second import clause
from mini_corpus.scenes import Event


@dataclass(frozen=True)
class Words:
    """How Dutch speaks of one source; `heard` and `infinitive` follow "je hoort"."""

    subject: str
    verb: str
    heard: str
    infinitive: str
    noun: str
    of: str = ""
    neuter: bool = True  # an adjective before a neuter noun without article has no ending
    indefinite: bool = True  # the subject is announced by "er" where it does not come first
    place: str = ""
    adverbs: tuple[str, str] = ("zacht", "luid")
    adjectives: tuple[str, str] = ("zacht", "luid")  # without ending


WORDS = {
    "rain": Words("het", "regent", "de regen", "vallen", "regen", neuter=False,
                  indefinite=False, adverbs=("licht", "hard"), adjectives=("licht", "hard")),
    "wind": Words("de wind", "waait", "de wind", "waaien", "wind", neuter=False,
                  indefinite=False, adverbs=("zwak", "krachtig"),
                  adjectives=("zwakk", "krachtig")),
    "thunder": Words("het", "dondert", "de donder", "rommelen", "gerommel", "van de donder",
                     indefinite=False),
    "siren": Words("een sirene", "loeit", "een sirene", "loeien", "geloei", "van een sirene"),
    "applause": Words("mensen", "applaudisseren", "mensen", "applaudisseren", "applaus"),
    "bird": Words("een vogel", "fluit", "een vogel", "fluiten", "gefluit", "van een vogel"),
    "cricket": Words("krekels", "tjirpen", "krekels", "tjirpen", "getjirp", "van krekels"),
    "engine": Words("een motor", "draait", "een motor", "draaien", "geronk", "van een motor"),
    "clock": Words("een klok", "tikt", "een klok", "tikken", "getik", "van een klok"),
    "footsteps": Words("iemand", "loopt", "iemand", "lopen", "voetstappen", neuter=False),
    "drops": Words("water", "druppelt", "water", "druppelen", "gedruppel", "van water"),
    "bell": Words("een bel", "rinkelt", "een bel", "rinkelen", "gerinkel", "van een bel"),
    "dog": Words("een hond", "blaft", "een hond", "blaffen", "geblaf", "van een hond"),
    "beep": Words("een apparaat", "piept", "een apparaat", "piepen", "gepiep",
                  "van een apparaat"),
    "knock": Words("iemand", "klopt", "iemand", "kloppen", "geklop", "op een deur",
                   place="op een deur"),
    "horn": Words("een auto", "toetert", "een auto", "toeteren", "getoeter", "van een auto"),
}  # fmt: skip
LEVELS = ("quiet", "loud")
PACE_ADVERBS = {"slow": "langzaam", "fast": "snel"}
INFLECTED = {"slow": "langzame", "fast": "snelle"}
TIMES = {2: "twee keer", 3: "drie keer"}

STYLES = (
    Style("", " terwijl ", ", dan ", " en ten slotte ",
          {"start>": "main", "together>": "subordinate", "then>": "inverted"}),
    Style("je hoort ", " en tegelijkertijd ", ", vervolgens ", " en als laatste ",
          {"": "heard"}),
    Style("", " samen met ", ", dan ", ", ten slotte ", {"": "noun"}),
    Style("eerst ", ", waarbij ", "; daarna ", "; aan het eind ",
          {"start>": "inverted", "together>": "subordinate", "then>": "inverted"},
          alone="in deze opname "),
    Style("de opname bevat ", " evenals ", ", later ", " en tot besluit ", {"": "noun"}),
)  # fmt: skip


def phrase(event: Event, form: str) -> str:
    """The words for one event.

    `form` is "main", "inverted", "subordinate" (see `verb_second.clause`), "heard" (object with
    infinitive) or "noun".
    """
    entry = WORDS[event.source]
    level = None if event.loudness is None else LEVELS.index(event.loudness)
    times = TIMES.get(event.count)
    if form == "noun":
        adjectives = [] if level is None else [entry.adjectives[level]]
        if not entry.neuter:
            adjectives = [f"{adjective}e" for adjective in adjectives]
        if event.pace:
            pace = PACE_ADVERBS if entry.neuter else INFLECTED
            adjectives.append(pace[event.pace])
        return words(times, " en ".join(adjectives), entry.noun, entry.of)
    adverbs = [] if level is None else [entry.adverbs[level]]
    if event.pace:
        adverbs.append(PACE_ADVERBS[event.pace])
    manner = words(times, " en ".join(adverbs))
    if form == "heard":
        return words(entry.heard, manner, entry.place, entry.infinitive)
    expletive = "er" if entry.indefinite else None
    return clause(form, entry.subject, entry.verb, manner, entry.place, expletive)


def finish(text: str) -> str:
    """A sentence begins with a capital letter."""
    return capital(text)
