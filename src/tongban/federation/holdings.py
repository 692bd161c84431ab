"""What the post keeps of people 信件里的个人信息: sealed bodies on their way, which no person can be found in (R-409, R-804).

Letters are ended by the post's own clock (`compact.keep_house`, federation.md 7): a letter goes when nobody needs it any more to
prove an order of facts, and only the post knows that.
"""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.holdings import Holding, Term

_ON_ITS_WAY = "加密的信件正文，里面的内容在写信和收信的房间各有一份，副本从那里出"
_NOT_FOUND = "正文加了密，信件按件编号、不按人编号；注销的消息本身也靠它们送到各地"
_OWN_CLOCK = "由互联的清理任务按 federation.md 7 清正文：自己写的 400 天，收到和转交的 100 天，退回的办结后 3 年"
LETTERS_STAY = "各地系统之间来往的信件都加了密，正文最多保留 400 天，到期自动清掉。"

HOLDINGS = (
    Holding(
        table="call_answer", title="系统之间的应答", not_copied="给对方系统的一次应答，加密暂存，防止重复办理；内容在办这件事的房间里",
        not_erased="按对方的请求编号存，找不出是谁的；七天内自动删除",
        term=Term(kept=timedelta(days=7), past="at < $1", source="federation.md 7: idempotency answers 7 days, product", subject=""),
    ),
    Holding(table="outbox", title="寄出的信件", not_copied=_ON_ITS_WAY, not_erased=_NOT_FOUND, stays=LETTERS_STAY, no_term=_OWN_CLOCK),
    Holding(table="letter_applied", title="收到的信件", not_copied=_ON_ITS_WAY, not_erased=_NOT_FOUND, no_term=_OWN_CLOCK),
    Holding(table="letter_returned", title="退回的信件", not_copied=_ON_ITS_WAY, not_erased=_NOT_FOUND, no_term=_OWN_CLOCK),
    Holding(table="letter_to_return", title="待退回的信件", not_copied=_ON_ITS_WAY, not_erased=_NOT_FOUND, no_term=_OWN_CLOCK),
)  # fmt: skip
