"""The three facts 多久、收费、几趟, and the materials counted down, in the words of a page. Pure."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from tongban.catalogue.model import Answers, Fee, Item, Limit, Material, Replacement
from tongban.catalogue.rules.conditions import context, holds

State = Literal["free", "licence", "reuse", "upload"]
SAMPLE = "样例，以当地公布为准"
CENTS = 100


class Facts(msgspec.Struct, frozen=True):
    """How long, how much, how many trips (三个事实). `*_sample`: not confirmed by a source, shown as 样例."""

    how_long: str
    how_long_unit: str
    how_long_note: str
    how_long_sample: bool
    fee: str
    fee_note: str
    fee_sample: bool
    visits: str
    visits_note: str
    visits_sample: bool

    @property
    def any_sample(self) -> bool:
        """Whether anything here must carry the words 样例，以当地公布为准."""
        return self.how_long_sample or self.fee_sample or self.visits_sample


class MaterialNeeded(msgspec.Struct, frozen=True):
    """A material as this case meets it (材料): one of four states, how it is replaced, whether it is certain."""

    material: Material
    state: State
    how: str
    certain: bool


def yuan(fen: int) -> str:
    """Fen as yuan, without needless zeros (元)."""
    whole, rest = divmod(fen, CENTS)
    return f"{whole}.{rest:02d}" if rest else str(whole)


def _limit_words(limit: Limit) -> tuple[str, str]:
    if limit.days == 0:
        return "当场", ""
    return (f"{limit.days} 个", "工作日") if limit.unit == "working" else (f"{limit.days} 天", "")


def _fee_words(fee: Fee) -> str:
    if not fee.charged:
        return "0 元"
    amounts = sorted({line.fen for line in fee.lines})
    if not amounts:
        return "要收费"
    return f"{yuan(amounts[0])} 元" if len(amounts) == 1 else f"{yuan(amounts[0])}–{yuan(amounts[-1])} 元"


def facts(item: Item) -> Facts:
    """The three facts of an item, the promised limit before the statutory one (三个事实)."""
    limit = item.promised_limit or item.statutory_limit
    promised = item.promised_limit is not None
    words, unit = _limit_words(limit) if limit else ("看当地", "")
    sample = limit is None or not item.official("promised_days" if promised else "statutory_days")
    length = words + unit
    note = f"承诺 {length}" if promised else f"法律规定最长 {length}"
    return Facts(
        how_long=words, how_long_unit=unit, how_long_note=note if limit else "当地还没有公布", how_long_sample=sample,
        fee=_fee_words(item.fee), fee_note="；".join(f"{x.what} {yuan(x.fen)} 元" for x in item.fee.lines),
        fee_sample=not item.official("fee"),
        visits=f"{item.visits.times} 趟", visits_note=item.visits.reason if item.visits.times else "",
        visits_sample=not item.official("visits") and not item.official("steps"),
    )


def _replaced(how: Replacement) -> tuple[State, str]:
    if how.kind == "licence":
        return "licence", f"用你的电子证照：{how.name}"
    if how.kind == "shared":
        return "free", f"由部门共享：{how.item or how.name}"
    if how.kind == "form":
        return "free", "在线填写，系统生成"
    if how.kind == "promise":
        return "free", "可以书面承诺代替"
    return "free", "网上签名就行"


ORDER = {"form": 0, "licence": 1, "shared": 2, "signature": 3, "promise": 4}


def materials_needed(
    item: Item, answers: Answers | None = None, today: date | None = None, *, reusable: dict[str, date] | None = None,
    held: frozenset[str] | None = None,
) -> tuple[MaterialNeeded, ...]:
    """The materials this case meets, in the order of the definition (要哪些材料).

    Without answers (a guide page) every material stands there and those that only sometimes apply are not `certain`.
    With answers, a material whose CEL condition is false is left out. `reusable` names materials handed in before and
    when. `held`: the types of licence that were found, so that no other one replaces anything; None where nobody looked.
    A material that nothing replaces is `upload`.
    """
    values = context(answers or {}, item.form.fields, today)
    found = []
    for material in item.materials:
        certain = material.necessity == "needed"
        if material.needed and answers is not None:
            if not holds(material.needed, values):
                continue
            certain = True
        before = (reusable or {}).get(material.name)
        ways = [one for one in material.replaceable_by if answers is None or holds(one.when, values)]
        absent = [one.name for one in ways if one.kind == "licence" and held is not None and one.name not in held]
        ways = sorted((one for one in ways if one.name not in absent or one.kind != "licence"), key=lambda one: ORDER[one.kind])
        if ways:
            state, how = _replaced(ways[0])
        elif before is not None:
            state, how = "reuse", f"复用 {before.year} 年 {before.month} 月交过的那份"
        else:
            state, how = "upload", f"没有查到你的电子证照（{'、'.join(absent)}），拍照或选文件" if absent else material.why or "拍照或选文件"
        found.append(MaterialNeeded(material, state, how, certain))
    return tuple(found)
