"""English."""

from dataclasses import dataclass
from typing import Optional

from mini_corpus.languages.style import Style, capital, words
from mini_corpus.scenes import Event


@dataclass(frozen=True)
class Words:
    """How English speaks of one source."""

    subject: str
    verb: str
    participle: str
    noun: str  # what is heard, with its complement
    article: str = "the"
    counted: Optional[str] = None  # plural noun that takes a numeral
    place: str = ""
    adverbs: tuple[str, str] = ("softly", "loudly")
    adjectives: tuple[str, str] = ("faint", "loud")


WORDS = {
    "rain": Words("rain", "falls", "falling", "rain", "",
                  adverbs=("lightly", "heavily"), adjectives=("light", "heavy")),
    "wind": Words("the wind", "blows", "blowing", "wind", "",
                  adverbs=("gently", "hard"), adjectives=("gentle", "strong")),
    "thunder": Words("thunder", "rumbles", "rumbling", "rumble of thunder"),
    "siren": Words("a siren", "wails", "wailing", "wail of a siren"),
    "applause": Words("people", "applaud", "applauding", "applause", ""),
    "bird": Words("a bird", "chirps", "chirping", "chirping of a bird"),
    "cricket": Words("crickets", "sing", "singing", "song of crickets"),
    "engine": Words("an engine", "runs", "running", "hum of an engine",
                    adverbs=("quietly", "loudly")),
    "clock": Words("a clock", "ticks", "ticking", "ticking of a clock"),
    "footsteps": Words("someone", "walks", "walking", "footsteps", "",
                       adverbs=("quietly", "loudly")),
    "drops": Words("water", "drips", "dripping", "dripping of water"),
    "bell": Words("a bell", "rings", "ringing", "ringing of a bell",
                  counted="strokes of a bell"),
    "dog": Words("a dog", "barks", "barking", "barking of a dog", counted="barks of a dog"),
    "beep": Words("a device", "beeps", "beeping", "beeping of a device",
                  counted="beeps of a device"),
    "knock": Words("someone", "knocks", "knocking", "knocking on a door", "",
                   counted="knocks on a door", place="on a door"),
    "horn": Words("a car", "honks", "honking", "honking of a car", counted="honks of a car"),
}  # fmt: skip
LEVELS = ("quiet", "loud")
PACE_ADVERBS = {"slow": "slowly", "fast": "quickly"}
PACE_ADJECTIVES = {"slow": "slow", "fast": "fast"}
TIMES = {2: "twice", 3: "three times"}
NUMERALS = {2: "two", 3: "three"}

STYLES = (
    Style("", " while ", ", then ", ", and finally ", {"": "clause"}),
    Style("you can hear ", " and at the same time ", ", followed by ", ", and lastly ",
          {"": "heard"}),
    Style("", " together with ", ", then ", ", finally ", {"": "noun"}),
    Style("first ", " as ", "; after that, ", "; in the end, ", {"": "clause"},
          alone="in this recording, "),
    Style("the recording contains ", " along with ", ", later ", ", and at the end ",
          {"": "the noun"}),
)  # fmt: skip


def phrase(event: Event, form: str) -> str:
    """The words for one event; `form` is "clause", "heard", "noun" or "the noun"."""
    entry = WORDS[event.source]
    level = None if event.loudness is None else LEVELS.index(event.loudness)
    if form in ("clause", "heard"):
        verb = entry.verb if form == "clause" else entry.participle
        adverbs = [] if level is None else [entry.adverbs[level]]
        if event.pace:
            adverbs.append(PACE_ADVERBS[event.pace])
        return words(
            entry.subject, verb, " and ".join(adverbs), entry.place, TIMES.get(event.count)
        )
    adjectives = [] if level is None else [entry.adjectives[level]]
    if event.pace:
        adjectives.append(PACE_ADJECTIVES[event.pace])
    start, noun = entry.article if form == "the noun" else "", entry.noun
    if event.count:
        start, noun = NUMERALS[event.count], entry.counted
    return words(start, " and ".join(adjectives), noun)


def finish(text: str) -> str:
    """A sentence begins with a capital letter."""
    return capital(text)
