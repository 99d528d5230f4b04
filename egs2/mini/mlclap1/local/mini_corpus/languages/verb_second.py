"""Where German and Dutch put the verb: second in a main clause, last in a subordinate one."""

from typing import Optional

from mini_corpus.languages.style import words


def clause(
    form: str,
    subject: str,
    verb: str,
    before_verb: str,
    place: str = "",
    expletive: Optional[str] = None,
) -> str:
    """One clause.

    Args:
        form: "main" (subject first), "inverted" (after an adverb) or "subordinate".
        subject, verb: the subject and the finite verb.
        before_verb: adverbs, which stand before a verb that comes last.
        place: a place, which follows the adverbs.
        expletive: Dutch "er", which announces an indefinite subject that is not first.
    """
    if form == "main":
        return words(subject, verb, before_verb, place)
    if form == "inverted":
        return words(verb, expletive, subject, before_verb, place)
    if form == "subordinate":
        return words(expletive, subject, before_verb, place, verb)
    raise ValueError(f"form must be main, inverted or subordinate, not {form!r}")
