"""Staff and their reading of people 工作人员和查看记录: what proves who looked at whom and why (privacy.md 4, 6; identity.md 9)."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.copying import copier, plain, time
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_IN_LEDGER = "同一次查看在“谁用过我的信息”里有一行，写着单位和岗位；工作人员的工号不给外人"
_PROOF = "证明谁查看过你、凭什么，注销以后也不能删"
_TWO_PEOPLE = "满 3 年以后由两个人共同批准才删，不由系统自动删（identity.md 9，privacy.md 4 [K]）"


async def _unnamed(tx: Tx, node: Node, subject: str) -> int:
    """The number or case that a clerk typed in an emergency goes; that the person was looked at stays."""
    count = 0
    for row in await tx.fetch("SELECT glass FROM break_glass_person WHERE subject = $1 AND octet_length(ref) > 30 FOR UPDATE", subject):
        empty = node.cipher.seal("staff", "break_glass_person.ref", row["glass"], "")
        await tx.execute("UPDATE break_glass_person SET ref = $3 WHERE subject = $1 AND glass = $2", subject, row["glass"], empty)
        count += 1
    return count


HOLDINGS = (
    Holding(table="access_reason", title="工作人员查看的理由", not_copied=_IN_LEDGER, not_erased=_PROOF,
            stays="工作人员查看过你的理由至少保留 3 年，只有代号，没有姓名和号码。", no_term=_TWO_PEOPLE),
    Holding(
        table="break_glass_person", title="紧急查看到的人", not_copied=_IN_LEDGER, erase=_unnamed, no_term=_TWO_PEOPLE,
        stays="紧急查看过你的记录至少保留 3 年，填过的号码已经去掉。",
    ),
    Holding(table="break_glass", title="紧急查看", not_copied="工作人员写的理由，属于单位内部的查看记录", not_erased=_PROOF, no_term=_TWO_PEOPLE),
    Holding(
        table="counter_check", title="窗口核验",
        copy=copier("counter_check", time("时间", "at"), plain("大厅", "hall"), time("用过", "used_at"), order="at DESC, id DESC"),
        erase=rows_of("counter_check"), term=Term(kept=timedelta(days=1), past="expires_at < $1", source="product"),
    ),
    Holding(
        table="counter_visit", title="在窗口办事",
        copy=copier("counter_visit", time("时间", "at"), plain("窗口", "unit"), time("到", "until"), order="at DESC, id DESC"),
        erase=rows_of("counter_visit"), term=Term(kept=timedelta(days=30), past="until < $1", source="product"),
    ),
    Holding(
        table="proposal", title="内部待批事项", not_copied="单位内部的待批事项，按事编号，里面的人是工作人员", not_erased="单位内部的审批，证明两个人都同意过",
        term=Term(
            kept=timedelta(days=3 * 366), past="state <> 'open' AND coalesce(decided_at, expires_at) < $1", source="product: as the readings it may delete",
            subject="",
        ),
    ),
    Holding(
        table="staff", title="工作人员账号", not_copied="工作人员账号归单位管，本人在工作台看", not_erased="工作账号归单位管，离职由单位停用",
        no_term="查看记录靠工号认人，停用以后跟着查看记录留下",
    ),
)  # fmt: skip
