"""Keys of staff 工作人员密钥: passkeys with attestation against an allow-list of models (identity.md 3, 9).

The list is data: staff_keys.toml beside this package for the demo, `staff-keys.toml` in the node's data folder for an
operator. A production node without a list binds no key: it says which model was shown, so that the list can be made.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import msgspec

from tongban.identity.actions import passkey, sessions
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Session
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

_DEMO = Path(__file__).resolve().parent.parent / "staff_keys.toml"
OWN = "staff-keys.toml"
BOUND = 3


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model of key 密钥型号: its AAGUID, the roots its attestation must lead to (PEM), where that is known from.

    `any_root` takes a key without attestation: demo nodes only.
    """

    name: str
    aaguid: str
    source: str
    roots: tuple[str, ...] = ()
    any_root: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[Model, ...]


def models(node: Node) -> tuple[Model, ...]:
    """The models this node takes 许可清单: the operator's list; on a demo node the demo's as well."""
    own = node.settings.data_dir / OWN
    found = _read(own) if own.exists() else ()
    return (*found, *(_read(_DEMO) if node.settings.demo else ()))


def _read(path: Path) -> tuple[Model, ...]:
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).model


async def options(tx: Tx, node: Node, session: Session, staff_no: str) -> str:
    """The JSON for `navigator.credentials.create()` with attestation asked for. Raises `identity.fresh_needed`, `identity.passkey_limit`."""
    if session.kind != "staff" or node.clock.now() - session.auth_time > passkey.FRESH:
        raise failure("identity.fresh_needed")
    count = await tx.fetchval("SELECT count(*) FROM authenticator WHERE subject = $1 AND kind = 'passkey' AND ended_at IS NULL", session.subject)
    if count >= passkey.MOST:
        raise failure("identity.passkey_limit", n=passkey.MOST)
    await passkey.read_in()
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AttestationConveyancePreference,
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    return options_to_json(generate_registration_options(
        rp_id=node.settings.host, rp_name=node.settings.name, user_name=staff_no, user_id=session.subject.encode(),
        challenge=passkey.challenge(node, f"staff:{session.id}"), attestation=AttestationConveyancePreference.DIRECT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    ))  # fmt: skip


async def bind(tx: Tx, node: Node, session: Session, answer: str, label: str, agent: str) -> Refusals:
    """Keep a staff key 绑定工作密钥: only a listed model, proved by its attestation; its ceiling is level 3."""
    challenge = await passkey.taken(tx, node, answer, f"staff:{session.id}")
    if challenge is None or session.kind != "staff":
        return (refusal("identity.passkey_failed", "key"),)
    await passkey.read_in()
    made = None
    for model in models(node):
        made = _verified(node, answer, challenge, model)
        if made is not None:
            break
    if made is None:
        log("identity.staff_key_not_listed", level=30, node=node.id, code=_shown(answer))
        return (refusal("identity.key_not_listed", "key"),)
    row, now = uuid7(), node.clock.now()
    kept = await tx.execute(
        "INSERT INTO authenticator (subject, id, kind, credential_id, public_key, sign_count, bound_acr, label, created_at)"
        " VALUES ($1, $2, 'passkey', $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING",
        session.subject, row, made[0], made[1], made[2], BOUND,
        node.cipher.seal("identity", "authenticator.label", row, label[:30] or "工作密钥"), now,
    )  # fmt: skip
    if kept == "INSERT 0 0":
        return (refusal("identity.passkey_failed", "key"),)
    await tx.execute("UPDATE staff SET joined_at = coalesce(joined_at, $2) WHERE subject = $1", session.subject, now)
    await sessions.record(tx, node, session.subject, "passkey_bound", BOUND, agent)
    if "join" in session.amr:  # the code has done its work: from here on the key signs in
        await sessions.end(tx, session.id, "joined", now)
    return ()


def _verified(node: Node, answer: str, challenge: bytes, model: Model) -> tuple[bytes, bytes, int] | None:
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException
    from webauthn.helpers.structs import AttestationFormat

    roots = {one: [root.encode() for root in model.roots] for one in AttestationFormat} if model.roots else None
    try:
        made = verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=node.settings.host, expected_origin=node.settings.base_url,
            require_user_verification=True, pem_root_certs_bytes_by_fmt=roots,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return None
    if model.any_root:
        return (made.credential_id, made.credential_public_key, made.sign_count) if node.settings.demo else None
    # without a certificate chain the library takes an attestation that names nobody: that is no attestation
    if not model.roots or made.aaguid != model.aaguid or made.fmt == AttestationFormat.NONE or not _has_chain(made.attestation_object):
        return None
    return made.credential_id, made.credential_public_key, made.sign_count


def _has_chain(attestation: bytes) -> bool:
    from webauthn.helpers import parse_attestation_object

    return bool(parse_attestation_object(attestation).att_stmt.x5c)


def _shown(answer: str) -> str:
    """The AAGUID an answer claims: a model, never a person."""
    from webauthn.helpers import base64url_to_bytes, parse_attestation_object
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        data = parse_attestation_object(base64url_to_bytes(json.loads(answer)["response"]["attestationObject"])).auth_data
        return data.attested_credential_data.aaguid.hex() if data.attested_credential_data else ""
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return ""
