"""Application, review, making (申请、审核、制作): one applies, another reviews exactly that, then the seal is made (T-57)."""

from __future__ import annotations

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import BadIdentifier, CreditCode, uuid7
from tongban.kernel.node import Node
from tongban.seals.actions.custody import offer
from tongban.seals.actions.make import make_seal, shown_name
from tongban.seals.actions.noted import noted, officer
from tongban.seals.errors import Changed, FourEyes, Over
from tongban.seals.model import Application, Kind, Seal
from tongban.seals.queries import application, seals_of
from tongban.seals.queries import seal as find_seal
from tongban.seals.rules.rights import require_for


async def apply(
    tx: Tx,
    node: Node,
    actor: Actor,
    *,
    org_code: str,
    org_name: str,
    kind: Kind,
    purpose: str,
    basis: str,
    keeper: str,
    name: str = "",
    two_persons: bool = False,
) -> Application | Refusals:
    """Apply for a seal (申请印章). Refusals name the field; NotAllowed unless `seals.apply` for that department.

    `keeper` is the staff number of who is to keep it; `two_persons`: every use is to need a second person.
    """
    org_code, org_name, name = org_code.strip().upper(), org_name.strip(), name.strip()
    require_for(node, actor, "seals.apply", org_code)
    shown = name or shown_name(org_name, kind)
    wrong = _wrong(org_code, org_name, shown, purpose, basis, keeper)
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal:' || $1))", org_code)
    standing = [one for one in await seals_of(tx, org_code) if one.state != "revoked" and (one.kind, one.name) == (kind, shown)]
    if standing:
        wrong.append(Refusal("seals.exists", "这个部门已经有一枚这样的印章，先作废旧的", "org_code"))
    elif await tx.fetchval(
        "SELECT 1 FROM seal_application WHERE org_code = $1 AND kind = $2 AND name = $3 AND state IN ('applied', 'approved')",
        org_code, kind, shown,
    ):  # fmt: skip
        wrong.append(Refusal("seals.applied", "同样的印章已经申请了，还没办完", "org_code"))
    if wrong:
        return tuple(wrong)
    made = uuid7()
    await tx.execute(
        "INSERT INTO seal_application (org_code, id, org_name, kind, name, purpose, basis, two_persons, keeper, digest, state, "
        "applied_by, applied_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'applied',$11,$12)",
        org_code, made, org_name, kind, shown, purpose.strip(), basis.strip(), two_persons, keeper, "", officer(actor), node.clock.now(),
    )  # fmt: skip
    found = await _locked(tx, made)
    pinned = _digest(found)
    await tx.execute("UPDATE seal_application SET digest = $2 WHERE id = $1", made, pinned)
    await noted(tx, node, actor, made, "applied", shown, digest=pinned)
    return await _locked(tx, made)


async def review(
    tx: Tx, node: Node, actor: Actor, application_id: str, seen: str, *, agree: bool, reason: str = ""
) -> Application:
    """Another officer agrees to what was applied for, or refuses with a reason (审核). `seen` is the digest on the page.

    Raises NotAllowed (`seals.review`), FourEyes for the applicant, Changed when it is not what was applied for, Over when
    decided already.
    """
    found = await _locked(tx, application_id)
    require_for(node, actor, "seals.review", found.org_code)
    if found.state != "applied":
        raise Over
    if officer(actor) == found.applied_by:
        raise FourEyes
    if not seen == found.digest == _digest(found):
        raise Changed
    state = "approved" if agree else "refused"
    await tx.execute(
        "UPDATE seal_application SET state = $2, reviewed_by = $3, reviewed_at = $4, refusal = $5 WHERE id = $1",
        application_id, state, officer(actor), node.clock.now(), "" if agree else reason.strip(),
    )  # fmt: skip
    await noted(tx, node, actor, application_id, state, "" if agree else reason.strip(), digest=found.digest)
    return await _locked(tx, application_id)


async def make_applied(tx: Tx, node: Node, actor: Actor, application_id: str) -> Seal:
    """The seal of an approved application, once, and its hand-over to the keeper named there (制作).

    Raises NotAllowed (`seals.make`), Over when it is not approved, FourEyes when the maker is to keep it himself. Done again
    after it was made: the seal that is there.
    """
    found = await _locked(tx, application_id)
    require_for(node, actor, "seals.make", found.org_code)
    if found.state == "made":
        there = await find_seal(tx, application_id)
        assert there is not None
        return there
    if found.state != "approved" or found.digest != _digest(found):
        raise Over
    if officer(actor) == found.keeper:
        raise FourEyes("制章的人不能自己保管这枚印章")
    made = await make_seal(
        tx, node, actor, org_code=found.org_code, org_name=found.org_name, kind=found.kind, name=found.name, application=found
    )
    await tx.execute(
        "UPDATE seal_application SET state = 'made', made_by = $2, seal_id = $3 WHERE id = $1", application_id, officer(actor), made.id
    )
    await offer(tx, node, actor, made, found.keeper, "新章制成，交给保管人")
    return made


def _wrong(org_code: str, org_name: str, shown: str, purpose: str, basis: str, keeper: str) -> list[Refusal]:
    wrong = []
    if not 4 <= len(org_name) <= 40:
        wrong.append(Refusal("seals.org_name", "写上部门全称", "org_name"))
    if len(shown) > 60:
        wrong.append(Refusal("seals.name", "印章名称最多 60 个字", "name"))
    try:
        CreditCode.parse(org_code)
    except BadIdentifier as why:
        wrong.append(Refusal("seals.org_code", why.sentence, "org_code"))
    for field, text, words in (("purpose", purpose, "写清这枚印章做什么用，至少 4 个字"), ("basis", basis, "写清依据，至少 4 个字")):
        if not 4 <= len(text.strip()) <= 200:
            wrong.append(Refusal(f"seals.{field}", words, field))
    if not keeper:
        wrong.append(Refusal("seals.keeper", "选一位保管人", "keeper"))
    return wrong


def _digest(one: Application) -> str:
    """Over all that is applied for; another word in it and the review counts no more."""
    said = (one.id, one.org_code, one.org_name, one.kind, one.name, one.purpose, one.basis, one.two_persons, one.keeper, one.applied_by)
    return digest(jcs(list(said)))


async def _locked(tx: Tx, application_id: str) -> Application:
    await tx.execute("SELECT 1 FROM seal_application WHERE id = $1 FOR UPDATE", application_id)
    found = await application(tx, application_id)
    if found is None:
        raise Over
    return found
