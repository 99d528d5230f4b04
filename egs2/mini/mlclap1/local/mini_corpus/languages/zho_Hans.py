"""Chinese (simplified characters)."""

from dataclasses import dataclass

from mini_corpus.languages.style import Style
from mini_corpus.scenes import Event


@dataclass(frozen=True)
class Words:
    """How Chinese speaks of one source; `measure` is the classifier of one stroke."""

    subject: str
    verb: str
    noun: str
    object: str = ""
    measure: str = "声"
    adverbs: tuple[str, str] = ("轻声", "大声")  # without 地
    adjectives: tuple[str, str] = ("微弱", "响亮")  # without 的


WORDS = {
    "rain": Words("外面", "下", "雨声", object="雨", adverbs=("淅淅沥沥", "哗哗"),
                  adjectives=("淅沥", "哗哗")),
    "wind": Words("风", "吹", "风声", adverbs=("轻轻", "猛烈"), adjectives=("轻柔", "猛烈")),
    "thunder": Words("天上", "打", "雷声", object="雷", adverbs=("低沉", "轰隆隆"),
                     adjectives=("低沉", "轰隆")),
    "siren": Words("警笛", "鸣叫", "警笛声", adverbs=("微弱", "刺耳")),
    "applause": Words("人们", "鼓", "掌声", object="掌", adverbs=("轻轻", "热烈"),
                      adjectives=("轻微", "热烈")),
    "bird": Words("一只鸟", "啼叫", "鸟叫声"),
    "cricket": Words("蟋蟀", "鸣唱", "蟋蟀声"),
    "engine": Words("一台发动机", "运转", "发动机声", adverbs=("安静", "吵闹")),
    "clock": Words("时钟", "滴答走", "时钟滴答声", adverbs=("轻轻", "响亮")),
    "footsteps": Words("有人", "走", "脚步声", adverbs=("轻轻", "重重"),
                       adjectives=("轻轻", "沉重")),
    "drops": Words("水", "滴", "滴水声", adverbs=("轻轻", "响亮")),
    "bell": Words("一口钟", "响", "钟声", measure="下", adverbs=("轻轻", "大声")),
    "dog": Words("一只狗", "叫", "狗叫声"),
    "beep": Words("一台仪器", "嘀嘀响", "仪器嘀嘀声", adverbs=("轻轻", "大声")),
    "knock": Words("有人", "敲", "敲门声", object="门", measure="下", adverbs=("轻轻", "用力")),
    "horn": Words("一辆汽车", "按", "汽车喇叭声", object="喇叭", adverbs=("轻轻", "用力")),
}  # fmt: skip
LEVELS = ("quiet", "loud")
PACE_ADVERBS = {"slow": "缓慢", "fast": "快速"}
PACE_ADJECTIVES = {"slow": "缓慢", "fast": "急促"}
NUMERALS = {2: "两", 3: "三"}

STYLES = (
    Style("", "，同时", "，然后", "，最后", {"": "clause"}, closing="。"),
    Style("可以听到", "，与此同时", "，接着", "，最终", {"": "clause"}, closing="。"),
    Style("", "伴着", "，然后是", "，最后是", {"": "noun"}, closing="。"),
    Style("首先", "，同时还有", "；之后", "；末尾", {"together>": "noun", "": "clause"},
          alone="在这段录音里，", closing="。"),
    Style("录音中有", "以及", "，后来有", "，结尾有", {"": "noun"}, closing="。"),
)  # fmt: skip


def phrase(event: Event, form: str) -> str:
    """The words for one event; `form` is "clause" or "noun"."""
    entry = WORDS[event.source]
    level = None if event.loudness is None else LEVELS.index(event.loudness)
    noun = form == "noun"
    marks = [] if level is None else [(entry.adjectives if noun else entry.adverbs)[level]]
    if event.pace:
        marks.append((PACE_ADJECTIVES if noun else PACE_ADVERBS)[event.pace])
    times = f"{NUMERALS[event.count]}{entry.measure}" if event.count else ""
    manner = "而".join(marks)
    if noun:
        return f"{times}{manner and manner + '的'}{entry.noun}"
    aspect = f"了{times}" if times else "着"
    return f"{entry.subject}{manner and manner + '地'}{entry.verb}{aspect}{entry.object}"


def finish(text: str) -> str:
    """Nothing is left to do."""
    return text
