"""Corrections of a register 纠错: what the person asked, what was decided, where the wrong value had gone (privacy.md 4, 7)."""

from __future__ import annotations

from datetime import timedelta

from tongban import federation
from tongban.identity.actions import disputes
from tongban.identity.rules.disputes import attribute
from tongban.kernel.copying import Field, copier, count, plain, sealed, time, words
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_THREE_YEARS = timedelta(days=3 * 366)
_DECIDED = "privacy.md 4: dispute and evidence 3 years after decision, product"
_STATES = {"open": "在核实", "proposed": "在核实", "upheld": "已更正", "refused": "没有更正", "withdrawn": "撤回了"}


def _attribute(row: dict[str, str]) -> str:
    known = attribute(row["attribute"])
    return known.words if known else row["attribute"]


async def _withdrawn(tx: Tx, node: Node, subject: str) -> int:
    return await disputes.withdraw_all(tx, node, subject)


WHICH = Field("哪一项", lambda _, row: _attribute(row))

HOLDINGS = (
    Holding(
        table="dispute", title="纠错申请",
        copy=copier(
            "dispute", plain("编号", "number"), WHICH, sealed("应当是", "sensitive", "dispute.claimed"), sealed("你写的说明", "identity", "dispute.note"),
            count("交了几份材料", "evidence"), time("提出时间", "opened_at"), plain("答复期限", "due_on"), words("结果", "state", _STATES),
            plain("哪个单位定的", "unit"), sealed("理由", "identity", "dispute.first_reason"), sealed("复核理由", "identity", "dispute.second_reason"),
            time("决定时间", "decided_at"), order="opened_at DESC, id DESC",
        ),
        sensitive=frozenset({"应当是"}), erase=_withdrawn, stays="还没有答复的纠错当天撤回。已经提过的纠错和答复保留到决定后 3 年，供复议和诉讼查证。",
        term=Term(kept=_THREE_YEARS, past="state <> 'open' AND decided_at < $1", source=_DECIDED),
    ),
    Holding(
        table="dispute_desk", title="登记机关收到的纠错", not_copied="和你账号所在地的“纠错申请”是同一件，副本从那里出",
        not_erased="登记机关受理的案卷，答复以后还可能复议", stays="登记机关受理的纠错案卷保留到决定后 3 年。",
        term=Term(kept=_THREE_YEARS, past="state NOT IN ('open', 'proposed') AND decided_at < $1", source=_DECIDED),
    ),
    Holding(
        table="correction", title="更正过的信息",
        copy=copier("correction", WHICH, plain("从哪天起", "effective"), time("这里改好的时间", "applied_at"), order="applied_at DESC, attribute"),
        erase=rows_of("correction"), no_term="防止旧值再写回来，跟着账号走",
    ),
    Holding(
        table="corrected_use", title="用过旧信息的地方",
        copy=copier("corrected_use", WHICH, sealed("用在哪儿", "identity", "corrected_use.title"), time("列出时间", "at"), order="at DESC, id DESC"),
        erase=rows_of("corrected_use"), term=Term(kept=_THREE_YEARS, past="at < $1", source=_DECIDED),
    ),
    Holding(
        table="account_move", title="账号搬家",
        copy=copier(
            "account_move", words("方向", "side", {"from": "从这里搬走", "to": "搬到这里"}), federation.place("另一头", "other"), time("提出时间", "asked_at"),
            time("搬走时间", "due_at"), words("结果", "state", {"waiting": "在等", "stopped": "停止了", "released": "放行了", "opened": "搬好了"}),
            time("结束时间", "ended_at"), order="asked_at DESC, id DESC",
        ),
        erase=rows_of("account_move"), term=Term(kept=timedelta(days=365), past="ended_at < $1", source="product: the new home is told for one year"),
    ),
)  # fmt: skip
