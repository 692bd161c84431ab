"""Citizens' certificates 个人数字证书: the challenge is signed outside, everything about the answer is judged here (identity.md 3)."""

from __future__ import annotations

import secrets

from tongban.identity import providers
from tongban.identity.actions import sign_in
from tongban.identity.errors import refusal
from tongban.identity.model import OpenedSession
from tongban.identity.providers.cosigner import ask
from tongban.identity.queries.persons import number_marks
from tongban.identity.rules.certificates import judge
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.typed import normal
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.log import log
from tongban.kernel.node import Node


def holder_of(node: Node, number: str) -> str:
    """The name a certificate of this node's authority carries: a mark of the document number, never the number.

    Its key is its own and does not turn: the name stands in certificates outside for as long as they are good.
    """
    return hmac_sm3(node.keys.secret("holder"), normal(number).encode())[:16].hex()


async def asked(node: Node, number: str, *, way: str) -> Refusals:
    """Ask the holder's co-signing app and judge the answer; empty when the certificate holds. Never inside a transaction."""
    holder = holder_of(node, number)
    provider = providers.cosigner(node, way)
    challenge = b"tongban/login/" + node.id.encode() + b"/" + secrets.token_bytes(32)
    answer = await ask(provider, holder, challenge, seconds=FACTORS.providers.certificate_seconds)
    if isinstance(answer, TimeoutError):
        return (refusal("identity.certificate_away", "way"),)
    if answer is None:
        return (refusal("identity.certificate_failed", "way"),)
    wrong = judge(
        certificate=answer.certificate, signature=answer.signature, challenge=challenge, holder=holder,
        anchors=await provider.anchors(), revoked=answer.revoked, at=node.clock.now(),
    )  # fmt: skip
    if wrong:
        log("identity.certificate_refused", error=wrong, node=node.id)
        return (refusal("identity.certificate_failed", "way"),)
    return ()


async def sign_in_by(tx: Tx, node: Node, number: str, browser: sign_in.Browser) -> OpenedSession | Refusals:
    """A session at level 4 after `asked` found nothing wrong 用数字证书登录; a certificate is proof 4 of the account."""
    subject: str | None = await tx.fetchval(
        "UPDATE account a SET proof = 4, proof_method = 'certificate', proof_at = $2 FROM person p"
        " WHERE p.subject = a.subject AND p.bi_number = ANY($1::bytea[]) AND a.status IN ('open', 'restricted') RETURNING a.subject",
        number_marks(node, normal(number)), node.clock.now(),
    )  # fmt: skip
    if subject is None:
        return (refusal("identity.certificate_failed", "way"),)
    return await sign_in.signed_in(tx, node, subject, "certificate", ("sc",), browser)
