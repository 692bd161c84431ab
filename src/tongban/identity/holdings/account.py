"""The account itself 账号和本人: last to go, since everything else is found through it (privacy.md 4, 7)."""

from __future__ import annotations

from datetime import timedelta

from tongban import federation
from tongban.identity.rules.levels import ACCOUNTS, PROOFS
from tongban.kernel.copying import Field, copier, sealed, time, words
from tongban.kernel.holdings import Holding, Term, rows_of

_NAME = sealed("姓名", "identity", "person.name", "subject")
_MASKED = sealed("姓名", "identity", "person.name_masked", "subject")

HOLDINGS = (
    Holding(
        table="match_pending", title="等着核对的身份",
        copy=copier(
            "match_pending", sealed("填的姓名", "identity", "match_pending.name", "subject"), sealed("填的证件号码", "sensitive", "match_pending.number", "subject"),
            time("提交时间", "asked_at"), order="subject",
        ),
        sensitive=frozenset({"填的证件号码"}), erase=rows_of("match_pending"), no_term="登记系统一答复就删除；在那以前跟着账号走",
    ),
    Holding(
        table="subject_alias", title="换过的代号", not_copied="换证件号码以前的代号，只有系统认得", erase=rows_of("subject_alias"),
        no_term="还有旧代号的信件和记录，就要靠它找到本人；注销时删除",
    ),
    Holding(
        table="person", title="本人",
        copy=copier(
            "person", Field("姓名", lambda node, row: (_MASKED if row["name"] is None else _NAME).read(node, row)),
            sealed("证件号码", "sensitive", "person.number", "subject"), federation.place("账号所在地", "home"), time("和登记核对上", "matched_at"),
            words("登记有没有照片", "photo_held", {True: "有"}), time("最近来过", "seen_at"), order="subject",
        ),
        sensitive=frozenset({"证件号码"}), erase=rows_of("person"),
        term=Term(
            kept=timedelta(days=400), source="product: a visitor as long as a device (privacy.md 4)",
            past="seen_at < $1 AND NOT EXISTS (SELECT FROM account a WHERE a.subject = person.subject)",
        ),
    ),
    Holding(
        table="account", title="账号",
        copy=copier(
            "account", sealed("手机号", "contact", "account.phone", "subject"), words("身份核对", "proof", PROOFS), time("开通时间", "opened_at"),
            words("状态", "status", ACCOUNTS), federation.place("搬到", "moved_to"),
            order="subject",
        ),
        erase=rows_of("account"),
        term=Term(kept=timedelta(days=365), past="status = 'moved' AND moved_at < $1", source="product: the new home is told for one year"),
    ),
)  # fmt: skip
