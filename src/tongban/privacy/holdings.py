"""What this folder keeps of people 个人信息权益自己的清单: copies that were asked for, while they lie here."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.copying import copier, plain, time, words
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.privacy.rules.limits import COPIES

_SOURCE = "privacy.md 7 (24 h, once); copies.toml"
_STATES = {"gathering": "正在做", "ready": "可以取", "fetched": "取走了", "expired": "过了时间，删了", "stopped": "你停掉了", "failed": "没有做成"}
_TIDY = "取走马上删；没取的，到时间由定时任务删（privacy.copies_over）"

HOLDINGS = (
    Holding(
        table="copy_request", title="要过的信息副本",
        copy=copier(
            "copy_request", time("要的时间", "asked_at"), words("哪一种", "whole", {True: "全部的"}), words("现在", "state", _STATES), time("做好的时间", "made_at"),
            plain("大小（字节）", "byte_count"), time("取走的时间", "fetched_at"), order="asked_at DESC",
        ),
        erase=rows_of("copy_request"),
        term=Term(kept=timedelta(days=COPIES.history_days), past="asked_at < $1 AND state NOT IN ('gathering', 'ready')", source="product; copies.toml"),
    ),
    Holding(table="copy_part", title="副本的各处", not_copied="写在副本的页面上：问了哪些地方", erase=rows_of("copy_part"), no_term=_TIDY),
    Holding(
        table="copy_share", title="给副本的一份", not_copied="就是副本的内容，取走就删", erase=rows_of("copy_share"),
        term=Term(kept=timedelta(0), past="ends_at < $1", source=_SOURCE),
    ),
    Holding(table="copy_chunk", title="副本的内容", not_copied="就是副本的内容，取走就删", erase=rows_of("copy_chunk"), no_term=_TIDY),
)  # fmt: skip
