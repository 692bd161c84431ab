"""Enrolment at the hub 入网（枢纽一侧）: invite, take the application, compare, approve (federation.md 2)."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from tongban import transparency
from tongban.federation.actions.directory import issue, with_keys, with_node
from tongban.federation.actions.office import DIRECTORY_BELL, ENROLMENT_BELL, area, office
from tongban.federation.actions.root import current_key, issue_certificate, listing
from tongban.federation.actions.way import NoAnswer, address, exchange
from tongban.federation.errors import EnrolmentRefused
from tongban.federation.model import (
    Directory,
    Invitation,
    Invited,
    KeyUse,
    ListedNode,
    NodeKey,
)
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import enrolment as rules
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import Personal, Sm2PublicKey, b64, hmac_sm3, jcs, unb64, x509
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

URLS_AT_MOST = 4


# ---- invitation ------------------------------------------------------------------------------------------------


async def invite(tx: Tx, node: Node, actor: Actor, invited: Invited) -> Invitation:
    """The first officer promises a candidate its identity 邀请入网; the code is shown this once.

    72 h, one use. Code and root fingerprint are handed over outside the network. Raises NotAllowed without the role
    `federation.enrol`.
    """
    actor.require_may("federation.enrol", division=area(node))
    code = rules.new_code()
    invitation = rules.invitation_id(code)
    expires = node.clock.ms() + rules.CODE_LIFE_MS
    await tx.execute(
        "INSERT INTO node_invitation (id, node, name, role, divisions, organisation, direct, relay, code_index, code_sealed,"
        " invited_by, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        invitation, invited.node, invited.name, invited.role, list(invited.divisions), invited.organisation, invited.direct,
        invited.relay, hmac_sm3(node.keys.secret("pepper"), rules.code_bytes(code)),
        node.cipher.seal("staff", "node_invitation.code_sealed", invitation, code), actor.staff_id, expires,
    )  # fmt: skip
    root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    return Invitation(
        id=invitation, node=invited.node, code=code, root_fingerprint=rules.root_fingerprint(root), expires=expires
    )


# ---- the application -------------------------------------------------------------------------------------------


class Application(msgspec.Struct, frozen=True):
    """The body of POST /federation/enrol. `kids` names the keys when they are not the node's first (lost key)."""

    v: int
    node: str
    invitation: str
    nonce: str
    csr_sign: str
    csr_enc: str
    base_urls: tuple[str, ...]
    software: str
    at: int
    proof: str
    connect: str | None = None
    kids: tuple[str, str] | None = None


async def take_application(node: Node, message: dict[str, Any]) -> bytes:
    """A candidate's application, if it proves that it has the code (收下入网申请); the answer, with the hub's proof.

    The code is spent by the first valid proof; the same message again gets the same answer. Five wrong proofs kill the
    invitation. Raises EnrolmentRefused; wrong proofs are counted even so.
    """
    try:
        asked = msgspec.convert(message, Application, strict=False)
        nonce = unb64(asked.nonce, length=16)
        csr_sign, csr_enc = unb64(asked.csr_sign), unb64(asked.csr_enc)
    except ValueError as error:
        raise EnrolmentRefused("malformed") from error
    async with node.db.transaction() as tx:
        refused, answer = await _judge_application(tx, node, asked, message, nonce, csr_sign, csr_enc)
    if refused:
        raise EnrolmentRefused(refused)
    node.bell.ring(ENROLMENT_BELL)
    return answer


async def _judge_application(
    tx: Tx, node: Node, asked: Application, message: dict[str, Any], nonce: bytes, csr_sign: bytes, csr_enc: bytes
) -> tuple[str, bytes]:
    row = await tx.fetchrow("SELECT * FROM node_invitation WHERE id::text = $1 FOR UPDATE", asked.invitation)
    if row is None or row["node"] != asked.node:
        return "wrong_code", b""
    if row["code_sealed"] is None:  # decided already: the code is gone, and only the very same message gets its answer again
        again = await tx.fetchrow("SELECT nonce, csr_sign, csr_enc, answer FROM node_enrolment WHERE invitation = $1", row["id"])
        same = again is not None and (again["nonce"], again["csr_sign"], again["csr_enc"]) == (nonce, csr_sign, csr_enc)
        return ("", again["answer"]) if same and again is not None else ("spent", b"")
    if row["expires"] < node.clock.ms() or row["wrong_proofs"] >= rules.WRONG_PROOFS:
        return "expired", b""
    code = node.cipher.open("staff", "node_invitation.code_sealed", row["id"], row["code_sealed"])
    if not rules.proof_holds(code.reveal(), message):
        await tx.execute("UPDATE node_invitation SET wrong_proofs = wrong_proofs + 1 WHERE id = $1", row["id"])
        return "wrong_code", b""
    if row["spent_at"] is not None:
        again = await tx.fetchrow("SELECT nonce, csr_sign, answer FROM node_enrolment WHERE invitation = $1", row["id"])
        same = again is not None and again["nonce"] == nonce and again["csr_sign"] == csr_sign
        return ("", again["answer"]) if same and again is not None else ("spent", b"")
    fault = rules.requests_fault(csr_sign, csr_enc, asked.node) or _address_fault(node, asked)
    if fault or await _kids_used(tx, asked):
        return fault or "key_name_used", b""
    return "", await _keep_application(tx, asked, code, nonce, csr_sign, csr_enc)


def _address_fault(node: Node, asked: Application) -> str:
    if not 1 <= len(asked.base_urls) <= URLS_AT_MOST or asked.v != 1:
        return "malformed"
    try:
        for url in asked.base_urls:
            address(node, url, asked.connect)
    except Exception:  # noqa: BLE001  whatever is wrong with an address, it is not taken
        return "base_url"
    return ""


def _kids(asked: Application) -> tuple[str, str]:
    return asked.kids or (f"{asked.node}/s1", f"{asked.node}/e1")


async def _kids_used(tx: Tx, asked: Application) -> bool:
    """A key id is never used again: after a lost key the candidate names new ones."""
    kids = _kids(asked)
    if any(kid.split("/", 1)[0] != asked.node for kid in kids):
        return True
    return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM node_key WHERE kid = ANY($1::text[]))", list(kids)))


async def _keep_application(
    tx: Tx, asked: Application, code: Personal, nonce: bytes, csr_sign: bytes, csr_enc: bytes
) -> bytes:
    root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    enrolment = uuid7()
    told: dict[str, Any] = {
        "v": 1,
        "enrolment": enrolment,
        "status": "pending",
        "root": b64(root),
        "nonce": asked.nonce,
    }
    told["proof"] = rules.proof(code.reveal(), told)
    answer = jcs(told)
    await tx.execute(
        "INSERT INTO node_enrolment (id, invitation, node, csr_sign, csr_enc, kids, nonce, base_urls, connect, software,"
        " digits, answer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        enrolment, asked.invitation, asked.node, csr_sign, csr_enc, list(_kids(asked)), nonce, list(asked.base_urls),
        asked.connect, asked.software[:80], " ".join(rules.digits(csr_sign, csr_enc, nonce)), answer,
    )  # fmt: skip
    await tx.execute("UPDATE node_invitation SET spent_at = now() WHERE id = $1", asked.invitation)
    await ring(tx, ENROLMENT_BELL)
    log("federation.application", peer=asked.node)
    return answer


# ---- the decision ----------------------------------------------------------------------------------------------


async def approve(tx: Tx, node: Node, actor: Actor, enrolment_id: str) -> Directory:
    """The second officer compared the digits by telephone and lets the node in 同意入网; never the inviter.

    Certificates are issued, and the next directory names the node as `joining`. Raises EnrolmentRefused("same_officer"),
    NotAllowed without the role `federation.enrol`.
    """
    actor.require_may("federation.enrol", division=area(node))
    row = await _pending(tx, enrolment_id)
    if row["invited_by"] == actor.staff_id:
        raise EnrolmentRefused("same_officer", "邀请和同意要两个人：请另一位同事核对")
    root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    requests: tuple[tuple[str, KeyUse], ...] = (("csr_sign", "sign"), ("csr_enc", "encrypt"))
    certs = [
        issue_certificate(node, root, x509.read_csr(row[csr]).public, row["node"], row["organisation"], use)
        for csr, use in requests
    ]
    await tx.execute(
        "UPDATE node_enrolment SET status = 'approved', decided_by = $2, decided_at = now(), cert_sign = $3, cert_enc = $4"
        " WHERE id = $1",
        enrolment_id, actor.staff_id, *certs,
    )  # fmt: skip
    await tx.execute("UPDATE node_invitation SET code_sealed = NULL WHERE id = $1", row["invitation"])
    names = [kid.split("/", 1)[1] for kid in row["kids"]]
    fresh = (
        current_key(row["node"], names[0], "sign", certs[0]),
        current_key(row["node"], names[1], "encrypt", certs[1]),
    )
    for key in fresh:  # at the hub the officer's word stands for continuity when the node was known before
        await tx.execute(
            "INSERT INTO node_trust (node, fingerprint, by_staff) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            row["node"], directory_rules.fingerprint(key.cert), actor.staff_id,
        )  # fmt: skip
    found = await issue(tx, node, lambda before: _join(before, row, fresh, node.clock.ms() // 1000))
    await _told(tx, "node.approved", row, actor)
    await ring(tx, ENROLMENT_BELL)
    return found


def _join(before: Directory, row: Any, fresh: tuple[NodeKey, ...], now: int) -> Directory:
    invited = Invited(
        node=row["node"], name=row["name"], role=row["role"], divisions=tuple(row["divisions"]),
        organisation=row["organisation"], direct=row["direct"], relay=row["relay"],
    )  # fmt: skip
    known = before.node(row["node"])
    epoch = max(now, known.epoch + 1) if known else now
    listed = listing(invited, tuple(row["base_urls"]), row["connect"], epoch, "joining", known.keys if known else ())
    return with_node(before, with_keys(listed, fresh))


async def refuse(tx: Tx, node: Node, actor: Actor, enrolment_id: str, reason: str) -> None:
    """The second officer refuses, with a reason (不同意入网)."""
    actor.require_may("federation.enrol", division=area(node))
    row = await _pending(tx, enrolment_id)
    await tx.execute(
        "UPDATE node_enrolment SET status = 'refused', decided_by = $2, decided_at = now(), reason = $3 WHERE id = $1",
        enrolment_id, actor.staff_id, reason[:200],
    )  # fmt: skip
    await _told(tx, "node.refused", row, actor)
    await ring(tx, ENROLMENT_BELL)


async def _pending(tx: Tx, enrolment_id: str) -> Any:
    row = await tx.fetchrow(
        "SELECT e.*, i.name, i.role, i.divisions, i.organisation, i.direct, i.relay, i.invited_by FROM node_enrolment e"
        " JOIN node_invitation i ON i.id = e.invitation WHERE e.id = $1 AND e.status = 'pending' FOR UPDATE OF e",
        enrolment_id,
    )
    if row is None:
        raise EnrolmentRefused("not_pending", "这份申请已经处理过了")
    return row


async def _told(tx: Tx, kind: str, row: Any, actor: Actor) -> None:
    """A leaf says who let whom in."""
    fact = {"node": row["node"], "enrolment": row["id"], "invited_by": row["invited_by"], "decided_by": actor.staff_id}
    await transparency.append(tx, kind, jcs(fact))


async def application_answer(tx: Tx, enrolment_id: str) -> tuple[dict[str, Any], str, Sm2PublicKey, str] | None:
    """(answer, key id, key, node) of an application for GET /federation/enrol/{id}, or None."""
    row = await tx.fetchrow(
        "SELECT node, status, cert_sign, cert_enc, kids, csr_sign, reason FROM node_enrolment WHERE id::text = $1",
        enrolment_id,
    )
    if row is None:
        return None
    told: dict[str, Any] = {"v": 1, "status": "approved" if row["status"] == "active" else row["status"]}
    if told["status"] == "approved":
        told |= {"cert_sign": b64(row["cert_sign"]), "cert_enc": b64(row["cert_enc"])}
    if row["reason"]:
        told["reason"] = row["reason"]
    return told, row["kids"][0], x509.read_csr(row["csr_sign"]).public, row["node"]


# ---- from joining to active, and renewal --------------------------------------------------------------------------


async def activate_joining(node: Node) -> None:
    """Call each joining node once; who answers the signed probe becomes `active` (启用新节点). The hub alone."""
    found = await office(node).look(node)
    if found is None or found.hub != node.id:
        return
    for listed in found.nodes:
        if listed.status == "joining":
            await _probe(node, found, listed)


async def _probe(node: Node, found: Directory, listed: ListedNode) -> None:
    body = jcs({"v": 1, "nonce": b64(secrets.token_bytes(16))})
    try:
        answer = await exchange(
            node, found, listed, "POST", "/federation/call/federation.probe", body=body, budget_ms=2500, seconds=2.5
        )
    except NoAnswer as error:
        log("federation.probe_not_answered", peer=listed.id, code=error.code)
        return
    if answer.status != 200 or answer.body.get("node") != listed.id:
        return

    def change(before: Directory) -> Directory | None:
        entry = before.node(listed.id)
        if entry is None or entry.status != "joining":
            return None
        return with_node(before, msgspec.structs.replace(entry, status="active"))

    async with node.db.transaction() as tx:
        await issue(tx, node, change)
        await tx.execute(
            "UPDATE node_enrolment SET status = 'active' WHERE node = $1 AND status = 'approved'", listed.id
        )
        await ring(tx, ENROLMENT_BELL)
    node.bell.ring(DIRECTORY_BELL)
