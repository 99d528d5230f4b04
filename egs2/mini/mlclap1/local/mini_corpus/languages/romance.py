"""What French, Spanish and Catalan share: adjectives after the noun, agreeing with it."""

from dataclasses import dataclass
from typing import Mapping, Optional

from mini_corpus.languages.style import words
from mini_corpus.scenes import Event

# (masculine singular, feminine singular, masculine plural)
Agreeing = tuple[str, str, str]
M, F, PL = 0, 1, 2


@dataclass(frozen=True)
class Words:
    """How a Romance language speaks of one source.

    `heard` is what follows "one can hear"; it carries its own verb form, to which adverbs and the
    place are added. `noun` agrees in `gender` (M, F or PL) with its adjectives and is followed by
    `of`; `article` ends with a space or an apostrophe. `counted` is a masculine plural.
    """

    subject: str
    verb: str
    heard: str
    article: str
    noun: str
    of: str = ""
    gender: int = M
    counted: Optional[str] = None
    place: str = ""
    quietly: Optional[str] = None
    loudly: Optional[str] = None
    quiet: Optional[Agreeing] = None
    loud: Optional[Agreeing] = None


@dataclass(frozen=True)
class Romance:
    """The words of one language, and how they make a phrase."""

    entries: Mapping[str, Words]
    adverbs: Mapping[str, str]  # keys quiet, loud, slow, fast
    adjectives: Mapping[str, Agreeing]
    times: Mapping[int, str]
    numerals: Mapping[int, str]
    and_: str

    def phrase(self, event: Event, form: str) -> str:
        """The words for one event; `form` is "clause", "heard", "noun" or "the noun"."""
        entry = self.entries[event.source]
        if form in ("clause", "heard"):
            verb = entry.heard if form == "heard" else words(entry.subject, entry.verb)
            special = {"quiet": entry.quietly, "loud": entry.loudly}
            adverbs = [
                special.get(mark) or self.adverbs[mark]
                for mark in (event.loudness, event.pace)
                if mark
            ]
            manner = f" {self.and_} ".join(adverbs)
            return words(verb, manner, entry.place, self.times.get(event.count))
        article, noun, gender = entry.article, entry.noun, entry.gender
        if event.count:
            article, noun, gender = f"{self.numerals[event.count]} ", entry.counted, PL
        elif form == "noun":
            article = ""
        special = {"quiet": entry.quiet, "loud": entry.loud}
        adjectives = [
            (special.get(mark) or self.adjectives[mark])[gender]
            for mark in (event.loudness, event.pace)
            if mark
        ]
        return article + words(noun, f" {self.and_} ".join(adjectives), entry.of)
