"""Registers behind the resources (登记库): small Protocols, demo twins beside them.

A deployment puts its own register here under the id of the resource; tests use the twins that fail, are slow, or are wrong.
No transaction is held while a register is asked: it opens what it needs itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from tongban.exchange.model import Record
from tongban.exchange.providers.demo import Companies, CompanyNames, CompanyPages, Household, Population
from tongban.exchange.providers.records import MADE_UP, Records
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


class Register(Protocol):
    """A register this node owns (登记库): one question, the values by field name, or None when it holds nothing."""

    async def read(self, node: Node, subject: str, asked: Mapping[str, str]) -> Record | None:
        """What the register says. Raises OSError or TimeoutError when it is away."""
        ...


@runtime_checkable
class Pages(Protocol):
    """A register that is asked for a list, part by part (成批取用)."""

    async def part(self, node: Node, asked: Mapping[str, str], after: str, most: int) -> tuple[tuple[Mapping[str, str], ...], str]:
        """At most so many rows behind `after` ("" = from the beginning), and where the next part begins ("" = that was all)."""
        ...


@runtime_checkable
class Correctable(Protocol):
    """A register whose values are corrected through the exchange (可更正)."""

    async def correct(self, tx: Tx, node: Node, subject: str, field: str, value: str) -> None:
        """Put the right value in; the old one is kept where the register keeps its history."""
        ...


REGISTERS: dict[str, Register | Pages] = {
    "mps.population": Population(),
    "mps.residence": Population(),
    "mps.household": Household(),
    "samr.company_name": CompanyNames(),
    "samr.legal_person": Companies(),
    "samr.company_list": CompanyPages(),
    **{resource: Records(resource) for resource in MADE_UP},
}
"""The register that answers each resource here (资源由谁答)."""
