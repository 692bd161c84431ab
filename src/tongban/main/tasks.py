"""Clocks that belong to no single room 总装的定时: log heads out, log certificates in."""

from __future__ import annotations

import msgspec

from tongban import federation, transparency
from tongban.kernel import jobs
from tongban.kernel.gm import unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node

_HEAD_SECONDS = 10
_CERTIFICATE_SECONDS = 30


async def send_head(node: Node) -> None:
    """Tell the other nodes the newest signed head of this node's log, when it has grown (通告树头)."""
    async with node.db.transaction() as tx:
        if await federation.own_status(tx, node.id) != "active":
            return
        told = await transparency.announce(tx)
        if told is not None:
            await federation.send(tx, node, to="*", kind="log.head", about=f"log:{node.id}", body=told.to_json(), open=True)


async def keep_certificate(node: Node) -> None:
    """Give the log the certificate of this node's signing key, so that receipts carry it (登记签名证书)."""
    async with node.db.transaction() as tx:
        if await federation.own_status(tx, node.id) in {"none", "asked"}:
            return
        found = await federation.directory(tx)
        me = found.node(node.id)
        if me is None:
            return
        anchor = unb64(found.anchors[0].cert)
        for key in me.keys:
            if key.use == "sign" and key.status == "current":
                await transparency.certify(
                    tx, kid=key.kid, certificate=unb64(key.cert), anchor=anchor, since_ms=found.issued_at
                )


async def close_log_gap(node: Node, payload: jobs.Payload) -> None:
    """Fetch the proof between the head we hold and the one announced, and witness again (补证)."""
    origin, kid = str(payload["origin"]), str(payload["kid"])
    async with node.db.reading() as tx:
        found = await federation.directory(tx)
        key = await federation.signing_key(tx, kid)
    listed = found.node(origin)
    if listed is None or key is None:
        return
    url = f"{listed.base_url.rstrip('/')}/api/transparency/consistency?from={payload['held']}&to={payload['size']}"
    status, _, content = await node.http.request("GET", url, seconds=10)
    if status != 200:
        raise federation.CallFailed("transport")
    body = {**payload["body"], "since": payload["held"], "proof": msgspec.json.decode(content)["proof"]}
    async with node.db.transaction() as tx:
        seen = await transparency.witness(tx, node, origin=origin, key=key, body=body)
    log("main.log_gap_closed", origin=origin, state=seen.state)


CLOCKS = [
    jobs.Clockwork("main.log_heads", _HEAD_SECONDS, send_head),
    jobs.Clockwork("main.log_certificate", _CERTIFICATE_SECONDS, keep_certificate, bell="federation.directory"),
]
JOBS = {"main.close_log_gap": close_log_gap}
