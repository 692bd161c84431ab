"""Builders of 消息 tests: invented subjects, one message."""

from __future__ import annotations

from typing import Any

from tongban import notifications

XIAOYU = "n1" + "a" * 32  # 演示人
OTHER = "n1" + "b" * 32  # 演示人


async def told(tx: Any, node: Any, **more: Any) -> bool:
    return await notifications.notify(
        tx,
        node,
        **{
            "subject": XIAOYU, "kind": "case.accepted", "title": "材料收下了", "text": "高新区市场监管局在审", "link": "/cases/1",
            "about": "case:1", "group": "企业开办 2611", **more,
        },
    )  # fmt: skip
