"""Demo apps 演示应用: a demo node takes its apps through the same verbs, the same gate and two invented officers."""

from __future__ import annotations

import tomllib
from importlib import resources as packaged

import aiohttp

from tongban import catalogue, identity
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.service_apps.actions.check import check
from tongban.service_apps.actions.publish import publish
from tongban.service_apps.actions.register import draft, register, review
from tongban.service_apps.model import CHANNELS, Draft, GateReport, ItemRef, ServiceApp, ServiceLevel

_REGISTRAR = frozenset({"service_apps.register", "service_apps.check"})
_REVIEWER = frozenset({"service_apps.review", "service_apps.publish"})


async def _officer(node: Node, division: str, spare: str, actions: frozenset[str], *, besides: str = "") -> Actor:
    """A demo officer of people.yaml who may do the first of `actions` there, else one of the name `spare`."""
    async with node.db.reading() as tx:
        able = await identity.staff_of_role(tx, node, min(actions), division=division)
    found = next((one for one in able if one.subject != besides), None)
    staff_id, unit = (found.subject, found.unit) if found else (spare, "演示登记")
    return Actor(
        kind="staff",
        subject=staff_id,
        staff_id=staff_id,
        unit=unit,
        assignments=(Assignment(role="demo", actions=actions, division=division),),
    )


async def seed_demo(node: Node) -> None:
    """Register, check, review and publish the demo apps this node has items for (装入演示应用), each once.

    Waits for the node to answer, because the gate fetches its pages; an app the gate stops stays as it is, to be seen.
    """
    if not node.settings.demo:
        return
    raw = tomllib.loads(packaged.files("tongban.service_apps").joinpath("demo_apps.toml").read_text("utf-8"))
    async with node.db.reading() as tx:
        wanted = [made for one in raw["app"] if (made := await _draft(tx, node, one["name"], one["services"])) is not None]
    if not wanted or not await _answers(node):
        return
    for one in wanted:
        await _through(node, one)


async def _draft(tx: Tx, node: Node, name: str, services: list[str]) -> Draft | None:
    if await tx.fetchval("SELECT 1 FROM service_app WHERE name = $1 AND state <> 'registered'", name):
        return None
    found = [
        item
        for listing in await catalogue.drafts(tx)
        if (item := await catalogue.item(tx, listing.task_code, listing.version)) is not None
        and item.service in services
        and item.owner_node == node.id
    ]
    if not found:
        return None
    first = found[0]
    return Draft(
        name=name,
        owner_name=first.organisation.name,
        owner_org=first.org_code,
        division=first.division,
        contact_unit=first.organisation.name,
        contact_phone=first.contact.consult,
        service_level=ServiceLevel(available_per_mille=995, answer_ms=2000, support_hours="工作日 9:00 到 17:00"),
        items=tuple(ItemRef(task_code=one.task_code, version=one.version) for one in found),
        channels=tuple(one for one in CHANNELS if all(one in item.channels for item in found)),
    )


async def _answers(node: Node) -> bool:
    try:
        status, _, _ = await node.http.request("GET", node.settings.base_url + "/health", seconds=2)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
    return status == 200


async def _through(node: Node, wanted: Draft) -> None:
    registrar = await _officer(node, wanted.division, "demo-registrar", _REGISTRAR)
    reviewer = await _officer(node, wanted.division, "demo-reviewer", _REVIEWER, besides=registrar.staff_id)
    async with node.db.transaction() as tx:
        waiting: str | None = await tx.fetchval(
            "SELECT id FROM service_app WHERE name = $1 AND state = 'registered'", wanted.name
        )
        if waiting is None:
            made = await draft(tx, node, registrar, wanted)
            if not isinstance(made, ServiceApp):
                return
            waiting = made.id
            await register(tx, node, registrar, waiting)
    report = await check(node, registrar, waiting)
    if not isinstance(report, GateReport) or not report.passes:
        log("service_apps.demo_stopped", app=waiting, count=len(report.failed) if isinstance(report, GateReport) else 0)
        return
    async with node.db.transaction() as tx:
        agreed = await review(tx, node, reviewer, waiting, agree=True, reason="演示", digest=report.digest)
        if isinstance(agreed, ServiceApp):
            await publish(tx, node, reviewer, waiting, channels=wanted.channels)
