"""授权与台账 (consent): what a person allowed, and who used their data (R-409, R-404; 个人信息保护法 art. 13-17, 44-45).

Nouns: **ask** 请求, **consent** 授权, **access** 取用, **line** 台账的一行. A consent is one purpose, append-only; withdrawing is
as easy as giving and stops the next call. Every access to a person is a line and a log leaf in the transaction that answers.

    url = await consent.ask(tx, node, subject, Ask(purpose="case.prefill.<item>", …), back="/apply/…/2")   # 303 there
    if await consent.allows(tx, subject, "case.prefill.<item>", "510000", at=node.clock.now()): …
    await consent.record_access(tx, node, Access(subject=…, who="成都市市场监管局 受理岗", fields=("住址",), …))
"""

from tongban.consent.actions import (
    WITHDRAWN_BELL,
    accessing,
    accessing_many,
    answer,
    ask,
    give,
    hold_back,
    record_access,
    withdraw,
    withdrawal_told,
    withdrawn_again,
)
from tongban.consent.model import Access, Ask, Consent, Line, PendingAsk
from tongban.consent.queries import (
    allows,
    breadth,
    consents,
    fact_of,
    line,
    line_count,
    lines,
    lines_everyone,
    standing,
    used,
    withdrawn_untold,
)
from tongban.consent.rules import ONESELF, access_digest, headline, milliseconds, moment, sentence

__all__ = [
    "ONESELF",
    "WITHDRAWN_BELL",
    "Access",
    "Ask",
    "Consent",
    "Line",
    "PendingAsk",
    "access_digest",
    "accessing",
    "accessing_many",
    "allows",
    "answer",
    "ask",
    "breadth",
    "consents",
    "fact_of",
    "give",
    "headline",
    "hold_back",
    "line",
    "line_count",
    "lines",
    "lines_everyone",
    "milliseconds",
    "moment",
    "record_access",
    "sentence",
    "standing",
    "used",
    "withdraw",
    "withdrawal_told",
    "withdrawn_again",
    "withdrawn_untold",
]
