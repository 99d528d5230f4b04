"""How the phrases of a scene's events are joined to a sentence."""

from dataclasses import dataclass
from typing import Callable, Mapping, Optional

from mini_corpus.scenes import Event, Scene


@dataclass(frozen=True)
class Style:
    """One way of saying a scene in one language.

    Attributes:
        opening: before the first event.
        together: between two events that sound at the same time.
        then: before the second group of events.
        finally_: before the third group.
        forms: which form an event's phrase takes. The key is what stands before it ("start",
            "together" or "then", followed by ">"), or what comes after it (">" followed by
            "together", "then" or "end"), or "" for every place.
        alone: instead of `opening` when nothing follows the first group.
        closing: at the end.
    """

    opening: str
    together: str
    then: str
    finally_: str
    forms: Mapping[str, str]
    alone: Optional[str] = None
    closing: str = "."

    def form(self, before: str, after: str) -> str:
        """The form of the phrase between two connectives."""
        for key in (f"{before}>", f">{after}", ""):
            if key in self.forms:
                return self.forms[key]
        raise KeyError(f"no form for a phrase between {before!r} and {after!r}: {self.forms}")

    def say(self, scene: Scene, phrase: Callable[[Event, str], str]) -> str:
        """Join the phrases of a scene's events; `phrase(event, form)` gives each."""
        groups = scene.groups
        text = self.opening if len(groups) > 1 or self.alone is None else self.alone
        for g, group in enumerate(groups):
            if g:
                text += self.then if g == 1 else self.finally_
            for e, event in enumerate(group):
                if e:
                    text += self.together
                before = "together" if e else "then" if g else "start"
                last = g == len(groups) - 1
                after = "together" if e < len(group) - 1 else "end" if last else "then"
                text += phrase(event, self.form(before, after))
        return text + self.closing


def words(*parts: Optional[str]) -> str:
    """Join the given words with single spaces."""
    return " ".join(part for part in parts if part)


def capital(text: str) -> str:
    """The text with its first letter upper-case."""
    return text[0].upper() + text[1:]
