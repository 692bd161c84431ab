"""What 消息 keeps of people: the messages themselves, for the person to read (R-409, R-804, R-708)."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.copying import copier, sealed, time
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.notifications.actions import GROUP

HOLDINGS = (
    Holding(
        table="message", title="消息",
        copy=copier(
            "message", time("时间", "at"), sealed("标题", GROUP, "message.title"), sealed("内容", GROUP, "message.text"),
            sealed("关于", GROUP, "message.group_name"), time("读过", "read_at"), order="at DESC, id DESC",
        ),
        erase=rows_of("message"),
        term=Term(kept=timedelta(days=2 * 366), past="at < $1", source="product: what a message tells stands longer in its own room"),
    ),
)  # fmt: skip
