"""What every door of another node reads first 来信的字段: a short text, or a call that is not ours. No decisions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tongban import federation
from tongban.identity.rules.home import REGISTER_NODE
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

Letters = dict[tuple[str, int], Callable[[Tx, Node, federation.Letter], Awaitable[None]]]
Calls = dict[str, Callable[[Node, str, dict[str, Any]], Awaitable[dict[str, Any]]]]


def register_only(node: Node) -> None:
    """CallRefused 404 anywhere but at the population register's node."""
    if node.id != REGISTER_NODE:
        raise federation.CallRefused(404, "no_such_service")


def text(body: dict[str, Any], name: str) -> str:
    """A required text of 1 … 200 characters. CallRefused 400 for anything else."""
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise federation.CallRefused(400, "malformed")
    return value
