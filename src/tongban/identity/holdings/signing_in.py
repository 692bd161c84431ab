"""Signing in 登录: sessions, devices, keys, the record a person reads, and what recovers an account (privacy.md 4, 7)."""

from __future__ import annotations

from datetime import timedelta

from tongban import federation
from tongban.identity.actions import ending, voice
from tongban.identity.rules.levels import RECORD_WORDS
from tongban.kernel.copying import copier, plain, sealed, time, words
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_PRODUCT = "product"
_SESSIONS = "privacy.md 4: session 30 days, device 400 days after the end, product"


async def _sessions(tx: Tx, node: Node, subject: str) -> int:
    """Every session ends and whoever must hear of it does; a row still needed for the telling is cut loose from the person."""
    await ending.leave_everywhere(tx, node, subject, "closed")
    gone = await tx.fetch(
        "DELETE FROM session s WHERE subject = $1 AND NOT EXISTS"
        " (SELECT FROM session_client x WHERE x.session = s.id AND x.subject = s.subject AND x.told_at IS NULL) RETURNING 1", subject,
    )  # fmt: skip
    loose = await tx.fetch(
        "UPDATE session SET subject = '', account = NULL, device = NULL, acting_for = NULL, mandate = NULL, authenticator = NULL WHERE subject = $1"
        " RETURNING 1", subject,
    )  # fmt: skip
    represented = await tx.fetch("UPDATE session SET acting_for = NULL, mandate = NULL WHERE acting_for = $1 RETURNING 1", subject)
    return len(gone) + len(loose) + len(represented)


HOLDINGS = (
    Holding(
        table="session", title="登录状态",
        copy=copier(
            "session", time("开始", "started_at"), time("最近使用", "seen_at"), plain("核验级别", "acr"), federation.place("账号所在地", "home"),
            time("最晚到", "ends_at"), time("退出时间", "revoked_at"), order="started_at DESC, id DESC",
        ),
        erase=_sessions, term=Term(kept=timedelta(days=30), past="least(ends_at, revoked_at) < $1", source=_SESSIONS),
    ),
    Holding(
        table="device", title="登录过的设备",
        copy=copier(
            "device", sealed("设备", "identity", "device.label"), words("种类", "own_phone", {True: "手机", False: "电脑"}), time("第一次用", "first_seen"),
            time("最近用", "last_seen"), time("删除时间", "ended_at"), order="last_seen DESC, id DESC",
        ),
        erase=rows_of("device"), term=Term(kept=timedelta(days=400), past="greatest(last_seen, ended_at) < $1", source=_SESSIONS),
    ),
    Holding(
        table="authenticator", title="通行密钥和证书",
        copy=copier(
            "authenticator", sealed("名字", "identity", "authenticator.label"), words("种类", "kind", {"passkey": "通行密钥", "certificate": "数字证书"}),
            time("绑定时间", "created_at"), time("最近用过", "last_used"), time("删除时间", "ended_at"), order="created_at DESC, id DESC",
        ),
        erase=rows_of("authenticator"), term=Term(kept=timedelta(days=400), past="ended_at < $1", source="product: as a device"),
    ),
    Holding(
        table="device_lock", title="手势锁",
        copy=copier("device_lock", time("设置时间", "made_at"), time("取消时间", "ended_at"), order="made_at DESC, id DESC"),
        erase=rows_of("device_lock"), term=Term(kept=timedelta(days=30), past="ended_at < $1", source=_PRODUCT),
    ),
    Holding(
        table="voice_print", title="声纹登录",
        copy=copier("voice_print", plain("谁保管声纹", "provider"), time("同意时间", "agreed_at"), time("停用时间", "ended_at"), order="agreed_at DESC, id DESC"),
        sensitive=frozenset({"*"}), erase=voice.forget_all, term=Term(kept=timedelta(days=30), past="ended_at < $1", source="product: the consent is its own proof"),
    ),
    Holding(
        table="signin_record", title="登录记录",
        copy=copier(
            "signin_record", time("时间", "at"), words("做了什么", "what", RECORD_WORDS), federation.place("在哪儿", "place"), plain("核验级别", "acr"),
            sealed("设备", "identity", "signin_record.device"), order="at DESC, id DESC",
        ),
        erase=rows_of("signin_record"),
        term=Term(kept=timedelta(days=365), past="at < $1", source="privacy.md 4: sign-in record 1 year, product"),
    ),
    Holding(
        table="phone_change", title="换手机号",
        copy=copier(
            "phone_change", sealed("新手机号", "contact", "phone_change.phone"), time("开始", "made_at"), time("等到", "due_at"),
            words("结果", "state", {"open": "没有办完", "waiting": "在等 72 小时", "done": "换好了", "stopped": "停止了", "dead": "没有通过"}),
            time("结束", "ended_at"), order="made_at DESC, id DESC",
        ),
        erase=rows_of("phone_change"), term=Term(kept=timedelta(days=90), past="made_at < $1", source=_PRODUCT),
    ),
    Holding(
        table="hall_recovery", title="在大厅找回账号",
        copy=copier("hall_recovery", time("时间", "at"), plain("大厅", "hall"), time("用过", "used_at"), order="at DESC, id DESC"),
        erase=rows_of("hall_recovery"), term=Term(kept=timedelta(days=90), past="expires_at < $1", source=_PRODUCT),
    ),
    Holding(
        table="theft_report", title="账号挂失",
        copy=copier("theft_report", time("时间", "at"), time("到", "until"), time("提前解除", "lifted_at"), order="at DESC, id DESC"),
        erase=rows_of("theft_report"), term=Term(kept=timedelta(days=365), past="until < $1", source=_PRODUCT),
    ),
    Holding(
        table="session_end", title="听到的退出", not_copied="别处通知退出的记号，登录记录里写着退出", erase=rows_of("session_end"),
        term=Term(kept=timedelta(days=200), past="heard_at < $1", source="product: longer than any session and its late news"),
    ),
)  # fmt: skip
