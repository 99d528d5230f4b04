"""Spanish."""

from mini_corpus.languages.romance import PL, F, Romance, Words
from mini_corpus.languages.style import Style, capital

_NOISY = {"quietly": "silenciosamente", "loudly": "ruidosamente"}

WORDS = {
    "rain": Words("la lluvia", "cae", "la lluvia cayendo", "", "lluvia", gender=F,
                  loudly="con fuerza", quiet=("ligero", "ligera", "ligeros"),
                  loud=("intenso", "intensa", "intensos")),
    "wind": Words("el viento", "sopla", "el viento soplando", "", "viento",
                  loudly="con fuerza", quiet=("suave", "suave", "suaves")),
    "thunder": Words("los truenos", "retumban", "los truenos retumbando", "", "truenos",
                     gender=PL, loudly="con fuerza", quietly="débilmente"),
    "siren": Words("una sirena", "ulula", "una sirena ululando", "el ", "ulular",
                   "de una sirena", quietly="débilmente"),
    "applause": Words("la gente", "aplaude", "a la gente aplaudiendo", "", "aplausos",
                      gender=PL),
    "bird": Words("un pájaro", "trina", "un pájaro trinando", "el ", "trino", "de un pájaro"),
    "cricket": Words("los grillos", "cantan", "los grillos cantando", "el ", "canto",
                     "de los grillos"),
    "engine": Words("un motor", "funciona", "un motor funcionando", "el ", "zumbido",
                    "de un motor", **_NOISY),
    "clock": Words("un reloj", "hace tictac", "un reloj haciendo tictac", "el ", "tictac",
                   "de un reloj"),
    "footsteps": Words("alguien", "camina", "a alguien caminando", "", "pasos", gender=PL,
                       **_NOISY),
    "drops": Words("el agua", "gotea", "el agua goteando", "el ", "goteo", "del agua"),
    "bell": Words("una campana", "suena", "una campana sonando", "el ", "tañido",
                  "de una campana", counted="toques"),
    "dog": Words("un perro", "ladra", "un perro ladrando", "los ", "ladridos", "de un perro",
                 gender=PL, counted="ladridos"),
    "beep": Words("un aparato", "pita", "un aparato pitando", "los ", "pitidos",
                  "de un aparato", gender=PL, counted="pitidos"),
    "knock": Words("alguien", "llama", "a alguien llamando", "", "golpes", "en la puerta",
                   gender=PL, counted="golpes", place="a la puerta"),
    "horn": Words("un coche", "toca la bocina", "un coche tocando la bocina", "los ",
                  "bocinazos", "de un coche", gender=PL, counted="bocinazos"),
}  # fmt: skip

phrase = Romance(
    entries=WORDS,
    adverbs={
        "quiet": "con suavidad",
        "loud": "fuerte",
        "slow": "despacio",
        "fast": "deprisa",
    },
    adjectives={
        "quiet": ("débil", "débil", "débiles"),
        "loud": ("fuerte", "fuerte", "fuertes"),
        "slow": ("lento", "lenta", "lentos"),
        "fast": ("rápido", "rápida", "rápidos"),
    },
    times={2: "dos veces", 3: "tres veces"},
    numerals={2: "dos", 3: "tres"},
    and_="y",
).phrase

STYLES = (
    Style("", " mientras ", ", luego ", ", y finalmente ", {"": "clause"}),
    Style("podemos oír ", " y al mismo tiempo ", ", seguidamente ", ", y por último ",
          {"": "heard"}),
    Style("", " junto con ", ", luego ", ", finalmente ", {"": "noun"}),
    Style("primero ", " a la vez que ", "; después de eso, ", "; al final, ", {"": "clause"},
          alone="en esta grabación, "),
    Style("la grabación contiene ", " además de ", ", más tarde ", ", y para terminar ",
          {"": "the noun"}),
)  # fmt: skip


def finish(text: str) -> str:
    """Contract "de" with the article, begin with a capital letter."""
    return capital(text.replace(" de el ", " del "))
