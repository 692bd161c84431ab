"""Registers behind the resources (登记库): one small Protocol, demo twins beside it.

A deployment puts its own register here under the id of the resource; `tests` use the twins that fail and that are slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tongban.exchange.providers.demo import Companies, CompanyNames, Population
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


class Register(Protocol):
    """A register this node owns (登记库): one question, the values by field name, or None when it holds nothing."""

    async def read(self, tx: Tx, node: Node, subject: str, asked: Mapping[str, str]) -> Mapping[str, str] | None:
        """What the register says. Raises OSError or TimeoutError when it is away."""
        ...


REGISTERS: dict[str, Register] = {
    "mps.population": Population(),
    "mps.residence": Population(),
    "samr.company_name": CompanyNames(),
    "samr.legal_person": Companies(),
}
"""The register that answers each resource here (资源由谁答)."""
