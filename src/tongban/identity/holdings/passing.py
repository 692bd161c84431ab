"""What passes while somebody signs in 登录途中的临时记录, counters, and logs that name nobody (privacy.md 4)."""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.queries.persons import phone_marks
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_HOUR = timedelta(hours=1)
_ONE_HOUR = "privacy.md 4: login transaction 1 hour, product"
_NOBODY = "不记是谁"
_PASSING = "登录途中的临时记录，很快自动删除"


async def _attempts(tx: Tx, node: Node, subject: str) -> int:
    """Attempts that found the account, and those to its phone."""
    gone = await tx.fetch("DELETE FROM login_tx WHERE subject = $1 OR bi_phone = ANY($2::bytea[]) RETURNING 1", subject, await _marks(tx, node, subject))
    return len(gone)


async def _texts(tx: Tx, node: Node, subject: str) -> int:
    gone = await tx.fetch("DELETE FROM demo_sms WHERE bi_phone = ANY($1::bytea[]) RETURNING 1", await _marks(tx, node, subject))
    return len(gone)


async def _marks(tx: Tx, node: Node, subject: str) -> list[bytes]:
    """The mark the account stands under, and the others its phone may stand under while the index key turns."""
    row = await tx.fetchrow("SELECT phone, bi_phone FROM account WHERE subject = $1", subject)
    if row is None or row["bi_phone"] is None:
        return []
    phone = "" if row["phone"] is None else node.cipher.open("contact", "account.phone", subject, row["phone"]).reveal()
    return [row["bi_phone"], *(phone_marks(node, phone) if phone else ())]


def _nobody(table: str, title: str, kept: timedelta, past: str, source: str) -> Holding:
    term = Term(kept=kept, past=past, source=source, subject="")
    return Holding(table=table, title=title, not_copied=_NOBODY, not_erased=_NOBODY, term=term)


HOLDINGS = (
    Holding(
        table="login_tx", title="正在登录", not_copied=_PASSING, erase=_attempts,
        term=Term(kept=_HOUR, past="expires_at < $1", source=_ONE_HOUR),
    ),
    Holding(
        table="scan_login", title="扫码登录", not_copied=_PASSING, erase=rows_of("scan_login"),
        term=Term(kept=_HOUR, past="expires_at < $1", source=_ONE_HOUR),
    ),
    Holding(
        table="step_intent", title="核验前按下的一步", not_copied=_PASSING, erase=rows_of("step_intent"),
        term=Term(kept=timedelta(0), past="until < $1", source="product: 15 minutes"),
    ),
    Holding(
        table="demo_sms", title="演示短信", not_copied="演示环境里代替短信的显示，一小时后删除", erase=_texts,
        term=Term(kept=_HOUR, past="at < $1", source="product: demo only", subject=""),
    ),
    Holding(
        table="throttle", title="次数限制", not_copied="只有不能还原的摘要，不知道是谁的", not_erased="只有不能还原的摘要，两天后自动删除",
        term=Term(kept=timedelta(days=2), past="starts_at < $1", source="product", subject=""),
    ),
    Holding(
        table="login_pause", title="登录暂停", not_copied="只有不能还原的摘要，不知道是谁的", not_erased="只有不能还原的摘要，时间一到就删除",
        term=Term(kept=timedelta(0), past="until < $1", source="product", subject=""),
    ),
    Holding(
        table="home_hint", title="引荐凭条", not_copied="引荐途中的内容，60 秒", not_erased="引荐途中的内容，一分钟后删除",
        term=Term(kept=timedelta(minutes=1), past="expires_at < $1", source="identity.md 6.4: fetched within 60 s", subject=""),
    ),
    Holding(
        table="match_asked", title="核对次数", not_copied="只有不能还原的摘要和次数", not_erased="只有不能还原的摘要，第二天删除",
        term=Term(kept=timedelta(days=1), past="day < ($1 AT TIME ZONE 'Asia/Shanghai')::date", source="product: quota by day", subject=""),
    ),
    Holding(
        table="home_index", title="账号所在地索引", not_copied="国家节点的索引，只有不能还原的摘要和所在地；登录时用它找到你的账号在哪儿",
        not_erased="按摘要存，不按人存；注销时由账号所在地写信，国家节点收信就删", no_term="账号在，它就在；注销的信到了就删",
    ),
    _nobody("discovery_log", "引荐记录", timedelta(days=30), "at < $1", "privacy.md 4: hub discovery log 30 days, product"),
    _nobody("replay", "一次性标识", timedelta(0), "until < $1", "privacy.md 4: replay ids for their window, product"),
    _nobody("roam_tx", "去账号所在地登录", _HOUR, "expires_at < $1", _ONE_HOUR),
    _nobody("oidc_request", "应用的登录请求", _HOUR, "expires_at < $1", _ONE_HOUR),
    _nobody("code_count", "验证码次数", timedelta(days=8), "hour < $1", "product"),
    _nobody("staff_invitation", "工作人员邀请", timedelta(days=180), "expires_at < $1", "product"),
    _nobody("staff_notice", "工作人员提醒", timedelta(days=365), "at < $1", "product"),
)  # fmt: skip
