"""Acting for another in a case 代办: what the mandate must allow, and who is told. Judged by `identity` in the verb's transaction."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tongban import catalogue, identity, notifications
from tongban.cases.errors import CompanyOnly
from tongban.cases.model import Answers
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node

LEAST_LEVEL = 2


async def needs(tx: Tx, node: Node, actor: Actor, act: str, item: catalogue.Item) -> None:
    """Raise unless this act on this item is within the mandate now (要在授权范围内); nothing for somebody who acts for oneself."""
    await identity.require_act(tx, node, actor, deed(act, item))


def deed(act: str, item: catalogue.Item) -> identity.Deed:
    """An act on an item, as a mandate is judged by (要办的事)."""
    return identity.Deed(
        act=act, item=item.task_code, item_name=item.name, audience=frozenset(item.audience), level=max(item.level, LEAST_LEVEL),
    )  # fmt: skip


def must_be_for(subject: str, item: catalogue.Item) -> None:
    """Raise CompanyOnly where the item is for organisations and this is for a person (办事对象要对)."""
    if "person" not in item.audience and not subject.startswith("o1"):
        raise CompanyOnly(item.task_code)


def payee_wrong(actor: Actor, item: catalogue.Item, answers: Answers) -> Refusals:
    """A recipient account is typed by the person alone (收款账户只能本人填): never by an agent under a grant (T-85)."""
    if not actor.for_subject or actor.by_law:
        return ()
    return tuple(
        Refusal("cases.payee_self", f"{field.label}只能本人填。请对方自己登录后填，或者到大厅办", field.name)
        for field in item.form.fields
        if field.kind == "bank_account" and answers.get(field.name)
    )


async def tell(tx: Tx, node: Node, *, subject: str, actor_subject: str, item: str, link: str, **words: Any) -> None:
    """Tell the person of a case, and the agents who may receive (告诉本人和代办人); an agent's link leads through the switch."""
    for who, mandate in await identity.told_for(tx, node, subject, actor_subject, item):
        to = "/me/switch?" + urlencode({"for": mandate, "next": link}) if mandate else link
        await notifications.notify(tx, node, subject=who, link=to, **words)
