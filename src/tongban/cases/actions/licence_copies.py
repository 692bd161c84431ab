"""Looking at a licence that stands for a material 证照副本 (R-403, R-405, R-406): the state now, and a watermarked copy, once.

Only who has the case in hands (`desk.must_hold`), only a licence linked to it (`licences.linked`), for a reason that the holder reads. The
copy comes from its issuer under a one-off id (credentials, docs/licences.md); between the two presses that id lies in the page of
the clerk, sealed for clerk, case and material. Nothing of the copy is kept here. An issuer that is away stops no case.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tongban import catalogue, credentials, federation, identity, seals
from tongban.cases.actions import gather
from tongban.cases.errors import CaseUnknown
from tongban.cases.model import CopyAsked, FoundCard, LicenceTold, Linked
from tongban.cases.queries import records
from tongban.cases.rules import desk, licences
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import BadEncoding, CannotOpen, b64, unb64
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

LONGEST: Final = 100
"""Characters of a clerk's reason: it stands across the copy, after the item's name."""
BASIS: Final = "行政许可法第三十四条"
_GROUP, _PLACE = "case", "cases.licence_copy"
_GO_ON = "这件照常往下办；等不及的，请申请人出示原件"
AWAY: Final = f"发证的地方暂时连不上。过几分钟再试，{_GO_ON}"
GONE: Final = Refusal("cases.copy.gone", "这份副本打开过了，或者过了 10 分钟。写上理由再取一次", "reason")
CLOSED: Final = Refusal("cases.copy.away", AWAY)


class _Ticket(msgspec.Struct, frozen=True):
    """What the page of the clerk holds between the two presses (取副本的凭条): sealed."""

    issuer: str
    licence: str
    file: str


async def look(tx: Tx, node: Node, actor: Actor, case_id: str, material: str) -> Linked:
    """The licence that stands for this material of the case, as it was at submission (提交时的证照); the look is in the person's ledger.

    Raises StaffNeeded, CaseUnknown (also for a material no licence stands for), NotYourCounty, OwnCase, NotAllowed.
    """
    found = await _linked(tx, node, actor, case_id, material)
    await _noted(tx, node, actor, found, ("申请用到的证照",), f"办理{found.case.item_name}")
    return found


async def ask(node: Node, actor: Actor, case_id: str, material: str, reason: str) -> CopyAsked | Refusals:
    """How the licence was and is now, and a ticket for its copy (查看证照副本). No transaction may be open. Raises as `look`.

    The reason stands in the holder's ledger at both ends, and across the copy. Nothing is said before it is written down.
    """
    async with node.db.reading() as tx:
        found = await _linked(tx, node, actor, case_id, material)
    words = " ".join(reason.split())
    if wrong := _reason_wrong(words):
        return wrong
    case = found.case
    purpose = credentials.UsePurpose(f"办理{case.item_name[:90]}：{words}", case.task_code, f"case:{case.id}", actor.unit)
    told = await _told(node, actor, found, purpose)
    async with node.db.transaction() as tx:
        if (await _linked(tx, node, actor, case_id, material)).card != found.card:
            raise CaseUnknown
        fields = ("证照副本", "证照状态") if told.ticket else ("证照状态",) if told.standing != "unknown" else ("申请用到的证照",)
        await _noted(tx, node, actor, found, fields, purpose.reason)
    return CopyAsked(found, told)


async def take(node: Node, actor: Actor, case_id: str, material: str, ticket: str) -> credentials.LicenceCopy | Refusals:
    """The copy for a ticket of `ask` (打开副本): once, for the same clerk, case and material. No transaction may be open. Raises as `look`."""
    async with node.db.reading() as tx:
        found = await _linked(tx, node, actor, case_id, material)
    held = _opened(node, actor, found, ticket)
    if held is None or (_named(found.card) and held.licence != found.card.id):
        return (GONE,)
    got = await credentials.take_copy(node, held.issuer, held.file, pdf=True)
    if isinstance(got, credentials.LicenceRefused):
        return (GONE if got.code == credentials.NOT_FOUND else CLOSED,)
    return got


async def _linked(tx: Tx, node: Node, actor: Actor, case_id: str, material: str) -> Linked:
    actor.require_staff()
    case = await records.held(tx, node, case_id)
    if case is None:
        raise CaseUnknown
    desk.must_hold(actor, case)
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    handed_in = await records.materials(tx, node, case)
    found = licences.linked(item, case.file.submission, node.clock.today(), material, handed_in=handed_in)
    if found is None:
        raise CaseUnknown
    return Linked(case, material, *found)


def _reason_wrong(words: str) -> Refusals:
    if not 1 <= len(words) <= LONGEST:
        return (Refusal("cases.copy.reason", f"写清为什么要看，最多 {LONGEST} 个字", "reason"),)
    try:
        seals.width_of(words, 1, "sans")
    except seals.MissingGlyph:
        return (Refusal("cases.copy.reason", "理由里有印不到副本上的字或符号，换个说法", "reason"),)
    return ()


async def _told(node: Node, actor: Actor, found: Linked, purpose: credentials.UsePurpose) -> LicenceTold:
    licence = await _which(node, actor, found, purpose)
    if isinstance(licence, LicenceTold):
        return licence
    subject = found.case.subject
    given = await credentials.copy_id(node, actor, licence, subject=subject, purpose=purpose)
    if isinstance(given, credentials.CopyId):
        held = _Ticket(licence.issuer, licence.id, given.file)
        sealed = node.cipher.seal_bytes(_GROUP, _PLACE, _row(actor, found), msgspec.json.encode(held))
        return LicenceTold("valid", "有效", ticket=b64(sealed))
    if given.code == credentials.NOT_NOW or not licence.identifier:
        return LicenceTold("unknown", "现在查不到", why=AWAY if given.code == credentials.NOT_NOW else _why(given))
    state = await credentials.licence_state(node, actor, licence, subject=subject, purpose=purpose)
    if isinstance(state, credentials.LicenceRefused):
        return LicenceTold("unknown", "现在查不到", why=AWAY if state.code == credentials.NOT_NOW else _why(state))
    if not state.valid:
        return LicenceTold("ended", state.words, why="现在不能用的证照，发证的地方不给副本。要不要补材料，由你判断")
    return LicenceTold("valid", state.words, why=_why(given))


def _why(no: credentials.LicenceRefused) -> str:
    """What the issuer said, what to do, whom to ask."""
    if no.why in credentials.NO_GRANT:
        return f"{no.sentence}。请本单位数据共享管理员去申请授权，{_GO_ON}"
    return f"{no.sentence}。请申请人出示原件"


async def _which(
    node: Node, actor: Actor, found: Linked, purpose: credentials.UsePurpose
) -> credentials.FoundLicence | LicenceTold:
    """The licence the application named; by holder and type for one that was on its way then, and for what an older node sent."""
    card, case = found.card, found.case
    if _named(card):
        return credentials.FoundLicence(
            card.id, card.identifier, card.type_name, card.issuer, card.org_name, "valid", None, node.clock.now()
        )
    sent = case.file.submission
    home = await gather.registrar(node, case.subject) if case.subject.startswith("o1") else sent.evidence.home
    told = await credentials.find_licences(
        node, actor, subject=case.subject, home=home or case.applicant_node, types=(card.type_name,), purpose=purpose
    )
    mine = sorted(told.found, key=lambda one: one.org_name != card.org_name)
    if mine:
        return mine[0]
    if told.silent:
        return LicenceTold("unknown", "现在查不到", why=AWAY)
    if told.not_granted:
        return LicenceTold("unknown", "现在查不到", why=_why(credentials.LicenceRefused(credentials.NO_PERMISSION, "no_grant")))
    return LicenceTold("unknown", "没有查到现在有效的", why="还没有取到，或者已经不能用了。请申请人出示原件，或者请对方补材料")


def _named(card: FoundCard) -> bool:
    """Whether the application says which licence it was; what another node wrote may be anything."""
    return is_uuid(card.id) and bool(card.issuer)


async def _noted(tx: Tx, node: Node, actor: Actor, found: Linked, what: tuple[str, ...], purpose: str) -> None:
    """The reason and one line in the person's ledger, before anything is shown (记台账)."""
    case, fields = found.case, tuple(f"{one}：{found.card.type_name}" for one in what)
    kind: identity.ReasonKind = "case" if case.worker == actor.staff_id else "queue"
    await identity.reading_reason(
        tx, node, actor, case.subject, kind, case.id, fields=fields, basis=BASIS, about=f"case:{case.id}", purpose=purpose
    )


def _row(actor: Actor, found: Linked) -> str:
    return f"{found.case.id}/{found.material}/{actor.staff_id}"


def _opened(node: Node, actor: Actor, found: Linked, ticket: str) -> _Ticket | None:
    try:
        plain = node.cipher.open_bytes(_GROUP, _PLACE, _row(actor, found), unb64(ticket))
        return msgspec.json.decode(plain, type=_Ticket)
    except (BadEncoding, CannotOpen, ValueError):
        return None


def where(node: Node, found: Linked) -> str:
    """The place that issued it, for a page (谁发的)."""
    return f"{found.card.org_name}，{federation.name_of(node, found.card.issuer)}" if found.card.issuer else found.card.org_name
