"""Builders for credential tests: invented holders, officers, verifier windows (演示)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from tongban import credentials, exchange, seals
from tongban.credentials import letters
from tongban.credentials.actions import verifiers
from tongban.credentials.model import Browser, Credential, Holder, Issuer
from tongban.credentials.rules import resources
from tongban.federation.tests.make import deliver, nation
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node
from tongban.seals import letters as seal_letters

SUBJECT = "p1demo0000000000000000000001"
OFFICE = Issuer("11510100MB0000001D", "成都市市场监督管理局（演示）")
COMPANY = {
    "company_name": "成都市演示科技有限公司",
    "credit_code": "91510100MADEMA1T0P",
    "company_type": "有限责任公司(自然人独资)",
    "legal_representative": "陈演示",
    "business_scope": "软件开发；信息技术咨询服务；数据处理服务（依法须经批准的项目，经相关部门批准后方可开展经营活动）。",
    "capital": "壹佰万元整",
    "founded_on": "2026-11-18",
    "address": "成都市高新区演示大道 1 号",
}
PERSON = {
    "name": "陈演示",
    "number": "50010319980511004X",
    "sex": "女",
    "birth": "1998-05-11",
    "address": "重庆市渝中区演示路 2 号",
}


def _valid() -> Issuer:
    from tongban.kernel.ids import CreditCode

    return Issuer(CreditCode.make("11", "510100", "MB0000001").value, OFFICE.org_name)


OFFICE_VALID = _valid()


def credit_code() -> str:
    from tongban.kernel.ids import CreditCode

    return CreditCode.make("91", "510100", f"MA{secrets.randbelow(10**7):07d}").value


def citizen(subject: str = SUBJECT) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=3, sid="s", home="500000")


def staff(name: str = "s1", *actions: str, division: str = "500000") -> Actor:
    return Actor(
        kind="staff", subject=name, staff_id=name, unit="渝中区政务服务大厅",
        assignments=(Assignment("clerk", frozenset(actions), division),),
    )  # fmt: skip


async def licence(tx: Any, node: Node, *, subject: str = SUBJECT, home: str | None = None, **more: Any) -> Credential:
    kind = credentials.type_named(node, "营业执照")
    assert kind is not None
    holder = Holder(subject, home or node.id, Personal(COMPANY["company_name"]), kind="legal")
    return await credentials.issue(
        tx,
        node,
        staff("approver"),
        type_code=kind.code,
        holder=holder,
        issuer=_valid(),
        data=COMPANY | {"credit_code": credit_code()} | more.pop("data", {}),
        **more,
    )


async def permit(tx: Any, node: Node, *, subject: str = SUBJECT, home: str | None = None, **more: Any) -> Credential:
    kind = credentials.type_named(node, "居民身份证")
    assert kind is not None
    holder = Holder(subject, home or node.id, Personal(PERSON["name"]), Personal(PERSON["number"]))
    return await credentials.issue(
        tx, node, staff(), type_code=kind.code, holder=holder, issuer=_valid(), data=PERSON, **more
    )


async def window(tx: Any, node: Node, name: str = "演示银行", purposes: tuple[str, ...] = ("bank_company",)) -> Browser:
    from tongban.kernel.ids import CreditCode

    code = CreditCode.make("91", "500103", "DEM000001").value
    made = await verifiers.make_verifier(tx, node, staff("operator"), name=name, org_code=code, purposes=purposes)
    assert isinstance(made[1], str), made
    bound = await verifiers.bind(tx, node, code=made[1], label="柜台 07")
    assert isinstance(bound, verifiers.Bound), bound
    return bound.browser


async def granted(
    node: Node, caller: str, name: str, *, fields: tuple[str, ...] = (), per_day: int = 1000, until: datetime | None = None
) -> exchange.Grant | None:
    """A grant for the licences of one type ("" = for searching): registered, proposed, agreed to by a second person, as at the desk."""
    division = (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
    one, other = (staff(who, "exchange.propose", "exchange.approve", division=division) for who in ("steward", "steward2"))
    kind = credentials.type_named(node, name)
    found = resources.type_resource(kind, node.id, node.settings.name, demo=True) if kind else resources.search_resource(node.id, node.settings.name, demo=True)
    async with node.db.transaction() as tx:
        if await exchange.listed(tx, found.id) is None:
            assert isinstance(await exchange.draft_resource(tx, node, one, found), exchange.Listed)
            await exchange.publish_resource(tx, node, other, found.id)
        if caller == node.id:
            return None
        made = await exchange.propose(
            tx, node, one, resource=found.id, caller=caller, purpose=exchange.LICENCE_USE, fields=fields or tuple(each.name for each in found.fields),
            quota_per_day=per_day, until=until or node.clock.now() + timedelta(days=30), reason="演示：办理事项要用",
        )  # fmt: skip
        assert isinstance(made, exchange.Grant), made
        agreed = await exchange.approve(tx, node, other, made.id)
        assert isinstance(agreed, exchange.Grant)
        return agreed


@asynccontextmanager
async def two_homes(make_node: Any) -> AsyncIterator[dict[str, Node]]:
    """The hub, 500000 and 510000, which know each other's seals and licences."""
    letters_too = {**letters.LETTERS, **seal_letters.LETTERS}
    async with nation(make_node, "500000", "510000", letters_too=letters_too, calls=letters.CALLS) as made:
        for one in made.values():
            await seals.set_up(one)
            await credentials.set_up(one)
        await deliver(made)
        yield made
