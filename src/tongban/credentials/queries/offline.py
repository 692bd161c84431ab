"""What an offline verifier holds 离线核对资料: the directory's keys, signed marks, types, and the purpose of its window."""

from __future__ import annotations

from typing import Any

from tongban import federation
from tongban.credentials.model import STATE_CODE, STATE_WORD, Browser
from tongban.credentials.queries.keys import key_ends, signer_of
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.credentials.queries.types import purposes, types
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, unb64, x509
from tongban.kernel.node import Node


async def held(tx: Tx, node: Node, window: Browser | None) -> dict[str, Any]:
    """All that a device needs to check codes without network (离线核对资料); no person is in it. Times in Unix seconds."""
    found = await federation.present(node)
    keys: dict[str, Any] = {}
    nodes = {node.id: node.settings.name}
    if found is None:
        own = await signer_of(node)
        keys[own.kid] = {"point": b64(own.public.point[-64:]), "until": None}
    else:
        for listed in found.nodes:
            if listed.status not in {"active", "leaving"}:
                continue
            nodes[listed.id] = listed.name
            for key in listed.keys:
                if key.use == "sign":
                    point = x509.read(unb64(key.cert)).public.point
                    keys[key.kid] = {"point": b64(point[-64:]), "until": key_ends(found, key)}
    rows = await tx.fetch("SELECT body, kid, signature FROM credential_ended ORDER BY issuer")
    purpose = find_purpose(node, window.purpose) if window else None
    return {
        "at": int(node.clock.now().timestamp()), "keys": keys, "nodes": nodes,
        "ended": [{"body": bytes(row["body"]).decode(), "kid": row["kid"], "signature": b64(row["signature"])} for row in rows],
        "types": {
            kind.code: {"name": kind.name, "fields": {str(one.label): {"key": one.key, "name": one.name, "kind": one.kind} for one in kind.fields}}
            for kind in types(node)
        },
        "states": {str(code): STATE_WORD[state] for state, code in STATE_CODE.items()},
        "unit": f"{window.verifier.name}，{window.label}" if window else "",
        "purpose": {"id": purpose.id, "name": purpose.name, "fields": purpose.fields, "required": purpose.required} if purpose else None,
        "purposes": {one.id: one.name for one in purposes(node)},
    }  # fmt: skip
