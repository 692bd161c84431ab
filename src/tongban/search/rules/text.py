"""What text becomes in the index 分词与拼音: words, fuzzy toneless pinyin pairs, initials. The same for index and query.

zh/z ch/c sh/s, n/l, h/f (before a, ang, an, en, ei) and -ng/-n are merged, so homophone slips, dialect spellings and
recogniser errors land on the same terms. Source: language.md 2.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata

import opencc
from rapidfuzz import fuzz

from tongban.search.rules.sounds import sounds_of
from tongban.search.rules.sounds import syllables as known_syllables

VERSION = 5
"""Raise it when terms change: the index is then built again."""
HAN = re.compile(r"[\u3400-\u9fff]+")
LATIN = re.compile(r"[a-z]+")
PIECES = re.compile(r"[\u3400-\u9fff]+|[a-z]+|[0-9]+")
LONGEST_QUERY = 60
FILLERS = re.compile(
    r"(请问|你好|帮我|我想要?|我要|想要?|怎么样?办理?|怎么|如何|咋|去哪里?|哪里|在哪儿?|需要|什么|材料|条件|手续|可以|能不能|能|多少钱|多久|流程|一下|吗|呢|啊|呀|了|的|要|个)"
)
BEFORE_F = ("a", "ang", "an", "en", "ei")


@functools.cache
def _simplified() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def normal(text: str) -> str:
    """NFKC, simplified characters, small letters, at most sixty characters (规范化)."""
    folded = unicodedata.normalize("NFKC", text).lower().strip()
    return str(_simplified().convert(folded[:LONGEST_QUERY])) if folded else ""


def plain(text: str) -> str:
    """As `normal`, for texts of any length (规范化长文本)."""
    return str(_simplified().convert(unicodedata.normalize("NFKC", text).lower()))


def core(text: str) -> str:
    """A query without the words that carry no matter, or the query itself when nothing else is left (去虚词).

    >>> core("怎么办居住证"), core("需要什么材料")
    ('居住证', '需要什么材料')
    """
    left = FILLERS.sub("", text).strip(" 。，、？！?!,.")
    return left if len(left) > 1 else text


def words(text: str) -> list[str]:
    """The words of a text, long and short ones, without signs (分词)."""
    # its dictionary is a twentieth of a node's start, and a restarted node's index already stands; it holds the interpreter while it
    # loads (0.1 s, once), so that a thread would spare nobody
    import rjieba

    return [word for word in rjieba.cut_for_search(text) if PIECES.fullmatch(word)]


def cut(text: str) -> tuple[str, ...]:
    """The words of a text without overlap (切词)."""
    import rjieba

    return tuple(word for word in rjieba.cut(text) if PIECES.fullmatch(word))


def fuzzy(syllable: str) -> str:
    """One syllable with the merged sounds (模糊音).

    >>> [fuzzy(s) for s in ("zhuang", "shen", "lan", "fang", "xing", "nv")]
    ['zuan', 'sen', 'nan', 'han', 'xin', 'nv']
    """
    made = syllable
    if made[:2] in {"zh", "ch", "sh"}:
        made = made[0] + made[2:]
    if made[:1] == "l":
        made = "n" + made[1:]
    if made[:1] == "f" and made[1:] in BEFORE_F:
        made = "h" + made[1:]
    return made[:-1] if made.endswith("ng") else made


@functools.lru_cache(maxsize=20_000)
def syllables(text: str) -> tuple[str, ...]:
    """The toneless syllables of a text, Latin runs read as pinyin where they are pinyin (拼音)."""
    found: list[str] = []
    for piece in PIECES.findall(text):
        if HAN.fullmatch(piece):
            found.extend(sounds_of(piece))
        elif LATIN.fullmatch(piece):
            found.extend(parsed(piece) or (piece,))
        else:
            found.append(piece)
    return tuple(found)


def pairs(text: str) -> list[str]:
    """Neighbouring fuzzy syllables, `kai_gon`; a single syllable alone, `^kai` (拼音双音)."""
    sounds = [fuzzy(one) for one in syllables(text)]
    if len(sounds) == 1:
        return ["^" + sounds[0]]
    return [f"{first}_{second}" for first, second in itertools.pairwise(sounds)]


def singles(text: str) -> list[str]:
    """Every fuzzy syllable by itself, `^kai`: for one-syllable queries."""
    return ["^" + fuzzy(one) for one in syllables(text)]


def whole(text: str) -> str:
    """The fuzzy sound of a whole name, for exact hits (全名拼音)."""
    return "_".join(fuzzy(one) for one in syllables(text))


def initials(text: str) -> str:
    """First letters of the syllables (首字母).

    >>> initials("注册公司")
    'zcgs'
    """
    return "".join(one[0] for one in syllables(text))


@functools.lru_cache(maxsize=4096)
def parsed(letters: str) -> tuple[str, ...]:
    """Latin letters as the fewest syllables, or () when they are no pinyin (拼音切分).

    >>> parsed("zhucegongsi"), parsed("zcgs")
    (('zhu', 'ce', 'gong', 'si'), ())
    """
    known = known_syllables()
    best: list[tuple[str, ...] | None] = [()] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 6), end):
            before = best[start]
            if before is not None and letters[start:end] in known:
                made = (*before, letters[start:end])
                current = best[end]
                if current is None or len(made) < len(current):
                    best[end] = made
    return best[len(letters)] or ()


def latin_only(text: str) -> bool:
    """Whether a query is typed in Latin letters alone (纯字母)."""
    squeezed = re.sub(r"[\s'\-]", "", text)
    return bool(LATIN.fullmatch(squeezed))


def squeezed(text: str) -> str:
    """Latin letters without the blanks and apostrophes between syllables."""
    return re.sub(r"[\s'\-]", "", text)


def alike(first: str, second: str) -> float:
    """How alike two short Latin strings are, 0 to 1 (相似度)."""
    return fuzz.ratio(first, second) / 100


def softened(letters: str) -> str:
    """Latin letters with the merged sounds, where no syllables can be told apart (字母模糊)."""
    made = re.sub(r"([zcs])h", r"\1", letters)
    return re.sub(r"ng(?![aeiou])", "n", made).replace("l", "n")
