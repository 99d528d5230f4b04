"""Catalan."""

import re

from mini_corpus.languages.romance import PL, F, Romance, Words
from mini_corpus.languages.style import Style, capital

_NOISY = {"quietly": "silenciosament", "loudly": "sorollosament"}

WORDS = {
    "rain": Words("la pluja", "cau", "la pluja que cau", "", "pluja", gender=F,
                  quietly="suaument", loudly="amb força", quiet=("fi", "fina", "fins")),
    "wind": Words("el vent", "bufa", "el vent que bufa", "", "vent", quietly="suaument",
                  loudly="amb força", quiet=("suau", "suau", "suaus")),
    "thunder": Words("els trons", "retrunyen", "els trons que retrunyen", "", "trons",
                     gender=PL),
    "siren": Words("una sirena", "udola", "una sirena que udola", "l'", "udol",
                   "d'una sirena"),
    "applause": Words("la gent", "aplaudeix", "la gent que aplaudeix", "", "aplaudiments",
                      gender=PL),
    "bird": Words("un ocell", "refila", "un ocell que refila", "els ", "refilets",
                  "d'un ocell", gender=PL),
    "cricket": Words("els grills", "canten", "els grills que canten", "el ", "cant",
                     "dels grills"),
    "engine": Words("un motor", "funciona", "un motor que funciona", "el ", "brunzit",
                    "d'un motor", **_NOISY),
    "clock": Words("un rellotge", "fa tic-tac", "un rellotge que fa tic-tac", "el ", "tic-tac",
                   "d'un rellotge"),
    "footsteps": Words("algú", "camina", "algú que camina", "", "passos", gender=PL, **_NOISY),
    "drops": Words("l'aigua", "degota", "l'aigua que degota", "el ", "degoteig", "de l'aigua"),
    "bell": Words("una campana", "sona", "una campana que sona", "el ", "so",
                  "d'una campana", counted="tocs"),
    "dog": Words("un gos", "borda", "un gos que borda", "els ", "lladrucs", "d'un gos",
                 gender=PL, counted="lladrucs"),
    "beep": Words("un aparell", "xiula", "un aparell que xiula", "els ", "xiulets",
                  "d'un aparell", gender=PL, counted="xiulets"),
    "knock": Words("algú", "truca", "algú que truca", "", "cops", "a la porta", gender=PL,
                   counted="cops", place="a la porta"),
    "horn": Words("un cotxe", "toca el clàxon", "un cotxe que toca el clàxon", "els ",
                  "cops de clàxon", "d'un cotxe", gender=PL, counted="cops de clàxon"),
}  # fmt: skip

phrase = Romance(
    entries=WORDS,
    adverbs={"quiet": "fluix", "loud": "fort", "slow": "a poc a poc", "fast": "de pressa"},
    adjectives={
        "quiet": ("fluix", "fluixa", "fluixos"),
        "loud": ("fort", "forta", "forts"),
        "slow": ("lent", "lenta", "lents"),
        "fast": ("ràpid", "ràpida", "ràpids"),
    },
    times={2: "dues vegades", 3: "tres vegades"},
    numerals={2: "dos", 3: "tres"},
    and_="i",
).phrase

STYLES = (
    Style("", " mentre ", ", després ", ", i finalment ", {"": "clause"}),
    Style("podem sentir ", " i al mateix temps ", ", tot seguit ", ", i per últim ",
          {"": "heard"}),
    Style("", " juntament amb ", ", després ", ", finalment ", {"": "noun"}),
    Style("primer ", " alhora que ", "; després d'això, ", "; al final, ", {"": "clause"},
          alone="en aquest enregistrament, "),
    Style("l'enregistrament conté ", " a més de ", ", més tard ", ", i per acabar ",
          {"": "the noun"}),
)  # fmt: skip


def finish(text: str) -> str:
    """Contract "de" with the article, elide it before a vowel, begin with a capital letter."""
    text = re.sub(r"\bde (els?) ", r"d\1 ", text)
    return capital(re.sub(r"\bde (?=[aeiou])", "d'", text))
