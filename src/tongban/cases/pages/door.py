"""What a handler is given (页面入口的参数): this node, who asks, ids from the path."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

Req = Request[Any, Any, Any]
HereNode = NamedDependency[Node]
Asking = NamedDependency[Actor]
Part = FromPath[str]
Number = FromPath[int]
