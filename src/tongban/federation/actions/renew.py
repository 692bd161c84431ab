"""New keys for a running node 更换密钥, at the hub: approved by rule if the present key speaks for them (federation.md 2)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tongban.federation.actions.directory import issue, with_keys, with_node
from tongban.federation.actions.office import SPREADS_MS, office
from tongban.federation.actions.root import current_key, issue_certificate
from tongban.federation.errors import EnrolmentRefused
from tongban.federation.model import (
    Directory,
    KeyProof,
    KeyUse,
    NodeKey,
)
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import enrolment as rules
from tongban.federation.rules.wire import verify
from tongban.kernel.db import Tx
from tongban.kernel.gm import unb64, x509
from tongban.kernel.node import Node

STILL_SPEAKS_MS: Final = 3 * SPREADS_MS


class Renewal(msgspec.Struct, frozen=True):
    """The body of POST /federation/renew; `by` are signatures of the present key over each new SubjectPublicKeyInfo."""

    v: int
    csr_sign: str
    csr_enc: str
    kids: tuple[str, str]
    by: tuple[KeyProof, KeyProof]


def _may_speak(found: Directory, key: NodeKey, now: int) -> bool:
    """The present signing key, or the one before while the present one does not sign yet: an older one may have been stolen."""
    present = key.status == "current" or now < (key.retired_at or 0) + STILL_SPEAKS_MS
    return key.use == "sign" and present and found.revoked_since(key.kid) is None


async def renew(tx: Tx, node: Node, caller: str, message: dict[str, Any]) -> dict[str, Any]:
    """New keys of a running node, approved by rule if subject and SAN are unchanged (续期). The hub alone.

    Raises EnrolmentRefused (csr, same_key, key_name_used, continuity).
    """
    try:
        asked = msgspec.convert(message, Renewal, strict=False)
        requests = unb64(asked.csr_sign), unb64(asked.csr_enc)
    except ValueError as error:
        raise EnrolmentRefused("malformed") from error
    fault = rules.requests_fault(*requests, caller)
    used = await tx.fetchval("SELECT EXISTS (SELECT FROM node_key WHERE kid = ANY($1::text[]))", list(asked.kids))
    if fault or used or any(kid.split("/", 1)[0] != caller for kid in asked.kids):
        raise EnrolmentRefused(fault or "key_name_used")
    found = await office(node).need(node)
    listed = found.node(caller)
    assert listed is not None
    root = await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'")
    fresh: list[NodeKey] = []
    uses: tuple[tuple[KeyUse, bytes, str, KeyProof], ...] = (
        ("sign", requests[0], asked.kids[0], asked.by[0]),
        ("encrypt", requests[1], asked.kids[1], asked.by[1]),
    )
    for use, request, kid, by in uses:
        public = x509.read_csr(request).public
        speaker = found.listed_key(by.kid)
        if speaker is None or speaker[0].id != caller or not _may_speak(found, speaker[1], node.clock.ms()):
            raise EnrolmentRefused("continuity")
        if not verify(directory_rules.certificate(speaker[1].cert).public, public.spki, by.value):
            raise EnrolmentRefused("continuity")
        fresh.append(
            current_key(
                caller,
                kid.split("/", 1)[1],
                use,
                issue_certificate(node, root, public, caller, listed.organisation, use),
                by,
            )
        )

    def change(before: Directory) -> Directory:
        entry = before.node(caller)
        assert entry is not None
        return with_node(before, with_keys(entry, tuple(fresh)))

    after = await issue(tx, node, change)
    return {
        "v": 1,
        "status": "approved",
        "cert_sign": fresh[0].cert,
        "cert_enc": fresh[1].cert,
        "directory": after.version,
    }
