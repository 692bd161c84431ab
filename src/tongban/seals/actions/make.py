"""Making a seal (制章): a key of its own, its picture, the SESeal signed by the maker, a row and a leaf."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tongban import transparency
from tongban.kernel.actor import SYSTEM, Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest, jcs, x509
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.seals.actions.noted import noted, officer
from tongban.seals.actions.trust import MAKER_KEY, ROOT_KEY, sm2_maker
from tongban.seals.errors import NoSeal
from tongban.seals.model import Application, Kind, Seal
from tongban.seals.queries import seal as find
from tongban.seals.queries import seal_of
from tongban.seals.rules import picture, ses

SEAL_TYPES = {"official": 1, "approval": 99}
_DAYS = 365


def shown_name(org_name: str, kind: Kind) -> str:
    """What a seal of that kind says when nothing else was asked for (印章名称)."""
    return f"{org_name}审批专用章" if kind == "approval" else org_name


async def make_seal(
    tx: Tx,
    node: Node,
    actor: Actor,
    *,
    org_code: str,
    org_name: str,
    kind: Kind = "approval",
    name: str = "",
    application: Application | None = None,
) -> Seal:
    """A new seal of a department with a key of its own, valid a year (制作印章). A log leaf and a row tell of it.

    `name` is what it says; empty: the department's name, with 审批专用章 for `approval`. For an application the seal takes
    its id, so that a making that was cut off and is done again uses the same key and gives one seal.
    """
    now, number = node.clock.now(), application.id if application else uuid7()
    shown = name or shown_name(org_name, kind)
    key_name = "seal-" + number.replace("-", "")[-11:]
    root, maker = await sm2_maker(tx, node, now)
    key = node.keys.signer(key_name)
    until = min(now + timedelta(days=_DAYS), x509.read(root).not_after)
    certificate = x509.make_leaf(
        x509.read(root), node.keys.signer(ROOT_KEY), public=key.public, common_name=shown, organisation=org_code,
        use="sign", at=now - timedelta(minutes=5), days=_DAYS,
    )  # fmt: skip
    print_png = await asyncio.to_thread(
        picture.draw,
        org_name,
        middle="演示" if node.settings.demo else "电子印章",
        foot="审批专用章" if kind == "approval" else "",
    )
    es_id = f"{node.id}-{number.replace('-', '')}"
    der = ses.make(
        es_id=es_id, name=shown, seal_type=SEAL_TYPES[kind], certificate=certificate, at=now,
        valid_from=now - timedelta(minutes=5), valid_until=min(until, x509.read(certificate).not_after), picture=print_png,
        size_mm=picture.SIZE_MM, maker=maker, maker_key=node.keys.signer(MAKER_KEY),
    )  # fmt: skip
    leaf = await transparency.append(
        tx, "seal.made", jcs({"seal": es_id, "organisation": org_code, "digest": digest(der)})
    )
    facts = ses.read_seal(der)
    asked = application
    await tx.execute(
        "INSERT INTO seal (org_code, id, es_id, org_name, name, kind, key_name, der, certificate, picture, state, made_by, made_at, "
        "valid_from, valid_until, leaf, purpose, basis, two_persons, application) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'active',$11,$12,$13,$14,$15,$16,$17,$18,$19)",
        org_code, number, es_id, org_name, shown, kind, key_name, der, certificate, print_png, officer(actor), facts.made_at,
        facts.valid_from, facts.valid_until, leaf.id, asked.purpose if asked else "", asked.basis if asked else "",
        asked.two_persons if asked else False, asked.id if asked else None,
    )  # fmt: skip
    await noted(tx, node, actor, number, "made", shown, es_id=es_id, digest=digest(der))
    log("seals.made", kind=kind)
    made = await find(tx, number)
    assert made is not None
    return made


async def ensure_seal(tx: Tx, node: Node, org_code: str, org_name: str, kind: Kind = "approval") -> Seal:
    """The department's live seal; on a demo node one is made when there is none (有章用章). Raises NoSeal elsewhere.

    One seal for all approvals of the department (一枚印章管审批), never one that asks for two persons.
    """
    # one department, one seal, also when two first approvals meet
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal:' || $1))", org_code)
    try:
        found = await seal_of(tx, org_code, kind)
        if found.valid_until > node.clock.now():
            return found
        await tx.execute(
            "UPDATE seal SET state = 'revoked', revoked_at = valid_until, revoke_reason = '到期', end_kind = 'expired' "
            "WHERE org_code = $1 AND id = $2",
            org_code,
            found.id,
        )
        await noted(tx, node, SYSTEM, found.id, "expired")
    except NoSeal:
        if not node.settings.demo:
            raise
    return await make_seal(tx, node, SYSTEM, org_code=org_code, org_name=org_name, kind=kind)
