"""数据共享 (exchange): asking another office for what it already knows, under a grant, written down at both ends (R-401, R-402, R-406).

Nouns: **resource** 数据资源, **grant** 共享授权, **fetch** 取用. A call goes out signed (`federation.call exchange.get`); the owner
checks grant, quota, consent and gives only granted fields; both ends write the same ledger line. An owner that is away is a
value, never an error: the field becomes typed, marked 待核验.

    got = await exchange.fetch(node, actor, resource="mps.population", key_subject=subject,
                               fields=("name", "address"), purpose="case.prefill", case=case_id)
    if isinstance(got, exchange.Fetched): got.values["address"], got.source, got.at
"""

from tongban.exchange.actions import approve, end, fetch, propose, refuse, set_up
from tongban.exchange.model import CLASS_WORDS, DataUse, Fetched, Field, Gathered, Grant, Resource, Unavailable, Use
from tongban.exchange.queries import data_use, grant, grants, resource, resources

__all__ = [
    "CLASS_WORDS",
    "DataUse",
    "Fetched",
    "Field",
    "Gathered",
    "Grant",
    "Resource",
    "Unavailable",
    "Use",
    "approve",
    "data_use",
    "end",
    "fetch",
    "grant",
    "grants",
    "propose",
    "refuse",
    "resource",
    "resources",
    "set_up",
]
