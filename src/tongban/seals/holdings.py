"""What 电子印章 keeps that may speak of people: documents waiting for a seal (R-409, R-804, R-410)."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.holdings import Holding, Term

HOLDINGS = (
    Holding(
        table="seal_request", title="用印申请", not_copied="按公文编号保存，不记是写给谁的；写给你的文书在办件里",
        not_erased="按公文编号保存，找不到是写给谁的", stays="",
        term=Term(
            kept=timedelta(days=365), past="state <> 'asked' AND decided_at < $1", subject="",
            source="product: the document is with its case or its unit; the use of the seal stays in seal_use by digest",
        ),
    ),
)
