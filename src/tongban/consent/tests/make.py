"""Builders of 授权 tests: invented subjects, an ask, an access."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tongban.consent import Access, Ask
from tongban.kernel.actor import Actor

XIAOYU = "n1" + "a" * 32  # 演示人
OTHER = "n1" + "b" * 32  # 演示人


def citizen(subject: str = XIAOYU, acr: int = 2) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=acr, sid="s")


def wanted(node: Any, **more: Any) -> Ask:
    return Ask(
        **{
            "purpose": "case.prefill", "why": "确认你有稳定的住处", "giver": "mps", "giver_name": "公安部居住登记",
            "receiver": node.id, "receiver_name": "重庆市", "fields": ("居住登记地址",),
            "until": node.clock.now() + timedelta(days=30), **more,
        }
    )  # fmt: skip


def access(**more: Any) -> Access:
    return Access(
        **{
            "subject": XIAOYU, "who": "成都市市场监管局 受理岗", "fields": ("住址", "姓名"), "purpose": "审核企业开办",
            "source": "mps", "receiver": "510000", "basis": "国令第809号", "about": "case:1", **more,
        }
    )  # fmt: skip
