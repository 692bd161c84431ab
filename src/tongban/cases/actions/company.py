"""A company's licence 企业的营业执照: the code of a new one, the one that a change renews, what the register of organisations hears.

An item whose result takes `credit_code` from `{@previous}` renews the licence of the company that applies (变更换发).
"""

from __future__ import annotations

from tongban import catalogue, credentials, identity
from tongban.cases.actions import step
from tongban.cases.errors import NoCodePool, NoLicenceToRenew
from tongban.cases.model import Case
from tongban.cases.rules import result
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node


def renews(item: catalogue.Item) -> bool:
    """Whether the result is the company's own licence in a new version, not that of a new company (换发还是新发)."""
    return item.result.data.get("credit_code") == "{@previous}"


async def licence(tx: Tx, node: Node, case: Case, kind: credentials.CredentialType) -> credentials.Credential | None:
    """The valid licence that this node issued to the company of the case (可换的执照), whoever has it; None for a person."""
    if not case.subject.startswith("o1"):
        return None
    issued = await credentials.issued_to_company(tx, node, case.subject)
    return next((one for one in issued if one.type_code == kind.code and one.state == "valid"), None)


async def nothing_to_renew(tx: Tx, node: Node, case: Case) -> Refusals:
    """What stands against granting a change (不能准予变更): no valid licence of this company was issued here."""
    item = await catalogue.item(tx, case.task_code, step.version_of(case))
    kind = credentials.type_named(node, item.result.credential_type) if item is not None and renews(item) else None
    if kind is None or await licence(tx, node, case, kind) is not None:
        return ()
    why = NoLicenceToRenew()
    return (Refusal(why.code, f"{why.sentence}。{why.todo}"),)


def code(node: Node, case: Case, before: credentials.Credential | None) -> str:
    """The code on the licence (信用代码): the company's own, or for a new one, which in earnest the registrar gives, an invented one on
    demo nodes only. Raises NoCodePool.
    """
    if before is not None:
        return before.number
    if not node.settings.demo:
        raise NoCodePool
    return result.credit_code(case)


async def tell_register(tx: Tx, node: Node, case: Case, number: str, name: str, *, new: bool) -> None:
    """The register of organisations hears of it in this commit (报送法人登记), R-301: a new company, a new name or representative.

    Who represents it is what the form calls `legal_name` and `legal_number`, of a change `new_legal_name` and
    `new_legal_number`; a new company without them is not told of.
    """
    answers = case.file.submission.answers
    named = ("legal_name", "legal_number") if new else ("new_legal_name", "new_legal_number")
    legal, id_number = (one if isinstance(one := answers.get(field), str) else "" for field in named)
    told = bool(legal and id_number) or (not new and bool(answers.get("new_name")))
    if told:
        await identity.company_registered(tx, node, identity.NewOrganisation(
            code=number, name=name, division=case.division, legal_name=legal, legal_number=id_number, registered_on=node.clock.today(),
        ), case=case.id)  # fmt: skip
