"""What 授权与台账 keeps of people: consents as proof, and the ledger, for as long as the law and privacy.md 4 say (R-409, R-804)."""

from __future__ import annotations

from datetime import timedelta

from tongban.consent.actions import withdraw_all
from tongban.consent.queries import LEDGER_KEPT
from tongban.kernel.copying import Field, copier, plain, time, words
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_THREE_YEARS = LEDGER_KEPT
_ASK_KEPT = timedelta(days=90)
_ENDED = "privacy.md 4: consent and withdrawal, 3 years after the end [K]"
_WITH_ENDS = """(SELECT c.*, w.at AS withdrawn_at FROM consent c
                 LEFT JOIN consent_withdrawal w ON w.subject = c.subject AND w.consent_id = c.id) AS consent"""


async def _withdrawn(tx: Tx, node: Node, subject: str) -> int:
    return await withdraw_all(tx, node, subject, channel="closing")


def _asked(heading: str, name: str) -> Field:
    return Field(heading, lambda _, row: row["ask"].get(name))


HOLDINGS = (
    Holding(
        table="consent", title="授权记录",
        copy=copier(
            _WITH_ENDS, time("同意的时间", "given_at"), plain("给谁用", "receiver_name"), plain("谁给", "giver_name"), plain("给了哪几项", "fields"),
            plain("用来做什么", "why"), time("最晚用到", "until"), time("撤回的时间", "withdrawn_at"), order="given_at DESC, id DESC",
        ),
        erase=_withdrawn, stays="同意过的授权当天全部停用。授权书和撤回记录保留到结束后 3 年，用来证明当时是你本人同意的。",
        term=Term(
            kept=_THREE_YEARS, source=_ENDED,
            past="least(until, (SELECT w.at FROM consent_withdrawal w WHERE w.subject = consent.subject AND w.consent_id = consent.id)) < $1",
        ),
    ),
    Holding(
        table="consent_withdrawal", title="撤回记录", not_copied="和授权记录写在一起：哪一天撤回的", not_erased="和授权记录一起保留，证明你撤回过",
        term=Term(
            kept=_THREE_YEARS, source=_ENDED,
            past="at < $1 AND NOT EXISTS (SELECT FROM consent c WHERE c.subject = consent_withdrawal.subject AND c.id = consent_withdrawal.consent_id)",
        ),
    ),
    Holding(
        table="consent_withdrawal_told", title="撤回的告知", not_copied="系统自己的记号：撤回已经告诉提供数据的单位", not_erased="和撤回记录一起保留",
        term=Term(
            kept=_THREE_YEARS, source=_ENDED,
            past="told_at < $1 AND NOT EXISTS (SELECT FROM consent_withdrawal w WHERE w.subject = consent_withdrawal_told.subject"
                 " AND w.consent_id = consent_withdrawal_told.consent_id)",
        ),
    ),
    Holding(
        table="consent_ask", title="问过你的授权",
        copy=copier(
            "consent_ask", time("什么时候问的", "asked_at"), _asked("给谁用", "receiver_name"), _asked("谁给", "giver_name"),
            _asked("要哪几项", "fields"), _asked("用来做什么", "why"), words("你的答复", "answer", {"given": "同意", "refused": "不同意"}),
            time("答复时间", "answered_at"), order="asked_at DESC, id DESC",
        ),
        erase=rows_of("consent_ask"),
        term=Term(
            kept=_ASK_KEPT, source="product: an ask nobody answered, as long as an untouched draft; answered ones as consents (privacy.md 4 [K])",
            past=f"(answer IS NULL AND asked_at < $1) OR answered_at < $1 - interval '{(_THREE_YEARS - _ASK_KEPT).days} days'",
        ),
    ),
    Holding(
        table="access_record", title="谁用过我的信息", not_copied="单独成一份：谁用过我的信息，每一行带存证回执",
        not_erased="查看和使用你信息的记录要留给你核对，注销以后也不能改、不能删",
        stays="谁用过你信息的记录保留 3 年，只有代号，没有姓名和号码；3 年里到大厅核验本人，还能查。",
        term=Term(kept=_THREE_YEARS, past="at < $1", source="privacy.md 4: ledger 3 years (PIPL 56 by analogy [K])"),
    ),
)  # fmt: skip
