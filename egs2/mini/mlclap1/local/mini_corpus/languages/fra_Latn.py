"""French."""

import re

from mini_corpus.languages.romance import PL, F, Romance, Words
from mini_corpus.languages.style import Style, capital

_NOISY = {"quietly": "discrètement", "loudly": "bruyamment"}

WORDS = {
    "rain": Words("la pluie", "tombe", "la pluie tomber", "de la ", "pluie", gender=F,
                  quietly="doucement", loudly="à verse",
                  quiet=("fin", "fine", "fins"), loud=("battant", "battante", "battants")),
    "wind": Words("le vent", "souffle", "le vent souffler", "du ", "vent",
                  quiet=("léger", "légère", "légers")),
    "thunder": Words("le tonnerre", "gronde", "le tonnerre gronder", "le ", "grondement",
                     "du tonnerre", quietly="faiblement"),
    "siren": Words("une sirène", "hurle", "une sirène hurler", "le ", "hurlement",
                   "d'une sirène", quietly="faiblement"),
    "applause": Words("des gens", "applaudissent", "des gens applaudir", "des ",
                      "applaudissements", gender=PL),
    "bird": Words("un oiseau", "gazouille", "un oiseau gazouiller", "le ", "gazouillis",
                  "d'un oiseau"),
    "cricket": Words("des grillons", "chantent", "des grillons chanter", "le ", "chant",
                     "de grillons"),
    "engine": Words("un moteur", "tourne", "un moteur tourner", "le ", "ronronnement",
                    "d'un moteur", **_NOISY),
    "clock": Words("une horloge", "fait tic-tac", "une horloge faire tic-tac", "le ", "tic-tac",
                   "d'une horloge", **_NOISY),
    "footsteps": Words("quelqu'un", "marche", "quelqu'un marcher", "des ", "pas", gender=PL,
                       quiet=("léger", "légère", "légers"), loud=("lourd", "lourde", "lourds"),
                       **_NOISY),
    "drops": Words("de l'eau", "goutte", "de l'eau goutter", "le ", "goutte-à-goutte",
                   "de l'eau", quiet=("discret", "discrète", "discrets"),
                   loud=("sonore", "sonore", "sonores"), **_NOISY),
    "bell": Words("une cloche", "sonne", "une cloche sonner", "le ", "tintement",
                  "d'une cloche", counted="coups"),
    "dog": Words("un chien", "aboie", "un chien aboyer", "les ", "aboiements", "d'un chien",
                 gender=PL, counted="aboiements"),
    "beep": Words("un appareil", "bipe", "un appareil biper", "les ", "bips", "d'un appareil",
                  gender=PL, counted="bips"),
    "knock": Words("quelqu'un", "frappe", "quelqu'un frapper", "des ", "coups", "à la porte",
                   gender=PL, counted="coups", place="à la porte"),
    "horn": Words("une voiture", "klaxonne", "une voiture klaxonner", "les ",
                  "coups de klaxon", "d'une voiture", gender=PL, counted="coups de klaxon"),
}  # fmt: skip

phrase = Romance(
    entries=WORDS,
    adverbs={
        "quiet": "doucement",
        "loud": "fort",
        "slow": "lentement",
        "fast": "rapidement",
    },
    adjectives={
        "quiet": ("faible", "faible", "faibles"),
        "loud": ("fort", "forte", "forts"),
        "slow": ("lent", "lente", "lents"),
        "fast": ("rapide", "rapide", "rapides"),
    },
    times={2: "deux fois", 3: "trois fois"},
    numerals={2: "deux", 3: "trois"},
    and_="et",
).phrase

STYLES = (
    Style("", " tandis que ", ", puis ", ", et finalement ", {"": "clause"}),
    Style("on peut entendre ", " et en même temps ", ", ensuite ", ", et pour finir ",
          {"": "heard"}),
    Style("", " avec ", ", puis ", ", enfin ", {"": "noun"}),
    Style("d'abord ", " pendant que ", " ; après cela, ", " ; à la fin, ", {"": "clause"},
          alone="dans cet enregistrement, "),
    Style("l'enregistrement contient ", " ainsi que ", ", plus tard ", ", et en dernier ",
          {"": "the noun"}),
)  # fmt: skip


def finish(text: str) -> str:
    """Elide "que" before a vowel, begin with a capital letter."""
    return capital(re.sub(r"\bque (?=[aeiou])", "qu'", text))
