"""Apps a person signed in to 登录过的应用: what each knows the person by, and what it was allowed (privacy.md 4, 7)."""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.rules.clients import words_of
from tongban.kernel.copying import Field, copier, plain, time
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Holding, Term, rows_of
from tongban.kernel.node import Node

_NAMED = "(SELECT t.*, (SELECT c.name FROM client c WHERE c.id = t.client) AS client_name FROM {} t) AS {}"


async def _told(tx: Tx, _: Node, subject: str) -> int:
    """Rows whose app has been told go; one still to be told loses the person and goes when it was."""
    gone = await tx.fetch("DELETE FROM session_client WHERE subject = $1 AND told_at IS NOT NULL RETURNING 1", subject)
    loose = await tx.fetch("UPDATE session_client SET subject = '' WHERE subject = $1 RETURNING 1", subject)
    return len(gone) + len(loose)


HOLDINGS = (
    Holding(
        table="session_client", title="登录过的应用",
        copy=copier(
            _NAMED.format("session_client", "session_client"), plain("应用", "client_name"), time("最近登录", "last_at"), time("通知退出", "told_at"),
            order="last_at DESC, client",
        ),
        erase=_told,
        term=Term(kept=timedelta(days=120), past="last_at < $1 OR (subject = '' AND told_at IS NOT NULL)", source="product"),
    ),
    Holding(
        table="oidc_refresh", title="应用的登录凭据",
        copy=copier(
            _NAMED.format("oidc_refresh", "oidc_refresh"), plain("应用", "client_name"), time("开始", "started_at"), time("最近用过", "used_at"),
            time("最晚到", "expires_at"), time("停用", "revoked_at"), order="started_at DESC, family",
        ),
        erase=rows_of("oidc_refresh"), term=Term(kept=timedelta(days=30), past="expires_at < $1", source="product: as a session"),
    ),
    Holding(
        table="client_consent", title="给应用的授权",
        copy=copier(
            _NAMED.format("client_consent", "client_consent"), plain("应用", "client_name"), Field("给了哪几项", lambda _, row: list(words_of(tuple(row["granted"])))),
            time("同意的时间", "at"), order="at DESC, client",
        ),
        erase=rows_of("client_consent"), term=Term(kept=timedelta(days=400), past="at < $1", source="product: the consent itself is kept by its own term"),
    ),
    Holding(
        table="pairwise", title="应用认得你的代号", not_copied="给每个应用单独算的代号，别的应用看不懂，也不是你的信息", erase=rows_of("pairwise"),
        no_term="跟着账号走，注销时删除",
    ),
    Holding(
        table="oidc_code", title="应用登录的一次性代码", not_copied="60 秒内用掉的一次性代码", erase=rows_of("oidc_code"),
        term=Term(kept=timedelta(minutes=10), past="expires_at < $1", source="privacy.md 4: codes 10 minutes, product"),
    ),
)  # fmt: skip
