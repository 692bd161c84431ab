"""Samples of every table of identity that keeps something of people, sealed as the verbs seal them (R-409, R-804)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tongban.kernel.clock import CHINA
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.tests.make_holdings import Sample

THIRD = "n1" + "z" * 32
Maker = Callable[[Node, str, str], dict[str, Any]]


def sealed(table: str, *, by: str = "id", sensitive: tuple[str, ...] = (), contact: tuple[str, ...] = (), **texts: str) -> Maker:
    """A row of one person with sealed columns: the mark and these words, bound to its id, or to the column `by`."""

    def row(node: Node, who: str, mark: str) -> dict[str, Any]:
        made = uuid7()
        bound = who if by == "subject" else made
        values: dict[str, Any] = {"subject": who} if by == "subject" else {"subject": who, by: made}
        for column, words in texts.items():
            group = "sensitive" if column in sensitive else "contact" if column in contact else "identity"
            values[column] = node.cipher.seal(group, f"{table}.{column}", bound, f"{mark}{words}")
        return values

    return row


def also(maker: Maker, **more: Any) -> Maker:
    """The same with more columns."""
    return lambda node, who, mark: {**maker(node, who, mark), **more}


def plain(**values: Any) -> Maker:
    """A row of one person without anything sealed."""
    return lambda _, who, __: {"subject": who, **values}


def at(*columns: str, **more: Any) -> Callable[[datetime], dict[str, Any]]:
    """The columns that say since when a row's time runs."""
    return lambda moment: dict.fromkeys(columns, moment) | more


def _mandate(node: Node, who: str, mark: str) -> dict[str, Any]:
    made = uuid7()
    names = {"grantor_name": f"{mark}本人", "agent_name": f"{mark}帮手"}
    return {
        "grantor": who, "agent": THIRD, "id": made, "basis": "family", "state": "stopped", "granted_node": node.id, "agent_node": node.id,
        **{name: node.cipher.seal("identity", f"mandate.{name}", made, words) for name, words in names.items()},
    }  # fmt: skip


def _act(node: Node, who: str, mark: str) -> dict[str, Any]:
    made = uuid7()
    return {"grantor": who, "agent": THIRD, "id": made, "act": "submit", "what": node.cipher.seal("identity", "mandate_act.what", made, f"{mark}开餐馆")}


def _glass(node: Node, who: str, mark: str) -> dict[str, Any]:
    made = uuid7()
    return {"subject": who, "glass": made, "way": "number", "ref": node.cipher.seal("staff", "break_glass_person.ref", made, f"{mark}号码")}


def _guardian(node: Node, who: str, mark: str) -> dict[str, Any]:
    return {
        "subject": who, "guardian_subject": THIRD, "relation": node.cipher.seal("identity", "guardian_entry.relation", who + THIRD, f"{mark}母亲")
    }


def _company(node: Node, who: str, mark: str) -> dict[str, Any]:
    subject = "o1" + uuid7()
    return {
        "subject": subject, "code": subject, "name": f"{mark}公司", "legal_subject": who,
        "legal_name": node.cipher.seal("identity", "org_entry.legal_name", subject, f"{mark}名字"),
        "legal_number": node.cipher.seal("sensitive", "org_entry.legal_number", subject, f"{mark}号码"),
    }  # fmt: skip


_DISPUTE = sealed("dispute", sensitive=("claimed",), claimed="李四", note="写错了")
_REGISTER = sealed(
    "register_entry", by="subject", sensitive=("number",), name="名", number="号", sex="性别", born="生日", nation="族", address="住址"
)

SAMPLES = {
    "session": Sample(row=plain(kind="citizen", acr=2, proof=2), ends=at("ends_at")),
    "device": Sample(row=sealed("device", label="手机"), says=1, ends=at("first_seen", "last_seen")),
    "authenticator": Sample(row=also(sealed("authenticator", label="指纹"), kind="passkey"), says=1, ends=at("ended_at")),
    "device_lock": Sample(row=plain(), ends=at("ended_at")),
    "voice_print": Sample(
        row=lambda node, who, mark: {**sealed("voice_print", sensitive=("reference",), reference="r")(node, who, mark), "provider": f"{mark}渠道"},
        says=1, ends=at("ended_at"),
    ),
    "signin_record": Sample(row=also(sealed("signin_record", device="手机"), what="signed_in", place="500000"), says=1, ends=at("at")),
    "phone_change": Sample(row=also(sealed("phone_change", contact=("phone",), phone="手机号"), state="done"), says=1, ends=at("made_at")),
    "hall_recovery": Sample(row=lambda _, who, mark: {"subject": who, "hall": f"{mark}大厅"}, says=1, ends=at("expires_at")),
    "theft_report": Sample(row=plain(), ends=at("until")),
    "session_end": Sample(row=plain(), ends=at("heard_at")),
    "session_client": Sample(row=lambda _, who, __: {"subject": who, "sid": uuid7(), "told_at": datetime.now(CHINA)}, ends=at("last_at")),
    "oidc_refresh": Sample(row=plain(), ends=at("expires_at")),
    "client_consent": Sample(row=plain(granted=["name"]), ends=at("at")),
    "pairwise": Sample(row=lambda _, who, __: {"subject": who, "sub": who}),
    "oidc_code": Sample(row=plain(), ends=at("expires_at")),
    "login_tx": Sample(row=plain(step="code"), ends=at("expires_at")),
    "scan_login": Sample(row=plain(state="waiting"), ends=at("expires_at")),
    "step_intent": Sample(row=plain(), ends=at("until")),
    "throttle": Sample(row=lambda *_: {}, ends=at("starts_at")),
    "login_pause": Sample(row=lambda *_: {}, ends=at("until")),
    "home_hint": Sample(row=lambda *_: {}, ends=at("expires_at")),
    "match_asked": Sample(row=lambda *_: {}, ends=lambda moment: {"day": moment.astimezone(CHINA).date()}),
    "discovery_log": Sample(row=lambda *_: {}, ends=at("at")),
    "replay": Sample(row=lambda *_: {}, ends=at("until")),
    "roam_tx": Sample(row=lambda *_: {}, ends=at("expires_at")),
    "oidc_request": Sample(row=lambda *_: {}, ends=at("expires_at")),
    "code_count": Sample(row=lambda *_: {}, ends=at("hour")),
    "staff_invitation": Sample(row=lambda *_: {"invited_by": "host"}, ends=at("expires_at")),
    "staff_notice": Sample(row=lambda *_: {}, ends=at("at")),
    "mandate": Sample(
        row=_mandate, person="grantor, agent", ends=at("over_at"), left="grantor = $1 AND state = 'stopped'",
    ),
    "mandate_act": Sample(row=_act, says=1, person="grantor, agent", ends=at("at")),
    "mandate_alert": Sample(row=lambda _, who, __: {"agent": who, "kind": "many"}, person="agent", ends=at("seen_at")),
    "guardian_ask": Sample(row=sealed("guardian_ask", what="办证", child_name="孩子"), says=1, ends=at("answered_at")),
    "guardian_visit": Sample(row=plain(), ends=at("asked_at")),
    "dispute": Sample(
        row=lambda node, who, mark: {**_DISPUTE(node, who, mark), "register": node.id, "attribute": "name", "number": f"{mark}编号"}, says=3,
        ends=at("decided_at", state="refused"), left="subject = $1 AND state = 'withdrawn' AND decided_at IS NOT NULL", still_read=True,
    ),
    "dispute_desk": Sample(row=plain(), ends=at("decided_at", state="upheld")),
    "correction": Sample(row=plain(attribute="name")),
    "corrected_use": Sample(row=sealed("corrected_use", title="证"), says=1, ends=at("at")),
    "account_move": Sample(row=plain(side="from", state="stopped"), ends=at("ended_at")),
    "register_entry": Sample(row=_REGISTER, says=6),
    "register_version": Sample(row=also(sealed("register_version", by="dispute", sensitive=("value",), value="旧名"), attribute="name"), says=1),
    "guardian_entry": Sample(row=_guardian, says=1, person="subject, guardian_subject"),
    "org_entry": Sample(row=_company, says=3, person="legal_subject"),
    "access_reason": Sample(row=plain(kind="case")),
    "break_glass": Sample(row=lambda *_: {"staff": "s1", "told": "s2"}),
    "break_glass_person": Sample(row=_glass, left="subject = $1 AND octet_length(ref) = 30"),
    "counter_check": Sample(row=lambda _, who, mark: {"subject": who, "hall": f"{mark}大厅"}, says=1, ends=at("expires_at")),
    "counter_visit": Sample(row=lambda _, who, mark: {"subject": who, "unit": f"{mark}窗口"}, says=1, ends=at("until")),
    "proposal": Sample(row=lambda *_: {}, ends=at("decided_at", state="approved")),
    "staff": Sample(row=lambda *_: {}),
    "match_pending": Sample(row=sealed("match_pending", by="subject", sensitive=("number",), name="名", number="号"), says=2),
    "subject_alias": Sample(row=plain()),
    "person": Sample(
        row=also(sealed("person", by="subject", sensitive=("number",), name="名", name_masked="某", number="号"), home="500000"), says=2, ends=at("seen_at"),
    ),
    "account": Sample(
        row=lambda node, who, mark: {**sealed("account", by="subject", contact=("phone",), phone="手机号")(node, who, mark), "proof": 2}, says=1,
        ends=at("moved_at", status="moved"),
    ),
    "home_index": Sample(row=lambda *_: {"kind": "phone"}),
}  # fmt: skip
