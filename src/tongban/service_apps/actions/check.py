"""The machine gate's run 自动检查: facts from the catalogue, pages over HTTP, judged by the access standard."""

from __future__ import annotations

import time
import zlib
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from tongban import catalogue, exchange
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.service_apps.actions.step import locked, pinned, step
from tongban.service_apps.model import GateReport, ServiceApp
from tongban.service_apps.queries import app as app_by_id
from tongban.service_apps.queries import carrier
from tongban.service_apps.rules import Facts, ItemFacts, digest_of, judge, may_step, read_page
from tongban.service_apps.rules.standard import Fetched, Trouble

MODES = ("", "elder")
SECONDS = 10.0
LOADED = frozenset({"stylesheet", "script", "img", "icon", "manifest", "use"})


async def check(node: Node, actor: Actor, app_id: str) -> GateReport | Refusals:
    """Run the gate over an app (自动检查): its definitions, then its pages as this node serves them, in both modes.

    Pages are fetched over HTTP from the running node, unpublished items by a preview link. The report is kept; the app
    becomes checked or check_failed. If the app changed while the gate ran, nothing is decided. No transaction is open.
    """
    async with node.db.reading() as tx:
        app = await app_by_id(tx, app_id)
        if app is None:
            return (Refusal("service_apps.unknown", "没有找到这个应用"),)
        actor.require_may("service_apps.check", division=app.draft.division)
        refused = may_step("pass", app, actor)
        if refused:
            return refused
        draft = await pinned(tx, app.draft)
        items = tuple([await _item_facts(tx, node, app, one.task_code, one.version) for one in draft.items])
    started = time.monotonic()
    paths = [_preview(node, one.task_code) for one in items if one.present] + list(draft.pages)
    pages = tuple([await _fetch(node, path, mode) for path in dict.fromkeys(paths) for mode in MODES])
    report = GateReport(
        id=uuid7(),
        app=app_id,
        digest=digest_of(draft, app.version),
        at=node.clock.now(),
        ms=int((time.monotonic() - started) * 1000),
        findings=judge(Facts(draft=draft, items=items, pages=pages)),
        pages=tuple(page.place for page in pages),
    )
    async with node.db.transaction() as tx:
        return await _keep(tx, node, actor, app, report, msgspec.to_builtins(draft))


async def _keep(
    tx: Tx, node: Node, actor: Actor, seen: ServiceApp, report: GateReport, draft: object
) -> GateReport | Refusals:
    app = await locked(tx, seen.id)
    if app.digest != seen.digest or may_step("pass", app, actor):
        return (Refusal("service_apps.changed", "检查的时候应用改过了，请再查一次"),)
    await tx.execute(
        "INSERT INTO service_app_report (app_id, id, digest, at, ms, findings, pages) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        app.id,
        report.id,
        report.digest,
        report.at,
        report.ms,
        msgspec.to_builtins(report.findings),
        list(report.pages),
    )
    name = "pass" if report.passes else "fail"
    # the items' digests are pinned as the gate saw them
    await step(
        tx,
        node,
        actor,
        app,
        name,
        draft=draft,
        digest=report.digest,
        checked_digest=report.digest if report.passes else "",
    )
    return report


async def _item_facts(tx: Tx, node: Node, app: ServiceApp, task_code: str, version: int) -> ItemFacts:
    item = await catalogue.item(tx, task_code, version)
    if item is None:
        return ItemFacts(task_code=task_code, version=version, name=task_code, present=False, ours=False)
    basic = await catalogue.basic_item(tx, item.catalog_code)
    found = [
        Trouble(text=f"{one.rule} {one.what}", place=f"{item.plain_name or item.name} {one.where}", fix=one.fix, severity=one.severity)
        for one in catalogue.findings(item, basic)
    ]
    if basic is None:
        found.append(Trouble(f"基本目录里没有 {item.catalog_code}", item.name, "先请总枢纽列入基本目录，或者改对基本编码"))
    return ItemFacts(
        task_code=task_code,
        version=version,
        name=item.plain_name or item.name,
        present=True,
        ours=item.owner_node == node.id,
        channels=tuple(item.channels),
        findings=tuple(found),
        other_app=await carrier(tx, task_code, besides=app.id),
        unknown_prefills=await unknown_prefills(tx, item),
    )


async def unknown_prefills(tx: Tx, item: catalogue.Item) -> tuple[str, ...]:
    """Which fields of the form want something from registers that no data resource has (没有来处的预填), each with the resource."""
    found = []
    for planned in catalogue.prefill_plan(item.form):
        for one in planned.sources:
            held = await exchange.definition(tx, one.resource) if one.source == "register" else None
            if one.source == "register" and (held is None or one.field not in {field.name for field in held.fields}):
                field = item.form.field(planned.field)
                found.append(f"“{field.label if field else planned.field}”要的 {one.resource} 的 {one.field}")
    return tuple(dict.fromkeys(found))


def _preview(node: Node, task_code: str) -> str:
    return f"/s/{task_code}?preview={catalogue.preview_token(node, task_code)}"


async def _fetch(node: Node, path: str, mode: str) -> Fetched:
    """One page in one mode with everything it loads, as a browser would on a first visit."""
    shown = path.partition("?")[0]
    headers = {"Accept-Encoding": "gzip", "Cookie": f"tb_mode={mode}" if mode else "", "Sec-Fetch-Site": "none"}
    try:
        status, answered, body = await node.http.request(
            "GET", node.settings.base_url + path, headers={k: v for k, v in headers.items() if v}, seconds=SECONDS
        )
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Fetched(path=shown, mode=mode, status=0, headers={}, page=read_page(""), bytes_sent=0, stylesheet="")
    page = read_page(body.decode("utf-8", "replace"))
    sent, stylesheet = _sent(answered, body), ""
    wanted = {}
    for relation, address in page.addresses:
        kinds = set(relation.split()) & LOADED
        if kinds and not urlsplit(address).netloc and not address.startswith("data:"):
            wanted[urljoin(shown, address.partition("#")[0])] = "stylesheet" in kinds
    for address, is_style in wanted.items():
        size, text = await _load(node, address)
        sent += size
        stylesheet += text if is_style else ""
    return Fetched(
        path=shown, mode=mode, status=status, headers=answered, page=page, bytes_sent=sent, stylesheet=stylesheet
    )


async def _load(node: Node, address: str) -> tuple[int, str]:
    try:
        status, answered, body = await node.http.request(
            "GET", node.settings.base_url + address, headers={"Accept-Encoding": "gzip"}, seconds=SECONDS
        )
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0, ""
    return (_sent(answered, body), body.decode("utf-8", "replace")) if status == 200 else (0, "")


def _sent(headers: dict[str, str], body: bytes) -> int:
    """Bytes on the wire: what the answer says, else as gzip would make it."""
    said = headers.get("content-length", "")
    if said.isdigit():
        return int(said)
    return len(zlib.compress(body, 6)) if headers.get("content-encoding") == "gzip" else len(body)
