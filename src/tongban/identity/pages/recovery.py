"""Pages of finding the account again and of a new number 找回账号、换手机号 (identity.md 8)."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath

from tongban import ui
from tongban.identity import providers
from tongban.identity.actions import hall_recovery, passkey, phone_change, phone_waiting
from tongban.identity.errors import SENTENCES, refusal
from tongban.identity.model import Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.factor_views import (
    ConfirmPage,
    HallPage,
    PhonePage,
    RecoverPage,
    SaidPage,
    WaitingNumber,
    WaitPage,
)
from tongban.identity.pages.guards import changing, elsewhere, own
from tongban.identity.providers.face import check
from tongban.identity.providers.sms import demo_messages
from tongban.identity.queries.persons import person, phone_of
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.typed import masked_phone, normal
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

COOKIE = "__Host-tb_rc"
HOURS = FACTORS.recovery.wait_hours


def _status(errors: Refusals) -> int:
    return SENTENCES[errors[0].code][0] if errors else 200


async def waiting_numbers(tx: Tx, node: Node, subject: str) -> tuple[WaitingNumber, ...]:
    """What waits for this account, each with a 停止 of its own: the owner stops a stranger's and not the own one."""
    found = await phone_waiting.waiting(tx, node, subject)
    return tuple(WaitingNumber(one.id, masked_phone(one.phone), phone_waiting.words(one.due_at)) for one in found if one.due_at is not None)


@get("/recover")
async def choose(request: AnyRequest) -> AnyResponse:
    """Which way back: another authenticator, a new number, waiting, a hall."""
    return ui.page(request, "identity/recover.html", RecoverPage(hours=HOURS))


@get("/recover/wait")
async def wait_page(request: AnyRequest) -> AnyResponse:
    """Name, number and the new phone."""
    return ui.page(request, "identity/recover_wait.html", WaitPage(hours=HOURS))


@post("/recover/wait", status_code=200)
async def wait_begin(request: AnyRequest, node: HereNode) -> AnyResponse:
    """They were typed: the same answer for everybody, a code to the new phone."""
    form = await ui.form(request)
    here = browser.browser_of(request)
    async with node.db.transaction() as tx:
        begun = await phone_change.begin_waiting(tx, node, name=form["name"], number=form["number"], phone=form["phone"], address=here.address)
    if isinstance(begun, tuple):
        page = WaitPage(name=form["name"], number=form["number"], phone=form["phone"], hours=HOURS, errors=begun)
        return ui.page(request, "identity/recover_wait.html", page, status=_status(begun))
    response = ui.see_other("/recover/confirm")
    browser.put(response, COOKIE, begun, seconds=1800)
    return response


@get("/me/phone")
async def phone_page(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The number now, and a new one."""
    session = await changing(request, node, actor)
    return elsewhere(session) or await _phone(request, node, session)


async def _phone(request: AnyRequest, node: Node, session: Session, phone: str = "", errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        now = await phone_of(tx, node, session.subject)
        waiting = await waiting_numbers(tx, node, session.subject)
    page = PhonePage(phone=phone, now=masked_phone(now) if now else "没有", waiting=waiting, errors=errors)
    return ui.page(request, "identity/phone.html", page, status=_status(errors))


@post("/me/phone", status_code=200)
async def phone_begin(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """A new number was typed: a code goes to it."""
    form = await ui.form(request)
    session = await changing(request, node, actor)
    if home := elsewhere(session):
        return home
    hall = actor.acr == 4 and "inperson" in session.amr
    async with node.db.transaction() as tx:
        begun = await phone_change.begin_signed_in(tx, node, session, form["phone"], hall=hall)
    if isinstance(begun, tuple):
        return await _phone(request, node, session, form["phone"], begun)
    response = ui.see_other("/recover/confirm")
    browser.put(response, COOKIE, begun, seconds=1800)
    return response


@get("/recover/confirm")
async def confirm_page(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The code of the new number, and what else proves the person."""
    return await _confirm(request, node)


async def _confirm(request: AnyRequest, node: Node, errors: Refusals = ()) -> AnyResponse:
    cookie, text = request.cookies.get(COOKIE, ""), ""
    async with node.db.reading() as tx:
        change = await phone_change.where(tx, node, cookie)
        if change is None or change.state != "open":
            return ui.see_other("/recover")
        known = await person(tx, node, change.subject) if change.signed_in else None
        keys = await tx.fetchval(
            "SELECT count(*) FROM authenticator WHERE subject = $1 AND kind = 'passkey' AND ended_at IS NULL", change.subject
        )
        if node.settings.demo:
            sent = await demo_messages(tx, node, change.phone, 1)
            text = sent[0][1] if sent else ""
    ways = [] if not change.signed_in else ["old", *(["passkey"] if keys else []), *(["face"] if known is not None and known.photo_held else [])]
    page = ConfirmPage(
        back="/me/phone" if change.signed_in else "/recover", phone=masked_phone(change.phone), action="/recover/confirm",
        shown=change.shown, ways=tuple(one for one in ways if one not in change.shown), missing=change.missing, hours=HOURS,
        demo=node.settings.demo, demo_text=text, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/recover_confirm.html", page, status=_status(errors))


@post("/recover/confirm", status_code=200)
async def confirm(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """One step: a code, a passkey, a face, 马上换 or 等 72 小时."""
    form = await ui.form(request)
    cookie, act = request.cookies.get(COOKIE, ""), form["act"]
    refused: Refusals = ()
    if act in ("new", "old"):
        async with node.db.transaction() as tx:
            refused = await phone_change.enter(tx, node, cookie, which=act, code=normal(form["code"]))
    elif act in ("ask_new", "ask_old"):
        async with node.db.transaction() as tx:
            refused = await phone_change.send_again(tx, node, cookie, act.removeprefix("ask_"))
    elif act in ("passkey", "face"):
        refused = await _proof(request, node, actor, form, cookie)
    elif act == "now":
        session = await changing(request, node, actor)
        async with node.db.transaction() as tx:
            refused = await phone_change.finish_now(tx, node, cookie, session.subject, browser.agent_of(request))
        if not refused:
            said = SaidPage(title="手机号换好了", back="/me/devices", text="以后验证码发到新号码，旧号码也收到了通知。", link="/me/devices", link_words="看我的设备")
            return _done(request, said)
    elif act == "wait":
        async with node.db.transaction() as tx:
            due = await phone_waiting.wait(tx, node, cookie)
        if isinstance(due, phone_waiting.Waits):
            return _done(request, _waits(due))
        refused = due
    return await _confirm(request, node, refused) if refused else ui.see_other("/recover/confirm")


def _waits(waits: phone_waiting.Waits) -> SaidPage:
    when = phone_waiting.words(waits.due)
    text = f"如果有这个账号，{when}换成新号码，到时间新号码会收到短信。等的这几天，原来的手机和站内都会收到通知，可以停止。"
    if waits.after_another:
        text = f"如果有这个账号，{when}轮到这个号码。还有一个号码填得更早，也在等；没人停止，就换成早的那个。那个不是本人填的，马上带身份证到大厅，当场办好。"
    return SaidPage(title="记下了，要等一等", back="/login", text=text, link="/recover", link_words="看别的办法")


def _done(request: AnyRequest, page: SaidPage) -> AnyResponse:
    response = ui.page(request, "identity/said.html", page)
    browser.drop(response, COOKIE)
    return response


async def _proof(request: AnyRequest, node: Node, actor: Actor, form: ui.Form, cookie: str) -> Refusals:
    session = await changing(request, node, actor)
    if form["act"] == "passkey":
        async with node.db.transaction() as tx:
            found = await passkey.answered(tx, node, form["credential"])
            if found is None or found.subject != session.subject:
                return (refusal("identity.passkey_failed", "way"),)
            await phone_change.show(tx, node, cookie, session.subject, "passkey")
        return ()
    if form["agree"] != "yes":
        return (refusal("identity.face_consent", "agree"),)
    picture = form.file("picture")
    way = await providers.demo_way(node, "face", form["demo"])
    result = await check(providers.face(node, way), session.subject, picture.data if picture else b"", seconds=FACTORS.providers.face_seconds)
    if result.verdict != "same":
        return (refusal("identity.face_away" if result.verdict == "away" else "identity.face_failed", "way"),)
    async with node.db.transaction() as tx:
        await phone_change.show(tx, node, cookie, session.subject, "face")
    return ()


@get("/recover/stop/{word:str}")
async def stop_page(request: AnyRequest, word: FromPath[str]) -> AnyResponse:
    """From a notice: one button. Looking stops nothing, so a link preview does not either."""
    return ui.page(request, "identity/said.html", SaidPage(
        title="停止换手机号", back="/", text="点“停止”，这次换号就作废。是你自己在换，就不用管。", action=f"/recover/stop/{word[:64]}", action_words="停止"
    ))  # fmt: skip


@post("/recover/stop/{word:str}", status_code=200)
async def stop(request: AnyRequest, node: HereNode, word: FromPath[str]) -> AnyResponse:
    """停止 by the word of a notice."""
    await ui.form(request)
    async with node.db.transaction() as tx:
        await phone_waiting.stop(tx, node, word=word)
    return _stopped(request)


@post("/me/phone/stop", status_code=200)
async def stop_own(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """停止 by the person signed in, at any level."""
    form = await ui.form(request)
    session = await own(request, node, actor)
    async with node.db.transaction() as tx:
        await phone_waiting.stop(tx, node, subject=session.subject, row=form["id"])
    return _stopped(request)


def _stopped(request: AnyRequest) -> AnyResponse:
    return ui.page(request, "identity/said.html", SaidPage(
        title="停下了", back="/", text="这次换号已经作废，账号没有变。不放心，就退出所有设备。", link="/me/devices", link_words="看我的设备"
    ))  # fmt: skip


@get("/recover/hall")
async def hall_page(request: AnyRequest) -> AnyResponse:
    """The binding word printed at the counter."""
    return ui.page(request, "identity/recover_hall.html", HallPage(digits=hall_recovery.WORD_DIGITS))


@post("/recover/hall", status_code=200)
async def hall(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Number and word were typed: signed in at level 4, on to a new number or passkey."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        opened = await hall_recovery.sign_in_by(tx, node, form["number"], form["word"], browser.browser_of(request))
    if isinstance(opened, tuple):
        return ui.page(request, "identity/recover_hall.html", HallPage(digits=hall_recovery.WORD_DIGITS, number=form["number"], word=form["word"], errors=opened), status=_status(opened))
    return await browser.take(request, node, ui.see_other("/me/devices"), opened)


ROUTES = [choose, wait_page, wait_begin, phone_page, phone_begin, confirm_page, confirm, stop_page, stop, stop_own, hall_page, hall]
