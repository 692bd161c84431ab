"""Acting for another 代办和监护: who may act for whom, what was done, what a guardian was asked (privacy.md 4, 7)."""

from __future__ import annotations

from datetime import timedelta

from tongban import federation
from tongban.identity.rules.mandates import ACT_WORDS, book
from tongban.identity.rules.typed import masked_name
from tongban.kernel.copying import Field, copier, plain, says, sealed, several, time, words
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_THREE_YEARS = timedelta(days=3 * 366)
_AS_CONSENT = "product: as a consent, 3 years after the end (privacy.md 4 [K])"
_NOBODY = "（已注销）"
_STATES = {"arriving": "等对方接", "offered": "等对方接", "active": "有效", "refused": "对方没有接", "lapsed": "没有按时接，作废了", "stopped": "停了", "ended": "结束了"}
_BASES = {"legal_rep": "法定代表人", "org_agent": "单位授权", "family": "本人授权", "guardian": "监护人", "hall": "大厅当面授权"}


def _name(heading: str, side: str) -> Field:
    """The other side's name: masked for a person, whole for a company."""
    whole = sealed(heading, "identity", f"mandate.{side}_name")
    masked = sealed(heading, "identity", f"mandate.{side}_name", show=masked_name)
    return Field(heading, lambda node, row: (whole if row[side].startswith("o") else masked).read(node, row))


def _acts(row: dict[str, list[str]]) -> list[str]:
    return [one.words for one in book().act if one.code in row["acts"]]


_MANDATE = (
    words("依据", "basis", _BASES), Field("能做什么", lambda _, row: _acts(row)), plain("哪些事项", "items"), time("从", "from_at"), time("到", "until_at"),
    words("现在", "state", _STATES), time("接受时间", "accepted_at"), time("结束时间", "over_at"), federation.place("在哪儿授权", "granted_node"),
)  # fmt: skip


async def _mandates(tx: Tx, node: Node, subject: str) -> int:
    """The rows stay as proof, the person's name in them goes; closing the account has ended them and told the other side."""
    count = 0
    for side in ("grantor", "agent"):
        for row in await tx.fetch(f"SELECT id, {side}_name AS name FROM mandate WHERE {side} = $1 FOR UPDATE", subject):
            column = f"mandate.{side}_name"
            if node.cipher.open("identity", column, row["id"], row["name"]).reveal() == _NOBODY:
                continue
            await tx.execute(f"UPDATE mandate SET {side}_name = $2 WHERE id = $1", row["id"], node.cipher.seal("identity", column, row["id"], _NOBODY))
            count += 1
    return count


async def _asks(tx: Tx, _: Node, subject: str) -> int:
    """A minor's own go; a guardian's go while unanswered, an answer stands with the minor."""
    gone = await tx.fetch(
        "DELETE FROM guardian_ask WHERE subject = $1 OR (guardian_subject = $1 AND answered_at IS NULL) RETURNING 1", subject
    )
    return len(gone)


_ACT = (time("时间", "at"), words("做了什么", "act", ACT_WORDS), sealed("哪件事", "identity", "mandate_act.what"))
_ASK = (
    sealed("哪件事", "identity", "guardian_ask.what"), time("问的时间", "asked_at"), words("答复", "answer", {"yes": "同意", "no": "不同意"}),
    time("答复时间", "answered_at"),
)  # fmt: skip

HOLDINGS = (
    Holding(
        table="mandate", title="代办授权",
        copy=several(
            copier(
                "mandate", says("你是", "委托人"), _name("谁代办", "agent"), *_MANDATE, where="grantor = $1 OR granted_by_subject = $1",
                order="made_at DESC, id DESC",
            ),
            copier("mandate", says("你是", "代办人"), _name("替谁办", "grantor"), *_MANDATE, where="agent = $1", order="made_at DESC, id DESC"),
        ),
        erase=_mandates, stays="代办授权当天全部停止。办过的代办要有凭据，保留到结束后 3 年，里面你的姓名已经去掉；替单位授的权归单位。",
        term=Term(
            kept=_THREE_YEARS, past="state IN ('refused','lapsed','stopped','ended') AND over_at < $1", source=_AS_CONSENT, subject="grantor",
        ),
    ),
    Holding(
        table="mandate_act", title="代办过的事",
        copy=several(
            copier("mandate_act", says("你是", "委托人"), *_ACT, where="grantor = $1", order="at DESC, id DESC"),
            copier("mandate_act", says("你是", "代办人"), *_ACT, where="agent = $1", order="at DESC, id DESC"),
        ),
        not_erased="委托人和代办人都要能查到替谁办过什么", stays="代办过哪些事的记录保留 3 年，只有代号，没有姓名和号码。",
        term=Term(kept=_THREE_YEARS, past="at < $1", source=_AS_CONSENT, subject="grantor"),
    ),
    Holding(
        table="mandate_alert", title="代办提醒", not_copied="给工作人员的提醒，只有人数，没有内容", erase=rows_of("mandate_alert", "agent"),
        term=Term(kept=timedelta(days=366), past="seen_at < $1", source="product", subject="agent"),
    ),
    Holding(
        table="guardian_ask", title="监护人确认",
        copy=several(
            copier("guardian_ask", says("你是", "办事的人"), *_ASK, order="asked_at DESC, id DESC"),
            copier(
                "guardian_ask", says("你是", "监护人"), sealed("孩子", "identity", "guardian_ask.child_name", show=masked_name), *_ASK,
                where="guardian_subject = $1 AND subject <> $1", order="asked_at DESC, id DESC",
            ),
        ),
        erase=_asks, stays="替孩子点过头的记录跟着孩子的事走，保留 3 年，没有你的姓名和号码。",
        term=Term(kept=_THREE_YEARS, past="coalesce(answered_at, until_at) < $1", source=_AS_CONSENT),
    ),
    Holding(
        table="guardian_visit", title="在外地请监护人确认",
        copy=copier("guardian_visit", federation.place("在哪儿", "node"), time("时间", "asked_at"), order="asked_at DESC, id DESC"),
        erase=rows_of("guardian_visit"), term=Term(kept=timedelta(days=366), past="asked_at < $1", source="product"),
    ),
)  # fmt: skip
