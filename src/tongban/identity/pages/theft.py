"""Pages of the report of theft, of the levels, of plans and of the demo's outside systems 报丢失、核验级别、预案."""

from __future__ import annotations

import msgspec
from litestar import get, post

from tongban import ui
from tongban.identity import providers
from tongban.identity.actions import hall_recovery, introduce, plans, sessions, theft
from tongban.identity.errors import SENTENCES
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.factor_views import (
    HallDeskPage,
    LevelRow,
    LevelsPage,
    PlanRow,
    PlansPage,
    SaidPage,
    TheftPage,
    TwinRow,
    TwinsPage,
    Waiting,
)
from tongban.identity.pages.guards import own
from tongban.identity.providers.face import check
from tongban.identity.rules import paper, typed
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import NotAllowed, NotFound, Refusals
from tongban.kernel.node import Node

PLAN_ACTION = "federation.operate"
LEVELS = (
    LevelRow(1, "一级，手机号", "手机能收验证码", "存草稿、预约、收藏", "90 天"),
    LevelRow(2, "二级，姓名和证号", "姓名和证件号与户籍登记对得上", "交申请、看证照、少填表", "30 天没用再登一次"),
    LevelRow(3, "三级，本人", "刷脸，或用三级时绑的通行密钥", "注册公司、第一次亮证、让别人代办", "2 小时，或半小时没用"),
    LevelRow(4, "四级，当面或证书", "窗口见过本人，或用数字证书", "印章、不动产转移", "15 分钟"),
)


@get("/levels")
async def explained(request: AnyRequest, actor: Asking) -> AnyResponse:
    """What the levels are, how each is reached, what it is enough for and how long it lasts."""
    page = LevelsPage(level=actor.acr if actor.kind == "citizen" else 0, rows=LEVELS, signed_in=actor.kind == "citizen")
    return ui.page(request, "identity/levels.html", page)


@get("/theft")
async def theft_page(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Report a lost phone from any browser; for an account of another node the way there."""
    return await _theft(request, node)


async def _theft(request: AnyRequest, node: Node, name: str = "", number: str = "", errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        away = tuple((one.name, f"{one.url}/theft") for one in await introduce.places(tx) if one.id != node.id)
    page = TheftPage(name=name, number=number, hours=FACTORS.theft.hours, web=FACTORS.theft.web_reports_week, away=away, errors=errors)
    return ui.page(request, "identity/theft.html", page, status=SENTENCES[errors[0].code][0] if errors else 200)


@post("/theft", status_code=200)
async def theft_report(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Name and number were typed; the answer is the same for everybody."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        refused = await theft.report(tx, node, name=form["name"], number=form["number"], address=browser.browser_of(request).address)
    node.bell.ring(sessions.BELL)
    if refused:
        return await _theft(request, node, form["name"], form["number"], refused)
    return ui.page(request, "identity/said.html", SaidPage(
        title="记下了", text=f"如果这里有这个账号，24 小时内只能看，办不了事，也亮不了证。用通行密钥登录一次就恢复。一周里网上已经报过 "
        f"{FACTORS.theft.web_reports_week} 次的，或者这一个月在大厅恢复过的，这次不算，要打 12345，或者带身份证到大厅报。", link="/recover", link_words="找回账号"
    ))  # fmt: skip


@post("/me/devices/theft", status_code=200)
async def theft_own(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """手机丢了, from a device still signed in: this one is signed out too."""
    await ui.form(request)
    session = await own(request, node, actor)
    if session.home is not None:
        return ui.see_other("/theft")
    async with node.db.transaction() as tx:
        await theft.restrict(tx, node, session.subject, "devices")
    node.bell.ring(sessions.BELL)
    return browser.leave(node, ui.see_other("/recover"))


@get("/staff/recovery")
async def desk(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """A clerk recovers an account; a second clerk confirms."""
    return await _desk(request, node, actor)


async def _desk(
    request: AnyRequest, node: Node, actor: Actor, *, name: str = "", number: str = "", word: str = "", proposed: bool = False,
    lost: tuple[str, str] = ("", ""), reported: bool = False, errors: Refusals = (),
) -> AnyResponse:  # fmt: skip
    actor.require_staff()
    may_recover, may_report = holds(actor, "identity.counter_check"), holds(actor, theft.REPORT)
    if not may_recover and not may_report:
        raise NotAllowed
    async with node.db.reading() as tx:
        rows = await hall_recovery.waiting(tx, node, actor.unit) if may_recover else []
    page = HallDeskPage(
        name=name, number=number, word=paper.grouped(word), proposed=proposed, demo=node.settings.demo, errors=errors,
        waiting=tuple(Waiting(one.id, one.name, one.by, one.at) for one in rows if one.by != actor.staff_id),
        may_recover=may_recover, may_report=may_report, lost_name=lost[0], lost_number=lost[1], reported=reported,
    )  # fmt: skip
    return ui.page(request, "identity/hall_recovery.html", page, status=SENTENCES[errors[0].code][0] if errors else 200)


@post("/staff/recovery", status_code=200)
async def propose(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Person and document were seen; with a picture the live face confirms at once."""
    form = await ui.form(request)
    number, name = typed.normal(form["number"]), typed.normal_name(form["name"])
    if wrong := typed.check_number(number):
        return await _desk(request, node, actor, name=form["name"], number=form["number"], errors=(wrong,))
    async with node.db.transaction() as tx:
        made = await hall_recovery.propose(tx, node, actor, number, name, actor.unit)
    if not isinstance(made[0], str):
        return await _desk(request, node, actor, name=form["name"], number=form["number"], errors=made)
    subject, row = str(made[0]), str(made[1])
    if form["how"] != "face":
        return await _desk(request, node, actor, proposed=True)
    picture = form.file("picture")
    way = await providers.demo_way(node, "face", form["demo"])
    result = await check(providers.face(node, way), subject, picture.data if picture else b"", seconds=FACTORS.providers.face_seconds)
    async with node.db.transaction() as tx:
        word = await hall_recovery.by_face(tx, node, actor, subject, row, result)
    node.bell.ring(sessions.BELL)
    if isinstance(word, tuple):
        return await _desk(request, node, actor, proposed=True, errors=word)
    return await _desk(request, node, actor, word=word)


@post("/staff/recovery/confirm", status_code=200)
async def second(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The second clerk saw the person too."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        word = await hall_recovery.by_second(tx, node, actor, form["id"])
    node.bell.ring(sessions.BELL)
    if isinstance(word, tuple):
        return await _desk(request, node, actor, errors=word)
    return await _desk(request, node, actor, word=word)


@post("/staff/recovery/theft", status_code=200)
async def report_for(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """A caller of 12345, or somebody at the counter, says the phone is gone; the clerk sees the same answer for everybody."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        refused = await theft.by_staff(tx, node, actor, name=form["lost_name"], number=form["lost_number"])
    node.bell.ring(sessions.BELL)
    if refused:
        beside = tuple(msgspec.structs.replace(one, field=f"lost_{one.field}") for one in refused)
        return await _desk(request, node, actor, lost=(form["lost_name"], form["lost_number"]), errors=beside)
    return await _desk(request, node, actor, reported=True)


@get("/staff/login-plan")
async def plan_page(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Whether the plan against spread guessing is on, who switched it and why."""
    actor.require_staff()
    return await _plan(request, node, actor)


async def _plan(request: AnyRequest, node: Node, actor: Actor, errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        rows = await plans.history(tx)
    said = []
    for one in rows:
        since = one.since.astimezone(CHINA)
        until = one.ended_at.astimezone(CHINA) if one.ended_at else None
        said.append(PlanRow(one.why, f"{since:%m-%d %H:%M} 起{f'，{until:%m-%d %H:%M} 停' if until else '，还在用'}，{'自动' if one.by_whom == 'clock' else '人工'}启用"))
    page = PlansPage(
        plan=plans.SPREAD, words=plans.PLANS[plans.SPREAD], on=any(one.ended_at is None for one in rows), may=holds(actor, PLAN_ACTION),
        rows=tuple(said), errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/login_plan.html", page, status=409 if errors else 200)


@post("/staff/login-plan", status_code=200)
async def plan_switch(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Ask for the plan to be switched; only who operates the node, and another one approves."""
    form = await ui.form(request)
    actor.require_staff()
    if not holds(actor, PLAN_ACTION):
        raise NotAllowed
    async with node.db.transaction() as tx:
        made = await plans.propose(tx, node, actor, plans.SPREAD, on=form["act"] == "on", why=form["why"])
    if isinstance(made, tuple):
        return await _plan(request, node, actor, made)
    return ui.see_other(f"/staff/proposals/{made.id}")


@get("/demo/providers")
async def twins(request: AnyRequest, node: HereNode) -> AnyResponse:
    """How the demo's outside systems behave, to be chosen."""
    rows = tuple([TwinRow(name, label, await providers.demo_way(node, name)) for name, label in providers.TWINS.items()])
    return ui.page(request, "identity/demo_providers.html", TwinsPage(rows=rows))


@post("/demo/providers", status_code=200)
async def choose_twins(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Choose how they behave from now on."""
    form = await ui.form(request)
    if not node.settings.demo:
        raise NotFound
    async with node.db.transaction() as tx:
        for name in providers.TWINS:
            if form[name] in ("works", "fails", "slow"):
                await tx.execute(
                    "INSERT INTO demo_provider (name, way) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET way = excluded.way", name, form[name]
                )
    return ui.see_other("/demo/providers")


ROUTES = [
    explained, theft_page, theft_report, theft_own, desk, propose, second, report_for, plan_page, plan_switch, twins, choose_twins,
]  # fmt: skip
