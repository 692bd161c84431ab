"""Pages of mandates 代办: given and received, one of them, a new one in four steps, stopping one, a guardian's answer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath

from tongban import federation, ui
from tongban.identity.actions import acting, confirming, introduce, mandates, sessions
from tongban.identity.errors import failure, refusal
from tongban.identity.pages.agent_views import AgentsPage, ConfirmPage, MandatePage, MandateRow, NewPage, StopPage
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.queries import mandates as queries
from tongban.identity.queries.offers import items_for
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.mandates import ACT_WORDS, Mandate, book
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node

TERMS = (("7", "7 天"), ("30", "30 天"), ("90", "90 天"), ("365", "1 年"), ("730", "2 年"))
STATES = {
    "offered": "等对方接受", "active": "有效", "refused": "对方没接", "lapsed": "没人接，作废了", "stopped": "已停止", "ended": "已结束",
    "arriving": "正在核对",
}  # fmt: skip
WHYS = {"register": "登记有变化", "term": "到期了", "agent": "代办的人不办了", "grantor": "本人停止了", "not_accepted": "7 天没接受"}


def day(at: datetime) -> str:
    """A day in China: 2026 年 11 月 18 日."""
    local = at.astimezone(CHINA)
    return f"{local.year} 年 {local.month} 月 {local.day} 日"


def acts_words(acts: tuple[str, ...]) -> str:
    """What the agent can do, in words."""
    return "、".join(book().words(one) for one in acts)


async def items_words(tx: Tx, node: Node, one: Mandate) -> str:
    """What it is for, in words: by law, the set, the items."""
    if one.basis == "legal_rep":
        return "企业的全部事项"
    if one.basis == "guardian":
        return "孩子的事"
    names = await items_for(tx, node, one.kind)
    if one.set_name:
        return f"{one.set_name}（{next((s.words for s in book().set if (s.name, s.version) == (one.set_name, one.set_version)), '')}）"
    return "、".join(next((name for code, name in names.items() if code.endswith(item)), "一项服务") for item in one.items)


async def mandate_row(tx: Tx, node: Node, one: Mandate, *, mine: bool) -> MandateRow:
    """One mandate as a line of a list, as its grantor (`mine`) or its agent reads it."""
    now = node.clock.now()
    other = one.agent_name if mine else one.grantor_name
    what = await items_words(tx, node, one)
    title = f"{other.reveal()}替{one.grantor_name.reveal() if one.kind == 'organisation' else '你'}办" if mine else f"替{other.reveal()}办"
    alive = rules.alive(one, now)
    state = STATES[one.state] if one.state != "active" or alive else "到期了"
    until = "" if one.basis == "legal_rep" else f"，到 {day(one.until_at)}"
    return MandateRow(
        id=one.id, title=title, hint=f"{what}{until}", state=state if mine or one.state != "offered" else "等你答复", alive=alive,
        waiting=one.state == "offered" and not mine and one.offered_until > now,
    )  # fmt: skip


@get("/me/agents")
async def agents(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """代办: what waits for an answer, who acts for me, for whom I act, and what is over. For a company while acting for it."""
    actor.require(1)
    async with node.db.reading() as tx:
        given = [] if actor.for_subject and actor.basis != "legal_rep" else list(await queries.given(tx, node, actor.person))
        received = [] if actor.for_subject else list(await queries.received(tx, node, actor.subject))
        mine = [await mandate_row(tx, node, one, mine=True) for one in given]
        others = [await mandate_row(tx, node, one, mine=False) for one in received]
        home_url = await introduce.address(tx, actor.home if actor.home != node.id else "")
    page = AgentsPage(
        waiting=tuple(one for one in others if one.waiting), given=tuple(one for one in mine if one.alive or one.state == STATES["offered"]),
        received=tuple(one for one in others if one.alive),
        over=tuple(one for one in (*mine, *others) if not one.alive and not one.waiting and one.state != STATES["offered"])[:20],
        company=actor.for_name.reveal() if actor.for_subject and actor.for_name else "",
        may_grant=not actor.for_subject or actor.basis == "legal_rep", here=actor.home in {"", node.id},
        done=request.query_params.get("done", ""), home_url=home_url, home_name=federation.name_of(node, actor.home),
    )  # fmt: skip
    return ui.page(request, "identity/agents.html", page)


async def _visible(tx: Tx, node: Node, actor: Actor, mandate_id: UUID) -> Mandate:
    """A mandate of which this person is a side; nobody else's is found (T-42)."""
    found = await queries.by_id(tx, node, str(mandate_id))
    if found is None or found.state == "arriving":
        raise failure("identity.mandate_gone")
    sides = {found.grantor, found.agent, found.granted_by_subject}
    if actor.subject not in sides and not await mandates.may_stop(tx, node, actor, found):
        raise failure("identity.mandate_gone")
    return found


async def done_rows(tx: Tx, node: Node, found: Mandate) -> tuple[tuple[str, str], ...]:
    """What was done under it, newest first."""
    done = await queries.done_under(tx, node, found.id)
    return tuple((acting.moment(one.at), f"{ACT_WORDS.get(one.act, '办了一步')}：{one.what.reveal()}") for one in done)


async def facts_of(tx: Tx, node: Node, found: Mandate) -> tuple[tuple[str, str], ...]:
    """A mandate in rows of words."""
    rows = [
        ("谁的事", found.grantor_name.reveal()), ("谁来办", found.agent_name.reveal()), ("凭什么", book().words(found.basis)),
        ("办什么", await items_words(tx, node, found)), ("能做", acts_words(found.acts)), ("到哪天", day(found.until_at)),
    ]  # fmt: skip
    if found.wait_until and found.wait_until > node.clock.now():
        rows.append(("什么时候能提交", f"{acting.moment(found.wait_until)} 起，之前可以先填好"))
    if found.over_why:
        rows.append(("为什么停", WHYS.get(found.over_why, "已经停了")))
    return tuple(rows)


@get("/me/agents/{mandate_id:uuid}")
async def one(request: AnyRequest, node: HereNode, actor: Asking, mandate_id: FromPath[UUID]) -> AnyResponse:
    """One mandate, with what was done and what one can do with it."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await _visible(tx, node, actor, mandate_id)
        agent = found.agent == actor.subject
        alive = rules.alive(found, node.clock.now())
        page = MandatePage(
            title=f"{found.agent_name.reveal()}替{found.grantor_name.reveal()}办", id=found.id, state=STATES[found.state],
            facts=await facts_of(tx, node, found), done=await done_rows(tx, node, found),
            may_accept=agent and found.state == "offered" and found.offered_until > node.clock.now(),
            may_refuse=agent and found.state in {"offered", "active"} and found.basis not in {"legal_rep", "guardian"},
            may_stop=found.state in {"offered", "active"} and await mandates.may_stop(tx, node, actor, found),
            may_act=agent and alive and not actor.for_subject,
        )  # fmt: skip
    return ui.page(request, "identity/mandate.html", page)


@post("/me/agents/{mandate_id:uuid}/accept", status_code=200)
async def accept(request: AnyRequest, node: HereNode, actor: Asking, mandate_id: FromPath[UUID]) -> AnyResponse:
    """接受."""
    await ui.form(request)
    actor.require(mandates.ACCEPT_LEVEL)
    async with node.db.transaction() as tx:
        await mandates.accept(tx, node, actor, str(mandate_id))
    return ui.see_other(f"/me/agents/{mandate_id}")


@post("/me/agents/{mandate_id:uuid}/refuse", status_code=200)
async def refuse(request: AnyRequest, node: HereNode, actor: Asking, mandate_id: FromPath[UUID]) -> AnyResponse:
    """不接受、不办了."""
    await ui.form(request)
    actor.require(1)
    async with node.db.transaction() as tx:
        await mandates.refuse(tx, node, actor, str(mandate_id))
    node.bell.ring(sessions.BELL)
    return ui.see_other("/me/agents?done=refused")


@get("/me/agents/{mandate_id:uuid}/stop")
async def stop_form(request: AnyRequest, node: HereNode, actor: Asking, mandate_id: FromPath[UUID]) -> AnyResponse:
    """停止授权: where the link in every message leads. One button, no level asked."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await _visible(tx, node, actor, mandate_id)
        page = StopPage(
            id=found.id, agent=found.agent_name.reveal(), grantor=found.grantor_name.reveal(), done=await done_rows(tx, node, found),
            over=found.state not in {"offered", "active"},
        )  # fmt: skip
    return ui.page(request, "identity/stop.html", page)


@post("/me/agents/{mandate_id:uuid}/stop", status_code=200)
async def stop(request: AnyRequest, node: HereNode, actor: Asking, mandate_id: FromPath[UUID]) -> AnyResponse:
    """停止授权: at once."""
    await ui.form(request)
    actor.require(1)
    async with node.db.transaction() as tx:
        await mandates.stop(tx, node, actor, str(mandate_id))
    node.bell.ring(sessions.BELL)
    return ui.see_other("/me/agents?done=stopped")


# ---- a new mandate, one step a page ----------------------------------------------------------------------------


def _company(actor: Actor) -> str:
    return actor.for_name.reveal() if actor.for_subject and actor.for_name else ""


def _grantor(actor: Actor, node: Node) -> None:
    """Who may begin a mandate at all: at home, at level 3, never an agent."""
    if actor.for_subject and actor.basis != "legal_rep":
        actor.require_self("再授权给别人")
    actor.require(1)
    if actor.home not in {"", node.id}:
        raise failure("identity.act_at_home")
    actor.require(mandates.GRANT_LEVEL)


@get("/me/agents/new")
async def new(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """新授权: level 3 first, so that nothing typed is lost on the way."""
    if actor.home not in {"", node.id}:
        return ui.see_other("/me/agents")
    _grantor(actor, node)
    return _who(request, actor, (), "", "")


def _who(request: AnyRequest, actor: Actor, errors: Refusals, name: str, number: str) -> AnyResponse:
    page = NewPage(title="请谁代办", step="who", step_line="第 1 步，共 4 步", company=_company(actor), name=name, number=number, errors=errors)
    return ui.page(request, "identity/mandate_new.html", page, status=422 if errors else 200)


class _Typed(msgspec.Struct, frozen=True):
    agent: mandates.Agent
    wanted: mandates.Wanted
    sealed: str


def sealed_agent(node: Node, actor: Actor, agent: mandates.Agent) -> str:
    """Who was found, kept in the page between steps: sealed for this person, so that the number is asked once."""
    plain = msgspec.json.encode([agent.subject, agent.home, agent.name.reveal()]).decode()
    return node.cipher.seal("identity", "mandate.found", actor.subject, plain).hex()


def _read(node: Node, actor: Actor, form: ui.Form) -> _Typed:
    try:
        subject, home, name = msgspec.json.decode(node.cipher.open("identity", "mandate.found", actor.subject, bytes.fromhex(form["agent"])).reveal())
    except Exception as odd:  # whatever was put into the hidden field, it is no sealed answer of ours
        raise failure("identity.mandate_gone") from odd
    days = int(form["days"]) if form["days"].isdigit() and len(form["days"]) < 4 else 0
    wanted = mandates.Wanted(items=form.all("items"), set_name=form["set_name"], acts=form.all("acts"), days=days)
    return _Typed(mandates.Agent(subject=subject, home=home, name=Personal(name)), wanted, form["agent"])


@post("/me/agents/new", status_code=200)
async def new_step(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The next step, or the same one with what is wrong; the last one gives the mandate."""
    form = await ui.form(request)
    _grantor(actor, node)
    step = form["_step"]
    if step in {"", "who"}:
        found = await mandates.find(node, form["name"], form["number"])
        if isinstance(found, tuple):
            return _who(request, actor, found, form["name"], form["number"])
        if found.subject == actor.subject:
            return _who(request, actor, (refusal("identity.agent_self", "number"),), form["name"], form["number"])
        known = _Typed(found, mandates.Wanted(acts=("view", "draft", "submit", "receive")), sealed_agent(node, actor, found))
        return await _draw(request, node, actor, "what", known, ())
    known = _read(node, actor, form)
    async with node.db.reading() as tx:
        names = await items_for(tx, node, "organisation" if actor.for_subject else "person")
    wrong = _wrong(actor, known, names)
    if step == "what":
        bad = tuple(one for one in wrong if one.field in {"items", "acts"})
        return await _draw(request, node, actor, "what" if bad else "term", known, bad)
    if step == "term" or wrong:
        bad = tuple(one for one in wrong if one.field == "days") or wrong
        return await _draw(request, node, actor, "term" if bad else "check", known, bad)
    await acting.freshen(node, actor, level=mandates.GRANT_LEVEL)
    async with node.db.transaction() as tx:
        made = await mandates.grant(tx, node, actor, known.agent, known.wanted, names=names)
    if isinstance(made, tuple):
        return await _draw(request, node, actor, "check", known, made)
    return ui.see_other("/me/agents?done=offered")


def _wrong(actor: Actor, known: _Typed, names: dict[str, str]) -> Refusals:
    kind = "organisation" if actor.for_subject else "person"
    found = mandates.judge(known.wanted, kind=kind, names=names)
    return () if mandates.is_granted(found) else found  # type: ignore[return-value]


async def _draw(request: AnyRequest, node: Node, actor: Actor, step: str, known: _Typed, errors: Refusals) -> AnyResponse:
    kind = "organisation" if actor.for_subject else "person"
    basis = "org_agent" if actor.for_subject else "family"
    wanted, sets = known.wanted, book().sets(kind)
    async with node.db.reading() as tx:
        names = await items_for(tx, node, kind)
    carried = [("agent", known.sealed)]
    if step != "what":
        carried += [("set_name", wanted.set_name), *(("items", one) for one in wanted.items), *(("acts", one) for one in wanted.acts)]
    if step == "check":
        carried.append(("days", str(wanted.days)))
    now = node.clock.now()
    chosen = [one.words for one in sets if one.name == wanted.set_name] + [names[one] for one in wanted.items if one in names]
    titles = {"what": ("能办什么", "第 2 步，共 4 步"), "term": ("办到什么时候", "第 3 步，共 4 步"), "check": ("看一遍，再授权", "第 4 步，共 4 步")}
    wait = rules.waits(basis, now)
    page = NewPage(
        title=titles[step][0], step=step, step_line=titles[step][1], company=_company(actor), carried=tuple(carried),
        agent=known.agent.name.reveal(), sets=sets, set_name=wanted.set_name, items=tuple(ui.Option(code, name) for code, name in names.items()),
        chosen=wanted.items, acts=tuple(ui.Option(one.code, one.words) for one in book().act), chosen_acts=wanted.acts, days=str(wanted.days),
        terms=tuple(ui.Option(value, words) for value, words in TERMS if int(value) <= book().days(basis)),
        facts=(
            ("请谁办", known.agent.name.reveal()), ("办什么", "、".join(chosen)), ("能做", acts_words(wanted.acts)),
            ("到哪天", day(rules.longest(basis, now, wanted.days)) if wanted.days else ""),
        ),
        never=tuple((one.words, one.reason) for one in book().never), wait=acting.moment(wait) if wait else "", errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/mandate_new.html", page, status=422 if errors else 200)


# ---- a guardian's answer ------------------------------------------------------------------------------------------


@get("/me/agents/confirm/{ask_id:uuid}")
async def confirm_form(request: AnyRequest, node: HereNode, actor: Asking, ask_id: FromPath[UUID]) -> AnyResponse:
    """What the child wants to do, and both answers of the same size."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await confirming.ask_of(tx, node, actor.subject, str(ask_id))
    if found is None:
        raise failure("identity.mandate_gone")
    page = ConfirmPage(id=found.id, name=found.name, what=found.what, until=day(found.until_at), answer=found.answer or "")
    return ui.page(request, "identity/confirm.html", page)


@post("/me/agents/confirm/{ask_id:uuid}", status_code=200)
async def confirm(request: AnyRequest, node: HereNode, actor: Asking, ask_id: FromPath[UUID]) -> AnyResponse:
    """同意 or 不同意."""
    form = await ui.form(request)
    actor.require(2)
    async with node.db.transaction() as tx:
        await confirming.answer(tx, node, actor, str(ask_id), agrees=form["answer"] == "yes")
    return ui.see_other(f"/me/agents/confirm/{ask_id}")


ROUTES = [agents, new, new_step, one, accept, refuse, stop_form, stop, confirm_form, confirm]
