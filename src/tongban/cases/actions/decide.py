"""Deciding and handing over (决定和送达): grant or refuse, seal the decision, issue the credential, deliver, review, close."""

from __future__ import annotations

from datetime import date

import msgspec

from tongban import catalogue, credentials, federation
from tongban.cases.actions import company, documents, step
from tongban.cases.actions.intake import officer
from tongban.cases.errors import NoLicenceToRenew
from tongban.cases.model import Case, Reason, Remedy
from tongban.cases.queries import records
from tongban.cases.rules import desk, moves, paper
from tongban.kernel import jobs
from tongban.kernel.actor import SYSTEM, Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure, Refusals
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node

REPLACED = frozenset({"valid", "expired"})
"""States in which a credential is replaced by a newer one; one that was ended otherwise stays ended and is not named."""


async def grant(tx: Tx, node: Node, actor: Actor, case: Case) -> Case | Refusals:
    """T14: the conditions are met (准予). Finishing follows by itself in a transaction of its own.

    Refused where a licence is to be renewed and there is none: what could not be finished is not granted.
    """
    desk.must(actor, "cases.decide", case)
    nothing = await company.nothing_to_renew(tx, node, case)
    if nothing:
        return nothing
    grounds = moves.Grounds(
        today=node.clock.today(),
        opinion=case.state == "accepted" or await records.opinions(tx, case.subject, case.id) > 0,
        withdrawal_open=await records.withdrawal_open(tx, case.subject, case.id),
    )
    words = step.Words("通过了", "结果正在制作，做好就告诉你。")
    done = await step.make(tx, node, case, "T14", officer(actor), grounds, words)
    if isinstance(done, Case):
        await jobs.enqueue(tx, "cases.finish", {"case": case.id})
    return done


async def refuse(
    tx: Tx, node: Node, actor: Actor, case: Case, *, reasons: tuple[Reason, ...], remedies: tuple[Remedy, ...]
) -> Case | Refusals:
    """T15: not granted (不予), each reason with fact and law, and how to object (I-12)."""
    desk.must(actor, "cases.decide", case)
    grounds = moves.Grounds(
        today=node.clock.today(),
        reasons=reasons,
        remedies=remedies,
        withdrawal_open=await records.withdrawal_open(tx, case.subject, case.id),
    )
    said = "".join(f"{one.fact.rstrip('。')}。" for one in reasons)
    words = step.Words("没有通过", f"{said}不同意可以{'，也可以'.join(f'在 {one.within}{one.kind}' for one in remedies)}。")
    file = msgspec.structs.replace(case.file, reasons=reasons, remedies=remedies)
    done = await step.make(tx, node, case, "T15", officer(actor), grounds, words, file=file)
    if isinstance(done, Case):
        await jobs.enqueue(tx, "cases.finish", {"case": case.id})
    return done


async def finish(tx: Tx, node: Node, actor: Actor, case: Case) -> Case | Refusals:
    """T16: the decision is sealed, the credential issued (办结). By the clock, or by the approver if the clock failed.

    Document, credential, state and letters are one transaction; a second call finds the state moved on.
    """
    if actor.kind == "staff":
        desk.must(actor, "cases.decide", case)
    item = await catalogue.item(tx, case.task_code, step.version_of(case))
    credential = case.credential
    if case.decided == "granted" and not await documents.has(tx, case, "granted"):
        await documents.issue(tx, node, actor, case, paper.granted(case, item.result.name if item else "准予"))
    if case.decided == "refused" and not await documents.has(tx, case, "refused"):
        await documents.issue(tx, node, actor, case, paper.negative(case, "refused", case.file.reasons, case.file.remedies))
    kind = credentials.type_named(node, item.result.credential_type) if item and item.result.credential_type else None
    if case.decided == "granted" and item is not None and kind is not None and not credential:
        credential = await _issue(tx, node, actor, case, item, kind)
    grounds = moves.Grounds(
        today=node.clock.today(), document_made=case.decided != "", credential_done=kind is None or bool(credential)
    )
    by = officer(actor) if actor.kind == "staff" else step.Who("clock", "", item.organisation.name if item else "")
    if case.decided == "granted":
        words = step.Words("办好了", f"{item.result.name if item else '结果'}已经发出，马上就能用。")
    else:
        words = step.Words("决定书做好了", "没有通过的理由和不服的办法，都写在决定书里。")
    return await step.make(tx, node, case, "T16", by, grounds, words, credential=credential)


async def finish_by_clock(node: Node, case_id: str) -> None:
    """The job behind `finish` (自动办结): once, also when it runs twice."""
    async with node.db.transaction() as tx:
        case = await records.locked(tx, node, case_id)
        if case is None or case.state not in {"granted", "refused"}:
            return
        done = await finish(tx, node, SYSTEM, case)
        if not isinstance(done, Case):
            raise Failure(done[0].code, sentence=done[0].sentence)


async def deliver(tx: Tx, node: Node, actor: Actor, case: Case, *, receipt: str) -> Case | Refusals:
    """T17: handed over, by signature or post (送达); opening it on the phone does the same by letter."""
    desk.must(actor, "cases.decide", case)
    words = step.Words("结果已送到", f"{moves.RECEIPTS.get(receipt, '')}。办得怎么样，欢迎评价。")
    return await step.make(
        tx, node, case, "T17", officer(actor), moves.Grounds(today=node.clock.today(), receipt=receipt), words
    )


async def review(tx: Tx, node: Node, case_id: str) -> Case | None:
    """T18: the person of the case reviewed it (评价). Called by `feedback`; None when the case is not waiting for one.

    Idempotent: one review for each service record. Source: 国办发〔2019〕51号 一事一评.
    """
    case = await records.locked(tx, node, case_id)
    if case is None or case.state != "delivered":
        return None
    grounds = moves.Grounds(today=node.clock.today(), from_applicant=True, first_review=True)
    done = await step.make(tx, node, case, "T18", step.Who("peer"), grounds, step.Words("你评价了这次服务"))
    return done if isinstance(done, Case) else None


async def handed_over(tx: Tx, node: Node, case_id: str, credential_id: str) -> None:
    """A hall printed the credential and handed it out (异地互发): signed for, so delivered (T17)."""
    case = await records.locked(tx, node, case_id)
    if case is None or case.state != "finished" or case.credential != credential_id:
        return
    grounds = moves.Grounds(today=node.clock.today(), receipt="signed")
    words = step.Words("结果已送到", "纸质证照已在大厅领走。办得怎么样，欢迎评价。")
    await step.make(tx, node, case, "T17", step.Who("peer"), grounds, words)


async def _issue(
    tx: Tx, node: Node, actor: Actor, case: Case, item: catalogue.Item, kind: credentials.CredentialType
) -> str:
    sent = case.file.submission
    previous, before = await _previous(tx, node, case, item, kind)
    code = company.code(node, case, previous) if kind.holder == "legal" else ""
    known = {
        "@decided_on": (await _decided_on(tx, node, case)).isoformat(), "@credit_code": code,
        "@organisation": item.organisation.name, "@applicant_name": sent.evidence.name,
        "@applicant_number": sent.evidence.number,
    }  # fmt: skip
    if before is not None:
        known |= {f"@previous.{key}": value.reveal() for key, value in before.data.items()}
    data = catalogue.credential_data(item, sent.answers, known, await catalogue.division_names(tx))
    if kind.holder == "legal" and previous is not None:
        data = {key: value.reveal() for key, value in previous.data.items()} | data  # what is not changed stays (换发)
    name = data.get("company_name", "") if kind.holder == "legal" else sent.evidence.name or data.get("name", "")
    holder = credentials.Holder(
        subject=case.subject, home=await _home(node, case), kind="legal" if kind.holder == "legal" else "natural", name=Personal(name),
        number=Personal(code or sent.evidence.number),
    )  # fmt: skip
    issuer = credentials.Issuer(org_code=item.org_code, org_name=item.organisation.name)
    issued = await credentials.issue(
        tx, node, actor, type_code=kind.code, holder=holder, issuer=issuer, data=data, case=case.id,
        previous=previous.id if previous else None,
    )  # fmt: skip
    if kind.holder == "legal":
        await company.tell_register(tx, node, case, code, name, new=previous is None)
    return issued.id


async def _home(node: Node, case: Case) -> str:
    """Where the holder keeps licences (持证人的归属地): the home that was shown with the application, which may have come from a
    visited node or a hall; the node it came from where no such node is known.
    """
    home = case.file.submission.evidence.home
    if home in {node.id, case.applicant_node}:
        return home
    found = await federation.present(node)
    listed = found.node(home) if found else None
    return home if listed is not None and listed.status != "gone" else case.applicant_node


async def _previous(
    tx: Tx, node: Node, case: Case, item: catalogue.Item, kind: credentials.CredentialType
) -> tuple[credentials.Credential | None, credentials.Credential | credentials.Card | None]:
    """The credential of the same type that the new one replaces (换证、签注、换发), where one person has one: by this node's own register,
    wherever the holder's home is; of a company where the item renews its licence. And the one whose entries stand as `{@previous}`:
    that one, or a card that another node issued and a wallet kept here holds. Raises NoLicenceToRenew.
    """
    if company.renews(item):
        licence = await company.licence(tx, node, case, kind)
        if licence is None:
            raise NoLicenceToRenew
        return licence, licence
    if kind.multiple or kind.holder == "legal":
        return None, None
    issued = [one for one in await credentials.issued_to(tx, node, case.subject) if one.type_code == kind.code]
    own = next((one for one in issued if one.state in REPLACED), None)
    if own is not None:
        return own, own
    cards = await credentials.of_holder(tx, node, case.subject, type_code=kind.code)
    return None, next((card for card in cards if card.state in REPLACED), None)


async def _decided_on(tx: Tx, node: Node, case: Case) -> date:
    for line in await records.history(tx, node, case.subject, case.id):
        if line.transition == "T14":
            return line.at.astimezone(CHINA).date()
    return node.clock.today()
