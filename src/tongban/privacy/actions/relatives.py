"""Close relatives of somebody who died 近亲属 (个人信息保护法 49 [K]): a copy, a correction, a deletion of what the law and the person allow.

What counts are papers seen by two clerks, kept with the request. The account of the dead stops with the first request that is
confirmed; whoever was taken for dead by mistake hears of it by text and puts it right at any desk.
"""

from __future__ import annotations

from datetime import date

import msgspec

from tongban import consent, evidence, identity, notifications
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.ids import BadIdentifier, IdNumber
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.privacy.actions import closing, papers
from tongban.privacy.model.closing import Paper
from tongban.privacy.model.desk import KIND_WORDS, Asked, Told
from tongban.privacy.queries import closing as closing_queries
from tongban.privacy.queries import desk as queries
from tongban.privacy.rules.relatives import relatives, word_of

_UNKNOWN = "这里没有这个人，或者姓名对不上"


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """What the clerk typed of a relative's request 近亲属请求的表: who is here, who died, the papers that lie on the counter."""

    kind: str = ""
    number: str = ""
    name: str = ""
    dead_number: str = ""
    dead_name: str = ""
    told: Told = Told()
    death_file: evidence.Sent | None = None
    kinship_file: evidence.Sent | None = None


class Refused(msgspec.Struct, frozen=True):
    """Why a file was not taken 没收的原因."""

    why: Refusals


def masked_name(name: str) -> str:
    """A name as the second clerk's list shows it 遮住的姓名."""
    return name[:1] + "*" * (len(name) - 1)


def check(typed: Typed, today: date) -> Refusals:
    """What is missing in the form, each beside its field (pure)."""
    known, told, wrong = relatives(), typed.told, []

    def need(sound: bool, field: str, said: str) -> None:
        if not sound:
            wrong.append(Refusal(f"privacy.desk_{field}", said, field))

    need(typed.kind in ("copy", "correct", "closing"), "kind", "选一样要办的")
    need(bool(typed.name), "name", "填来的人的姓名")
    need(bool(typed.dead_name), "dead_name", "填去世的人的姓名")
    for field, number in (("number", typed.number), ("dead_number", typed.dead_number)):
        try:
            IdNumber.parse(number)
        except BadIdentifier as bad:
            wrong.append(bad.refusal(field))
    need(bool(word_of(known.relation, told.relation)), "relation", "选来人和去世的人是什么关系")
    need(_day(told.died_on) is not None and told.died_on <= today.isoformat(), "died_on", "照证明填去世的日子")
    need(bool(word_of(known.death_paper, told.death_paper)), "death_paper", "选去世的证明")
    need(len(told.death_number) >= 4, "death_number", "照证明填编号")
    need(bool(word_of(known.kinship_paper, told.kinship_paper)), "kinship_paper", "选亲属关系的证明")
    need(len(told.reason) >= 4, "reason", "写清用来办什么正当的事，至少 4 个字")
    need(typed.death_file is not None, "death_file", "拍下去世的证明原件")
    need(typed.kinship_file is not None, "kinship_file", "拍下亲属关系的证明原件")
    if typed.kind == "correct":
        need(told.attribute in ("name", "sex", "born", "nation", "address"), "attribute", "选改哪一项")
        need(bool(told.claimed), "claimed", "填应该是什么")
    return tuple(wrong)


async def whose(tx: Tx, node: Node, clerk: Actor, asker: str, typed: Typed) -> str | Refusals:
    """The subject of the dead, when the account is here and the person's own word allows it 核对去世的人; the reading is in their ledger."""
    person = await identity.person_by_number(tx, node, typed.dead_number)
    if person is None or person.name is None:
        return (Refusal("privacy.desk_unknown", _UNKNOWN, "dead_number"),)
    await identity.note_reading(tx, node, clerk, "right", typed.kind, consent.Access(
        subject=person.subject, kind="check", who=clerk.unit or node.settings.name, fields=("姓名", "证件号"), purpose="近亲属在窗口提出请求，核对是谁",
        source=node.id, receiver=node.id, basis=relatives().source,
    ))  # fmt: skip
    if person.name.reveal() != typed.dead_name or person.subject == asker:
        return (Refusal("privacy.desk_unknown", _UNKNOWN, "dead_number"),)
    if clerk.own_or_family(person.subject):
        raise NotAllowed
    account = await identity.account(tx, person.subject)
    if account is None or account.status not in ("open", "restricted", "stopped"):
        return (Refusal("privacy.desk_elsewhere", "这个人的账号不在这里，请到账号所在地的大厅办", "dead_number"),)
    refused = await _not_allowed(tx, person.subject, typed.kind)
    return (Refusal("privacy.desk_choice", refused, "kind"),) if refused else person.subject


async def _not_allowed(tx: Tx, subject: str, kind: str) -> str:
    """Why the dead person's own word forbids it; empty when it does not 生前另有安排."""
    choice = await queries.choice(tx, subject)
    return "" if kind in choice.allows else f"这个人生前安排的是“{choice.words}”，这一样不能办"


async def keep_papers(tx: Tx, node: Node, asker: str, typed: Typed) -> tuple[str, ...] | Refused:
    """The photos of both papers, kept as the asker's materials 存证明."""
    kept = []
    who = Actor(kind="citizen", subject=asker, acr=4, home=node.id)
    for upload, field in ((typed.death_file, "death_file"), (typed.kinship_file, "kinship_file")):
        one = await evidence.store(tx, node, who, upload, kind="evidence", field=field)
        if isinstance(one, tuple):
            return Refused(one)
        kept.append(one.id)
    return tuple(kept)


async def carry_out(tx: Tx, node: Node, approver: Actor, asked: Asked) -> tuple[str, Paper | None] | str:
    """What two clerks confirmed, with number and paper 照办; or why not. The account of the dead is stopped first."""
    refused = await _not_allowed(tx, asked.subject, asked.kind)
    if refused:
        return refused
    await _stop(tx, node, asked)
    relation = word_of(relatives().relation, asked.told.relation)
    words = {"copy": "全部信息的副本", "closing": "全部信息（删除）", "correct": "登记信息（纠错）"}[asked.kind]
    await consent.record_access(tx, node, consent.Access(
        subject=asked.subject, kind="view", who=f"近亲属（{relation}），在{approver.unit or node.settings.name}", fields=(words,),
        purpose=f"近亲属在窗口{KIND_WORDS[asked.kind]}", source=node.id, receiver=node.id, basis=relatives().source, about=f"desk:{asked.id}",
    ))  # fmt: skip
    dead = Actor(kind="citizen", subject=asked.subject, acr=4, home=node.id)
    if asked.kind == "copy":
        return await papers.copy_for(tx, node, dead)
    if asked.kind == "closing":
        waiting = await closing_queries.waiting(tx, node, asked.subject) or await closing.begin(tx, node, asked.subject, level=4)
        return waiting.id, waiting.paper
    claim = identity.Claim(attribute=asked.told.attribute, claimed=asked.told.claimed, note=f"近亲属（{relation}）在窗口提出：{asked.told.reason}")
    opened = await identity.open_dispute(tx, node, dead, claim)
    return opened[0].sentence if isinstance(opened, tuple) else (opened, None)


async def _stop(tx: Tx, node: Node, asked: Asked) -> None:
    """Nobody signs in as the dead any more; who is alive after all hears of it on every channel 停用."""
    account = await identity.account(tx, asked.subject)
    if account is None or account.status == "stopped":
        return
    await identity.text_account(
        tx, node, asked.subject, f"【{node.settings.name}】有人持证明说账号的主人去世了，账号已停用。搞错了，带身份证到就近大厅恢复，或打 12345。"
    )
    await notifications.notify(
        tx, node, subject=asked.subject, kind="privacy.stopped", about=f"desk:{asked.id}", title="账号按去世停用了", text="搞错了，带身份证到就近大厅恢复。",
        link="/me/rights", group="我的信息",
    )  # fmt: skip
    await identity.stop_account(tx, node, asked.subject)
    log("privacy.account_stopped")


def in_words(asked: Asked) -> tuple[tuple[str, str], ...]:
    """What the second clerk reads of a relative's request 给第二位看的."""
    known, told = relatives(), asked.told
    more = (("改成", told.claimed),) if asked.kind == "correct" else ()
    return (
        ("谁来的", f"{asked.asker_name}，{word_of(known.relation, told.relation)}"), ("去世的日子", told.died_on),
        ("去世的证明", f"{word_of(known.death_paper, told.death_paper)}，编号 {told.death_number}"),
        ("亲属关系的证明", word_of(known.kinship_paper, told.kinship_paper)), ("用来办什么", told.reason), *more,
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
