"""How old this node's trust is 信任的新鲜度 (federation.md 3): past the directory's time known nodes go on, and nothing of the highest level is done."""

from __future__ import annotations

from typing import Final, Literal

from tongban.federation.actions.office import office, read_directory
from tongban.federation.errors import StaleTrust
from tongban.federation.model import Directory
from tongban.federation.rules.directory import freshness
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

FRESH_LEVEL: Final = 4
"""What is asked of a person at this level is not believed on an old directory (identity.md 4)."""


async def require_fresh_trust(tx: Tx, node: Node, level: int = FRESH_LEVEL) -> None:
    """Refuse what needs the highest level while the directory is past its time 信任过期. Raises StaleTrust.

    Read in the caller's transaction, so that it is judged in the moment of the act. A node that is not enrolled has
    nobody to believe and nothing to refuse.
    """
    if level < FRESH_LEVEL:
        return
    row = await tx.fetchrow("SELECT trusted FROM directory_version ORDER BY version DESC LIMIT 1")
    if row is not None and _age(node, read_directory(row["trusted"])) != "fresh":
        raise StaleTrust


def trust_age(node: Node) -> Literal["fresh", "stale", "expired"]:
    """The same from memory, for a line on a page; `fresh` before the node is enrolled (看得见的状态)."""
    found = office(node).directory
    return "fresh" if found is None else _age(node, found)


def trust_words(node: Node) -> str:
    """What every page of the back office says while trust is old, empty when it is not 后台提示."""
    return {
        "fresh": "",
        "stale": "节点目录过期了：只认原有的节点和密钥，四级业务暂停。请平台管理员检查到枢纽的网络",
        "expired": "节点目录过期超过 30 天：只能办本地的事，四级业务暂停。请平台管理员马上联系枢纽",
    }[trust_age(node)]


def _age(node: Node, found: Directory) -> Literal["fresh", "stale", "expired"]:
    return freshness(found, node.clock.ms())
