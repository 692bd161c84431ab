"""What this folder keeps of people 个人信息权益自己的清单: copies while they lie here, closings, legal holds."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.copying import copier, plain, time, words
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node
from tongban.privacy.model.desk import KIND_WORDS
from tongban.privacy.rules.limits import COPIES
from tongban.privacy.rules.relatives import relatives
from tongban.privacy.rules.times import times

_SOURCE = "privacy.md 7 (24 h, once); copies.toml"
_STATES = {"gathering": "正在做", "ready": "可以取", "fetched": "取走了", "expired": "过了时间，删了", "stopped": "你停掉了", "failed": "没有做成"}
_TIDY = "取走马上删；没取的，到时间由定时任务删（privacy.copies_over）"



async def _left_desk(tx: Tx, _: Node, subject: str) -> int:
    """The requests about this person go; where they stood at the desk for somebody who died, they are named no more."""
    gone = await tx.fetch("DELETE FROM desk_right WHERE subject = $1 RETURNING 1", subject)
    other = await tx.fetch("UPDATE desk_right SET asker_subject = '' WHERE asker_subject = $1 RETURNING 1", subject)
    return len(gone) + len(other)


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
    Holding(
        table="closing", title="注销申请",
        copy=copier("closing", time("申请的时间", "asked_at"), time("注销的时间", "due_at"), words("现在", "state", {"waiting": "等着注销", "stopped": "停了"}), order="asked_at DESC"),
        erase=rows_of("closing"), term=Term(kept=timedelta(days=365), past="ended_at < $1", source="product"),
    ),
    Holding(
        table="desk_right", title="在窗口提的请求",
        copy=copier(
            "desk_right", words("要什么", "kind", KIND_WORDS), words("谁来的", "way", {"self": "本人", "relative": "近亲属"}), time("时间", "asked_at"),
            plain("哪个窗口", "unit"), words("结果", "state", {"waiting": "等着办", "done": "办好了", "refused": "没有办"}), order="asked_at DESC",
        ),
        erase=_left_desk, term=Term(kept=timedelta(days=3 * 366), past="asked_at < $1", source="privacy.md 4: dispute and evidence 3 years, product"),
    ),
    Holding(
        table="after_me", title="身后安排",
        copy=copier("after_me", words("怎么安排", "choice", {one.code: one.words for one in relatives().choice}), time("从什么时候", "made_at"), time("到什么时候", "ended_at"), order="made_at DESC"),
        erase=rows_of("after_me"), no_term="本人定的，改了才作废，跟着账号",
    ),
    Holding(
        table="leaving", title="待删除的记录", not_copied="只在账号注销以后才有", not_erased="别的都删完，这一行最后删", no_term="删完就没有了",
    ),
    Holding(
        table="legal_hold", title="法定保留", not_copied="能说的，在注销的页面上写着；还不能说的，结束时告诉本人", not_erased="是法律要求留的依据",
        stays="依法多留信息的，那项决定的记录在解除以后再留 3 年。",
        term=Term(kept=timedelta(days=times().hold.kept_days), past="ended_at < $1", source="product; closing.toml", subject="", case=""),
    ),
    Holding(table="copy_chunk", title="副本的内容", not_copied="就是副本的内容，取走就删", erase=rows_of("copy_chunk"), no_term=_TIDY),
)  # fmt: skip
