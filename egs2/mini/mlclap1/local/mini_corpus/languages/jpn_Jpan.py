"""Japanese."""

from dataclasses import dataclass

from mini_corpus.languages.style import Style
from mini_corpus.scenes import Event


@dataclass(frozen=True)
class Verb:
    """The forms of a verb that captions use."""

    plain: str
    te: str
    stem: str  # the conjunctive; with ます, the polite form

    def form(self, name: str) -> str:
        """`name` is "plain", "te", "stem" or "polite"."""
        return f"{self.stem}ます" if name == "polite" else getattr(self, name)


def _ru(root: str) -> Verb:
    return Verb(f"{root}る", f"{root}て", root)


def _godan_ru(root: str) -> Verb:
    return Verb(f"{root}る", f"{root}って", f"{root}り")


@dataclass(frozen=True)
class Words:
    """How Japanese speaks of one source.

    `subject` carries its particle; `of` stands before the adjectives of `noun`; a verb's object
    follows the adverbs.
    """

    subject: str
    verb: Verb
    of: str
    noun: str
    object: str = ""
    adverbs: tuple[str, str] = ("かすかに", "大きく")
    # before another adjective ("...くて"), before the noun
    quiet: tuple[str, str] = ("小さくて", "小さな")
    loud: tuple[str, str] = ("大きくて", "大きな")


_VOICE = ("小さな声で", "大きな声で")

WORDS = {
    "rain": Words("雨が", _godan_ru("降"), "雨の", "音", adverbs=("しとしと", "激しく"),
                  quiet=("静かで", "静かな"), loud=("激しくて", "激しい")),
    "wind": Words("風が", Verb("吹く", "吹いて", "吹き"), "風の", "音", adverbs=("弱く", "強く"),
                  quiet=("弱くて", "弱い"), loud=("強くて", "強い")),
    "thunder": Words("雷が", _godan_ru("鳴"), "雷の", "音", adverbs=("かすかに", "激しく")),
    "siren": Words("サイレンが", Verb("鳴り響く", "鳴り響いて", "鳴り響き"), "サイレンの", "音",
                   adverbs=("かすかに", "けたたましく")),
    "applause": Words("人々が", Verb("拍手する", "拍手して", "拍手し"), "人々の", "拍手",
                      adverbs=("控えめに", "盛大に")),
    "bird": Words("鳥が", _godan_ru("さえず"), "鳥の", "さえずり", adverbs=_VOICE),
    "cricket": Words("コオロギが", Verb("鳴く", "鳴いて", "鳴き"), "コオロギの", "鳴き声",
                     adverbs=_VOICE),
    "engine": Words("エンジンが", _godan_ru("回"), "エンジンの", "音", adverbs=("静かに", "うるさく")),
    "clock": Words("時計が", Verb("刻む", "刻んで", "刻み"), "時計の", "音", object="時を",
                   adverbs=("静かに", "うるさく")),
    "footsteps": Words("誰かが", Verb("歩く", "歩いて", "歩き"), "誰かの", "足音",
                       adverbs=("静かに", "足音高く")),
    "drops": Words("水が", _godan_ru("滴"), "水が滴る", "音",
                   adverbs=("静かに", "大きな音を立てて")),
    "bell": Words("鐘が", _godan_ru("鳴"), "鐘の", "音"),
    "dog": Words("犬が", _ru("吠え"), "犬の", "吠え声", adverbs=_VOICE),
    "beep": Words("電子音が", _godan_ru("鳴"), "機械の", "電子音"),
    "knock": Words("誰かが", Verb("叩く", "叩いて", "叩き"), "ドアを叩く", "音",
                   object="ドアを", adverbs=("軽く", "強く")),
    "horn": Words("車が", Verb("鳴らす", "鳴らして", "鳴らし"), "車の", "クラクション",
                  object="クラクションを", adverbs=("軽く", "激しく")),
}  # fmt: skip
LEVELS = ("quiet", "loud")
PACE_ADVERBS = {"slow": "ゆっくり", "fast": "速く"}
PACE_ADJECTIVES = {"slow": "ゆっくりとした", "fast": "速い"}
TIMES = {2: "二回", 3: "三回"}

STYLES = (
    Style("", "中、", "、それから", "、そして最後に",
          {">together": "plain", ">then": "te", ">end": "polite"}, closing="。"),
    Style("", "音と同時に", "音、続いて", "音、そして終わりに", {"": "plain"},
          closing="音が聞こえます。"),
    Style("", "と共に", "、次に", "、最後に", {"": "noun"}, closing="。"),
    Style("まず、", "と同時に、", "、その後、", "、終わりに、",
          {">together": "plain", ">then": "stem", ">end": "polite"},
          alone="この録音では、", closing="。"),
    Style("録音には、", "および", "、後に", "、最後の方に", {"": "noun"},
          closing="が入っています。"),
)  # fmt: skip


def phrase(event: Event, form: str) -> str:
    """The words for one event; `form` is that of the verb (see `Verb.form`) or "noun"."""
    entry = WORDS[event.source]
    level = None if event.loudness is None else LEVELS.index(event.loudness)
    times = TIMES.get(event.count, "")
    if form == "noun":
        adjective = ""
        if level is not None:
            adjective = (entry.quiet, entry.loud)[level][0 if event.pace else 1]
        pace = PACE_ADJECTIVES.get(event.pace, "")
        return f"{entry.of}{times and times + 'の'}{adjective}{pace}{entry.noun}"
    manner = "" if level is None else entry.adverbs[level]
    pace = PACE_ADVERBS.get(event.pace, "")
    return f"{entry.subject}{manner}{pace}{times}{entry.object}{entry.verb.form(form)}"


def finish(text: str) -> str:
    """Nothing is left to do."""
    return text
