"""What 好差评 keeps of people: at home that they rated a service; at the unit words without an author (R-409, R-804, R-701)."""

from __future__ import annotations

from datetime import datetime, timedelta

from tongban.feedback.queries import GROUP
from tongban.kernel.copying import copier, plain, sealed, time
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_THREE_YEARS = timedelta(days=3 * 366)
_SEALED_NOTHING = 30
"""Bytes of a sealed empty text: key version, nonce, tag (privacy.md 2)."""
_PAST = f"day < ($1 AT TIME ZONE 'Asia/Shanghai')::date AND octet_length(text) > {_SEALED_NOTHING}"


async def _forget_words(tx: Tx, node: Node, before: datetime) -> int:
    """The words go, level and ticks stay: they are what the public figures count."""
    rows = await tx.fetch(f"SELECT org, id FROM review WHERE {_PAST} LIMIT 2000 FOR UPDATE", before)
    for row in rows:
        empty = node.cipher.seal(GROUP, "review.text", str(row["id"]), "")
        await tx.execute("UPDATE review SET text = $3 WHERE org = $1 AND id = $2", row["org"], row["id"], empty)
    return len(rows)


HOLDINGS = (
    Holding(
        table="review_given", title="我的评价",
        copy=copier(
            "review_given", time("评价时间", "given_at"), plain("打了几级", "level"), sealed("单位的答复", "case", "review_given.reply", "review_id"),
            time("答复时间", "replied_at"), time("可以评的时间", "issued_at"), plain("哪件事", "case_id"), order="issued_at DESC",
        ),
        erase=rows_of("review_given"),
        term=Term(kept=_THREE_YEARS, past="coalesce(given_at, issued_at) < $1", source="product: as long as its case may be asked about"),
    ),
    Holding(
        table="review", title="单位收到的评价", not_copied="单位那里不记名，找不出哪条是谁写的；你打的级别和得到的答复在“我的评价”里",
        not_erased="不记名，找不出哪条是谁写的", stays="写过的评价是不记名的，单位留着改进服务；文字 3 年后删除，只剩级别。",
        term=Term(kept=_THREE_YEARS, past=_PAST, source="product: words 3 years, levels for the public figures", subject="", end=_forget_words),
    ),
)  # fmt: skip
