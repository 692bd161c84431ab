"""Pages of raising the level 提升核验页面: why now, which way, 换一种方式, the hall. One screen; only the difference is asked."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode, urlsplit

from litestar import get, post

from tongban import ui
from tongban.identity import providers
from tongban.identity.actions import certificates, passkey, register, sessions, step_up
from tongban.identity.actions.acting import moment
from tongban.identity.errors import SENTENCES, failure, refusal
from tongban.identity.model import MatchAsked, OpenedSession, Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, HereNode
from tongban.identity.pages.login import AFTER, status_of
from tongban.identity.pages.views import StepUpPage
from tongban.identity.providers import face
from tongban.identity.providers.face import check
from tongban.identity.queries.persons import person
from tongban.identity.rules import typed
from tongban.identity.rules.ages import too_young
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.levels import decayed
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


@get("/step-up")
async def choose(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Why now and which way. A visitor goes to the home; somebody high enough goes on at once."""
    query = request.query_params
    next_path = typed.own_path(query.get("next", ""), AFTER)
    level = int(query.get("level", "3")) if query.get("level", "3") in ("2", "3", "4") else 3
    session = await browser.citizen_session(request, node)
    if session is None:
        return ui.see_other("/login?next=" + quote(next_path, safe=""))
    if session.home is not None:
        return ui.see_other("/step-up/go?" + urlencode({"level": level, "next": next_path}))
    if _level(node, session) >= level:
        return ui.see_other(next_path)
    return await _page(request, node, session, level, next_path)


def _level(node: Node, session: Session) -> int:
    return decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=node.clock.now())


async def _page(
    request: AnyRequest, node: Node, session: Session, level: int, next_path: str, errors: Refusals = (), name: str = "", number: str = ""
) -> AnyResponse:
    async with node.db.reading() as tx:
        known = await person(tx, node, session.subject)
        keys = await tx.fetchval(
            "SELECT count(*) FROM authenticator WHERE subject = $1 AND kind = 'passkey' AND ended_at IS NULL AND bound_acr >= $2",
            session.subject, level,
        )  # fmt: skip
        until = await _until(tx, node, session)
    ways = step_up.ways(known, level, passkeys=keys if session.proof >= level else 0)
    page = StepUpPage(
        why=SENTENCES["identity.level_needed"][1].format(item=_what(next_path)),
        only_hall="" if {"face", "passkey", "register"} & set(ways.ways) else SENTENCES["identity.level_unavailable"][1].format(hall="大厅"),
        level=level, next=next_path, ways=tuple(one for one in ways.ways if not until or one in _RESTRICTED), decline=_decline(next_path), demo=node.settings.demo, word_digits=step_up.WORD_DIGITS,
        restricted=SENTENCES["identity.restricted"][1].format(time=until) if until else "", name=name, number=number, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/step_up.html", page, status=status_of(errors) if errors else 200)


_RESTRICTED = ("passkey", "counter", "hall")
_WHAT = (
    ("/oidc/authorize", "那个应用里的事"), ("/apply", "这件事"), ("/wallet", "看证照"), ("/me/phone", "换手机号"), ("/me/devices", "改登录方式"), ("/me/voice", "用声纹"),
    ("/me/agents", "让别人代办"), ("/cases", "看办件"), ("/me/home", "搬账号"),
    ("/me/switch", "替公司办事"), ("/me/closing", "注销账号"), ("/levels", "要紧的事"),
)  # fmt: skip


def _what(next_path: str) -> str:
    """What the person was about to do, in words, for the first line of the page."""
    return next((words for start, words in _WHAT if next_path.startswith(start)), "这一步")


def _decline(next_path: str) -> str:
    """Where 先不核验 leads: back to the asking node, or to the start."""
    if not next_path.startswith("/oidc/authorize"):
        return "/"
    query = parse_qs(urlsplit(next_path).query)
    return "/oidc/decline?" + urlencode({name: query.get(name, [""])[0] for name in ("client_id", "request_uri")})


@post("/step-up", status_code=200)
async def raised(request: AnyRequest, node: HereNode) -> AnyResponse:
    """One way was taken: the session is raised with a new cookie, or the page says what to do next."""
    form = await ui.form(request)
    next_path = typed.own_path(form["next"], AFTER)
    level = int(form["level"]) if form["level"] in ("2", "3", "4") else 3
    session = await browser.citizen_session(request, node)
    if session is None:
        return ui.see_other("/login?next=" + quote(next_path, safe=""))
    if session.home is not None:
        return ui.see_other("/step-up/go?" + urlencode({"level": level, "next": next_path}))
    found = await _by(request, node, session, form)
    if isinstance(found, tuple):
        return await _page(request, node, session, level, next_path, found, form["name"], form["number"])
    node.bell.ring(sessions.BELL)
    return await browser.take(request, node, ui.see_other(next_path), found)


async def _by(request: AnyRequest, node: Node, session: Session, form: ui.Form) -> OpenedSession | Refusals:
    agent = browser.agent_of(request)
    way = form["way"]
    if way not in _RESTRICTED:
        await _restricted(node, session)
    if way == "face":
        if form["agree"] != "yes":
            return (refusal("identity.face_consent", "agree"),)
        picture = form.file("picture")
        result = await check(
            face(node, await providers.demo_way(node, "face", form["demo"])), session.subject, picture.data if picture else b"",
            seconds=FACTORS.providers.face_seconds,
        )  # fmt: skip
        async with node.db.transaction() as tx:
            return await step_up.by_face(tx, node, session, result, agent)
    if way == "register":
        return await _by_register(node, session, form, agent)
    if way == "certificate":
        return await _by_certificate(node, session, form, agent)
    async with node.db.transaction() as tx:
        if way == "passkey":
            return await passkey.raise_by(tx, node, session, form["credential"], agent)
        return await step_up.by_word(tx, node, session, typed.normal(form["word"]), agent)


async def _by_certificate(node: Node, session: Session, form: ui.Form, agent: str) -> OpenedSession | Refusals:
    async with node.db.reading() as tx:
        known = await person(tx, node, session.subject)
    if known is None or known.number is None:
        return (refusal("identity.certificate_failed", "way"),)
    twin = await providers.demo_way(node, "cosigner", form["demo"])
    if refused := await certificates.asked(node, known.number.reveal(), way=twin):
        return refused
    async with node.db.transaction() as tx:
        return await step_up.by_certificate(tx, node, session, agent)


async def _restricted(node: Node, session: Session) -> None:
    """A restricted account steps up by passkey or hall only. Raises Failure `identity.restricted`."""
    async with node.db.reading() as tx:
        until = await _until(tx, node, session)
    if until:
        raise failure("identity.restricted", time=until)


async def _until(tx: Tx, node: Node, session: Session) -> str:
    """Until when a reported loss restricts this account 报失到什么时候, in words; empty when it does not."""
    until = await tx.fetchval("SELECT restricted_until FROM account WHERE subject = $1", session.subject)
    return moment(until) if until is not None and until > node.clock.now() else ""


async def _by_register(node: Node, session: Session, form: ui.Form, agent: str) -> OpenedSession | Refusals:
    wrong = [] if form["name"] else [refusal("identity.name_needed", "name")]
    if bad := typed.check_number(form["number"]):
        wrong.append(bad)
    elif too_young(typed.normal(form["number"]), node.clock.today()):
        wrong.append(refusal("identity.under_14", "number"))
    if wrong:
        return tuple(wrong)
    name, number = typed.normal_name(form["name"]), typed.normal(form["number"])
    answer = await register.ask(node, MatchAsked(name=name, number=number, purpose="open_account"))
    if answer is None:
        return (refusal("identity.register_away", "number"),)
    async with node.db.transaction() as tx:
        return await step_up.by_register(tx, node, session, answer, name, number, agent)


ROUTES = [choose, raised]
