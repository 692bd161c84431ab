"""The licence desk (证照管理岗): issue, renew, transfer, suspend, resume, revoke, withdraw, cancel, with reason and legal basis.

Where an act asks for two persons, whoever does it only proposes; another one with `credentials.confirm` carries out the very
digest that was proposed (T-57). Rights are asked for the credential's own division and department (T-61).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tongban import consent, identity
from tongban.credentials.actions import status
from tongban.credentials.actions.issue import issue, renew
from tongban.credentials.errors import CardGone, TypeRefused
from tongban.credentials.model import Credential, CredentialType, Holder, Issuer
from tongban.credentials.model.acts import Act, Ground
from tongban.credentials.model.types import TypeAct
from tongban.credentials.queries.credentials import issued_here
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import templates
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.gm import Personal, jcs
from tongban.kernel.node import Node

KINDS: Final[Mapping[str, str]] = {
    "credentials.issue": "credential.issue", "credentials.revoke": "credential.end", "credentials.suspend": "credential.hold",
}  # fmt: skip
"""The right an act asks for, and the kind of proposal it becomes where two persons are asked."""
LEAST: Final = 4


class Wanted(msgspec.Struct, frozen=True):
    """One act as asked for at the desk (要办的操作). `state` is what the credential was when it was asked: if it changed, nothing is done."""

    operation: str
    reason: str
    basis: str
    credential: str = ""
    state: str = ""
    type_code: str = ""
    org_code: str = ""
    org_name: str = ""
    holder_name: str = ""
    holder_number: str = ""
    data: Mapping[str, str] = {}


class Done(msgspec.Struct, frozen=True):
    """What came of it (办理结果): a credential, or the proposal that now waits for a second person."""

    credential: str = ""
    proposal: str = ""


def area(node: Node) -> str:
    """The node's whole area, as a division code (本节点地区)."""
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


def place(node: Node, one: Credential) -> str:
    """Where a credential belongs: its body's division, else the node's whole area (T-61)."""
    return one.division or area(node)


def allowed_act(node: Node, actor: Actor, one: Credential, kind: CredentialType | None, operation: str) -> tuple[Act, TypeAct] | None:
    """The act as it is for this credential now, when this member of staff may do it (能不能办)."""
    known = templates.act_of(kind, operation) if kind else None
    if known is None or one.state not in known[0].begin:
        return None
    return known if actor.may(known[0].right, division=place(node, one), org=one.org_code) else None


async def act(tx: Tx, node: Node, actor: Actor, wanted: Wanted) -> Done | Refusals:
    """Do an act, or propose it where a second person is asked (办理). Refusals for what is missing.

    Raises CardGone, NotAllowed (no right, own or family's), StateRefused.
    """
    wrong = _missing(wanted)
    if wrong:
        return wrong
    if wanted.operation == "issue":
        return await _issue(tx, node, actor, wanted)
    one = await issued_here(tx, node, wanted.credential)
    if one is None:
        raise CardGone
    kind = type_of(node, one.type_code)
    known = allowed_act(node, actor, one, kind, wanted.operation)
    if known is None:
        actor.require_may(_right(wanted.operation), division=place(node, one), org=one.org_code)
        raise status.StateRefused
    if actor.own_or_family(one.subject):
        raise NotAllowed("这是你自己或家人的证照，要请别的同事办")
    asked = msgspec.structs.replace(wanted, state=one.state)
    if wanted.operation == "transfer":
        holder = await _person(tx, node, wanted, actor)
        if isinstance(holder, tuple):
            return holder
    if known[0].four_eyes:
        words = f"{known[0].words}{kind.name if kind else '证照'}，编号 {one.number}"
        return await _propose(tx, node, actor, known[0], asked, division=place(node, one), org=one.org_code, words=words)
    return Done(credential=await _carry_out(tx, node, actor, asked, ""))


def _right(operation: str) -> str:
    known = templates.acts().get(operation)
    if known is None or not known.right:
        raise NotAllowed
    return known.right


def _missing(wanted: Wanted) -> Refusals:
    wrong = []
    if len(wanted.reason.strip()) < LEAST:
        wrong.append(Refusal("credentials.reason", "写清理由，至少 4 个字，持证人会看到", "reason"))
    if len(wanted.basis.strip()) < LEAST:
        wrong.append(Refusal("credentials.basis", "写明依据的法律法规", "basis"))
    return tuple(wrong)


async def _issue(tx: Tx, node: Node, actor: Actor, wanted: Wanted) -> Done | Refusals:
    kind = type_of(node, wanted.type_code)
    known = templates.act_of(kind, "issue") if kind else None
    if kind is None or known is None:
        return (Refusal("credentials.type", "选一种证照", "type"),)
    actor.require_may(known[0].right, division=area(node), org=wanted.org_code)
    holder = await _person(tx, node, wanted, actor)
    if isinstance(holder, tuple):
        return holder
    if actor.own_or_family(holder.subject):
        raise NotAllowed("不能给自己或家人发证，要请别的同事办")
    missing = tuple(
        Refusal("credentials.field", f"填写{field.name}", f"d-{field.key}")
        for field in kind.fields
        if field.required and not field.derive and not wanted.data.get(field.key, "").strip()
    )
    if missing:
        return missing
    if known[0].four_eyes:
        words = f"颁发{kind.name}，{wanted.org_name}"
        return await _propose(tx, node, actor, known[0], wanted, division=area(node), org=wanted.org_code, words=words)
    return Done(credential=await _carry_out(tx, node, actor, wanted, ""))


async def _person(tx: Tx, node: Node, wanted: Wanted, clerk: Actor | None = None) -> Holder | Refusals:
    """The holder named at the desk: somebody with an account here, whose name agrees.

    When a clerk asks, the holder's ledger says so before there is any answer (T-60); of a stranger and of a wrong name the
    answer is the same.
    """
    found = await identity.person_by_number(tx, node, wanted.holder_number.strip().upper()) if wanted.holder_number.strip() else None
    if found is not None and clerk is not None:
        await identity.note_reading(
            tx, node, clerk, "licence", wanted.credential or wanted.type_code,
            consent.Access(
                subject=found.subject, kind="view", who=clerk.unit or node.settings.name, fields=("姓名", "身份证号"), purpose="核对持证人是不是你",
                source=node.id, receiver=node.id, basis=wanted.basis[:100], about=f"credential:{wanted.credential or wanted.type_code}",
            ),
        )  # fmt: skip
    if found is None or found.name is None or found.number is None or found.name.reveal() != wanted.holder_name.strip():
        return (Refusal("credentials.holder", "姓名和证件号对不上，或者他在本地还没有账号：请他先登录一次", "holder_number"),)
    return Holder(found.subject, found.home, found.name, found.number)


async def _propose(tx: Tx, node: Node, actor: Actor, known: Act, wanted: Wanted, *, division: str, org: str, words: str) -> Done:
    made = await identity.propose(
        tx, node, actor, KINDS[known.right], division=division, org=org, words=words, body=jcs(msgspec.to_builtins(wanted))
    )
    return Done(proposal=made.id)


async def approved(tx: Tx, node: Node, approver: Actor, proposal: identity.Proposal, body: bytes) -> str:
    """A second person agreed (复核通过): carried out in the name of who proposed it. Raises NotAllowed, StateRefused."""
    wanted = msgspec.json.decode(body, type=Wanted)
    proposer = Actor(kind="staff", subject=proposal.proposed_by, staff_id=proposal.proposed_by)
    if wanted.operation == "issue":
        holder = await _person(tx, node, wanted)
        if isinstance(holder, tuple) or approver.own_or_family(holder.subject):
            raise NotAllowed("不能给自己或家人发证，要请别的同事批")
    else:
        one = await issued_here(tx, node, wanted.credential)
        if one is None or one.state != wanted.state:
            raise status.StateRefused
        if approver.own_or_family(one.subject):
            raise NotAllowed("这是你自己或家人的证照，要请别的同事批")
    number = await _carry_out(tx, node, proposer, wanted, approver.subject)
    return f"已经办好，持证人会收到消息。编号 {number[:8]}"


async def _carry_out(tx: Tx, node: Node, actor: Actor, wanted: Wanted, confirmed_by: str) -> str:
    """Do it now; the id of the credential it was done to, or of the new one."""
    ground = Ground(wanted.reason.strip(), wanted.basis.strip(), confirmed_by)
    given = {key: value.strip() for key, value in wanted.data.items() if value.strip()}
    if wanted.operation == "issue":
        holder = await _person(tx, node, wanted)
        if isinstance(holder, tuple):
            raise TypeRefused(holder[0].sentence)
        made = await issue(
            tx, node, actor, type_code=wanted.type_code, holder=holder, issuer=Issuer(wanted.org_code, wanted.org_name), data=given,
            ground=ground,
        )  # fmt: skip
        return str(made.id)
    one = await issued_here(tx, node, wanted.credential)
    if one is None:
        raise CardGone
    if wanted.operation == "renew":
        company = one.holder_kind == "legal"
        same = Holder(one.subject, one.home, one.holder_name, Personal(one.number) if company else None, kind="legal" if company else "natural")
        made = await renew(tx, node, actor, one.subject, one.id, changes=given, holder=same, ground=ground)
        return str(made.id)
    if wanted.operation == "transfer":
        return await _transfer(tx, node, actor, one, wanted, given, ground)
    await status.change(tx, node, actor, one.subject, one.id, wanted.operation, ground)
    return str(one.id)


async def _transfer(
    tx: Tx, node: Node, actor: Actor, one: Credential, wanted: Wanted, given: Mapping[str, str], ground: Ground
) -> str:
    """A new credential for the new holder that names the old one, which is moved (转移登记). What was about the old holder stays behind."""
    holder = await _person(tx, node, wanted)
    kind = type_of(node, one.type_code)
    if isinstance(holder, tuple) or kind is None:
        raise TypeRefused("新的持证人核对不上")
    named = next((field.key for field in kind.fields if field.kind == "name"), "")
    theirs = {field.key for field in kind.fields if field.holder}
    kept = {key: value.reveal() for key, value in one.data.items() if key not in theirs}
    data = kept | {named: holder.name.reveal()} | dict(given)
    made = await issue(
        tx, node, actor, type_code=one.type_code, holder=holder, issuer=Issuer(one.org_code, one.org_name), data=data, previous=one.id,
        ground=ground, moved_from=one.subject,
    )  # fmt: skip
    return str(made.id)


def words_of(body: bytes) -> tuple[tuple[str, str], ...]:
    """What would be carried out, for the second person (复核内容): the act, its reason and basis, and what is to stand on it."""
    wanted = msgspec.json.decode(body, type=Wanted)
    known = templates.acts().get(wanted.operation)
    rows = [("办理", known.words if known else wanted.operation), ("理由", wanted.reason), ("依据", wanted.basis)]
    if wanted.org_name:
        rows.append(("颁发机构", f"{wanted.org_name}（{wanted.org_code}）"))
    if wanted.holder_name:
        rows.append(("持证人", f"{wanted.holder_name}，证件号 {wanted.holder_number[:4]}…{wanted.holder_number[-4:]}"))
    return (*rows, *((key, value) for key, value in wanted.data.items() if value.strip()))


for _kind in KINDS.values():
    identity.carries_out(_kind, approved, words_of)
